// What the peers' benchmark loads into workerd and Chromium: every contender by name, so many times.

import { localProvider } from '../../shared/sealing/local-provider.ts';
import { ehbpContenders, hpkeCoreContenders, ownContenders } from './peer-contenders.ts';

type Operation = () => Promise<unknown>;
let contenders: Readonly<Record<string, Readonly<Record<string, Operation>>>> | undefined;

/** The calls of this entry. */
export const calls = {
  async run(who: string, what: string, times: number): Promise<void> {
    contenders ??= {
      ours: await ownContenders(localProvider),
      ehbp: await ehbpContenders(),
      'hpke-core': await hpkeCoreContenders(),
    };
    const operation = contenders[who]?.[what];
    if (operation === undefined) throw new Error(`no contender ${who} ${what}`);
    for (let i = 0; i < times; i++) await operation();
  },
};
