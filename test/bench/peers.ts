// Our sealing against `ehbp` and `@hpke/core`, in Node, workerd and Chromium. The floor is the other package; below 1 we are faster.

import { fileURLToPath } from 'node:url';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import type { Runtime } from '../runtimes/runtime.ts';
import { chromiumPath, startChromium } from '../runtimes/start-chromium.ts';
import { startWorkerd } from '../runtimes/start-workerd.ts';
import { type Contender, type Figure, type FigureGroup, figure, measure, repeatAsync } from './measure.ts';
import { ownContenders } from './peer-contenders.ts';
import { calls } from './peer-entry.ts';

const ENTRY = fileURLToPath(new URL('./peer-entry.ts', import.meta.url));

// What each peer can do: ehbp has no server's half, @hpke/core no format for an answer.
const COMPARISONS = [
  ['seal', ['ehbp', 'hpke-core']],
  ['open', ['hpke-core']],
  ['answer', ['ehbp']],
] as const;

type Run = (who: string, what: string, times: number) => Promise<unknown>;

async function* compare(runtime: string, run: Run, own?: Record<string, Contender>): AsyncGenerator<Figure> {
  for (const [what, peers] of COMPARISONS) {
    const contenders: Record<string, Contender> = {
      ours: own?.[what] ?? (async (times) => void (await run('ours', what, times))),
    };
    for (const peer of peers) contenders[peer] = async (times) => void (await run(peer, what, times));
    const took = await measure(contenders, { rounds: 5, milliseconds: 100 });
    for (const peer of peers)
      yield figure(`${what}-${runtime}-vs-${peer}`, took.ours ?? 0, 'µs', took[peer] ?? 0);
  }
}

async function* compareIn(start: (entry: string) => Promise<Runtime>): AsyncGenerator<Figure> {
  const runtime = await start(ENTRY);
  try {
    // Timed from outside: inside workerd the clock stands still while code runs.
    yield* compare(runtime.name, (...args) => runtime.call('run', ...args));
  } finally {
    await runtime.close();
  }
}

/** Figures `seal-…`, `open-…` (a request of 4 KiB) and `answer-…` (opening 64 records of 256 octets). */
export const peerFigures: FigureGroup = async function* () {
  const node = await ownContenders(nodeCryptoProvider);
  const own = {
    seal: repeatAsync(node.seal),
    open: repeatAsync(node.open),
    answer: repeatAsync(node.answer),
  };
  yield* compare('node', calls.run, own);
  // The client as it is in Node: WebCrypto once an exchange, node:crypto for the records of the answer.
  yield* compare('node-client', calls.run);
  yield* compareIn(startWorkerd);
  if (chromiumPath === undefined) yield { name: 'peers-chromium', skipped: 'no Chromium on this machine' };
  else yield* compareIn(startChromium);
};
