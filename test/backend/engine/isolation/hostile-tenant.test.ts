// A hostile engine between two tenants: it tells the second what the first said, unless isolation keeps it from ever meeting both.

import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { EngineService } from '../../../../backend/engine/engine-service.ts';
import { serveIsolated } from '../../../../backend/engine/isolation/serve-isolated.ts';
import type { Isolation } from '../../../../shared/manifest/isolation.ts';
import { drivers } from '../sandbox/machine.ts';
import { startProgram, superviseHere } from '../start-program.ts';
import { rememberingProgram } from './remembering-engine.ts';

interface Told {
  readonly pid: number;
  /** What the engine knew before this prompt. */
  readonly before: readonly string[];
}

const SECRET = `secret-${randomBytes(16).toString('hex')}`;
const SESSIONS = ['a', 'b', 'c'].map((letter) => letter.repeat(43)) as [string, string, string];

let service: EngineService | undefined;
let remove = (): void => {};
afterEach(async () => {
  await service?.stop();
  remove();
  // what an engine without a sandbox could leave
  for (const folder of ['/tmp', '/dev/shm', '/var/tmp', '/run', ''])
    rmSync(`${folder}/cloister-remembered`, { force: true });
});

async function serve(isolation: Isolation, driver: 'landlock' | 'bubblewrap' | 'none') {
  const here = superviseHere((place) => startProgram(driver, rememberingProgram(), place));
  remove = here.remove;
  service = await serveIsolated(isolation, here.supervision);
  return { ...here, service };
}

async function tell(to: EngineService, session: string, text: string): Promise<Told> {
  const answer = await to.request({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: {},
    body: new TextEncoder().encode(text),
    tenant: { session, account: 'one account for all' },
  });
  return JSON.parse(await new Response(answer.body).text()) as Told;
}
const knows = ({ before }: Told) => before.some((text) => text.includes(SECRET));

const PER_TENANT: Isolation = { mode: 'per-tenant', by: 'session', engines: 2, idle_seconds: 60 };
const SINGLE_USE: Isolation = { mode: 'single-use', spares: 1, engines: 3, linger_seconds: 60 };

describe('a hostile engine', () => {
  it('that is shared tells the second tenant what the first said', { timeout: 60_000 }, async () => {
    const { service } = await serve('shared', 'none');
    await tell(service, SESSIONS[0], SECRET);
    expect(knows(await tell(service, SESSIONS[1], 'what did they say?'))).toBe(true);
  });

  for (const { driver, missing } of drivers.filter(({ driver }) => driver !== 'gvisor'))
    for (const [name, isolation] of [
      ['per-tenant', PER_TENANT],
      ['single-use', SINGLE_USE],
    ] as const)
      it.skipIf(missing !== '')(
        `tells its own tenant alone under ${name} in ${driver}${missing}`,
        { timeout: 90_000 },
        async () => {
          if (driver === 'gvisor') return;
          const { service } = await serve(isolation, driver);
          await tell(service, SESSIONS[0], SECRET);
          // the same tenant comes back to what it said: the engine is as hostile as it claims to be
          expect(knows(await tell(service, SESSIONS[0], 'and now?'))).toBe(true);
          // the second has room of its own; the third takes the place of one that ended
          for (const session of SESSIONS.slice(1))
            expect(knows(await tell(service, session, 'what did they say?'))).toBe(false);
          for (const folder of ['/tmp', '/dev/shm', '/var/tmp', '/run'])
            expect(existsSync(`${folder}/cloister-remembered`)).toBe(false);
        },
      );
});
