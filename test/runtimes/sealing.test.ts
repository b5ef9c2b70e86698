// The sealing suite in Node, workerd and Chromium.

import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import { concat } from '../../shared/bytes/concat.ts';
import { toHex } from '../../shared/bytes/hex.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import { deriveResponseRecords } from '../../shared/sealing/response-keys.ts';
import { HYBRID_SUITE } from '../../shared/sealing/suite.ts';
import { haveVectors, readVectorJson } from '../harness/vectors.ts';
import type { Runtime } from './runtime.ts';
import { calls, type HpkeVector } from './sealing-suite.ts';
import { chromiumPath, startChromium } from './start-chromium.ts';
import { startWorkerd } from './start-workerd.ts';

const ENTRY = fileURLToPath(new URL('./sealing-suite.ts', import.meta.url));
const START_MILLISECONDS = 60_000;

async function startHere(): Promise<Runtime> {
  const named: Readonly<Record<string, (...args: never[]) => unknown>> = calls;
  return {
    name: 'node',
    call: async (name, ...args) => named[name]?.(...(args as never[])),
    close: async () => undefined,
  };
}

const RUNTIMES = [
  { name: 'node', start: startHere, absent: false },
  { name: 'workerd', start: () => startWorkerd(ENTRY), absent: false },
  { name: 'chromium', start: () => startChromium(ENTRY), absent: chromiumPath === undefined },
];

const vector = haveVectors
  ? readVectorJson<(HpkeVector & { kem_id: number; kdf_id: number; aead_id: number; mode: number })[]>(
      'hpke/rfc9180-base-psk.json',
    ).find((v) => v.mode === 0 && v.kem_id === 0x20 && v.kdf_id === 1 && v.aead_id === 1)
  : undefined;

describe.each(RUNTIMES)('sealing in $name', ({ name, start, absent }) => {
  describe.skipIf(absent)(absent ? `skipped: no ${name} on this machine` : 'holds', () => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await start();
    }, START_MILLISECONDS);
    afterAll(() => runtime?.close());

    it.each(['hybrid', 'hybridAes128', 'x25519'])('one exchange, %s', (suite) =>
      expect(runtime.call('exchange', suite)).resolves.toBeFalsy(),
    );

    it('gives the octets that node:crypto gives', async () => {
      const secret = {
        suite: HYBRID_SUITE,
        enc: new Uint8Array(1120).fill(1),
        secret: new Uint8Array(32).fill(2),
      };
      const records = await deriveResponseRecords(nodeCryptoProvider, secret, new Uint8Array(32).fill(3));
      const first = await records.sealChunk(toUtf8('one'), false);
      const last = await records.sealChunk(new Uint8Array(0), true);
      expect(await runtime.call('records')).toBe(toHex(concat(first, last)));
    });

    it.skipIf(vector === undefined)(
      `opens the official vector${vector === undefined ? ' (skipped: no such vector here)' : ''}`,
      () => expect(runtime.call('vector', vector)).resolves.toBeFalsy(),
    );
  });
});
