// Key configuration lists: what is taken, what throws the whole list away, and which suite is chosen.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import {
  chooseKeyConfig,
  encodeKeyConfigList,
  type KeyConfig,
  makeKeyConfig,
  parseKeyConfigList,
} from '../../../shared/sealing/key-config.ts';
import {
  HYBRID_AES128_SUITE,
  HYBRID_SUITE,
  isPostQuantum,
  type Suite,
  X25519_SUITE,
} from '../../../shared/sealing/suite.ts';
import { codeOf } from './harness/streams.ts';

function config(keyId: number, ...suites: Suite[]): KeyConfig {
  const kemId = suites[0]?.kemId ?? 0x20;
  const publicKey = new Uint8Array(kemId === 0x20 ? 32 : 1216).fill(9);
  return makeKeyConfig({
    keyId,
    kemId,
    publicKey,
    algorithms: suites.map(({ kdfId, aeadId }) => ({ kdfId, aeadId })),
  });
}

const classical = config(1, X25519_SUITE);
const hybrid = config(2, HYBRID_SUITE, HYBRID_AES128_SUITE);

describe('parseKeyConfigList', () => {
  it('gives back what was encoded, in order', () => {
    const list = encodeKeyConfigList([classical, hybrid]);
    expect(parseKeyConfigList(list)).toEqual([classical, hybrid]);
    expect(classical.encoded).toHaveLength(41);
    expect(hybrid.encoded).toHaveLength(1225 + 4);
  });

  it('passes over a configuration with a foreign KEM and keeps the rest', () => {
    const foreign = concat(Uint8Array.of(0, 12, 9, 0x00, 0x30), new Uint8Array(9));
    expect(parseKeyConfigList(concat(foreign, encodeKeyConfigList([classical])))).toEqual([classical]);
  });

  it('refuses a list cut at any octet but between configurations', async () => {
    const list = encodeKeyConfigList([classical, classical]);
    for (let at = 0; at < list.length; at++)
      expect([at, await codeOf(() => parseKeyConfigList(list.subarray(0, at)))]).toEqual([
        at,
        at === list.length / 2 ? 'none' : 'key_config_malformed',
      ]);
  });

  const broken: [string, (encoded: Bytes) => Bytes][] = [
    ['an octet too many', (e) => concat(e, Uint8Array.of(0))],
    ['no algorithms', (e) => concat(e.subarray(0, 35), Uint8Array.of(0, 0))],
    ['half an algorithm pair', (e) => concat(e.subarray(0, 35), Uint8Array.of(0, 2, 0, 1))],
    ['an algorithm length beyond the end', (e) => concat(e.subarray(0, 35), Uint8Array.of(0, 8, 0, 1, 0, 1))],
    ['an all-zero X25519 key', (e) => concat(e.subarray(0, 3), new Uint8Array(32), e.subarray(35))],
  ];
  it.each(broken)('refuses %s, and the good configuration beside it', async (_, change) => {
    const encoded = change(classical.encoded);
    const list = concat(encodeKeyConfigList([classical]), Uint8Array.of(0, encoded.length), encoded);
    expect(await codeOf(() => parseKeyConfigList(list))).toBe('key_config_malformed');
  });

  it('refuses an ML-KEM coefficient that is not below the modulus (FIPS 203 section 7.2)', async () => {
    // 3329 = 0xd01 as the first, and as the second, of a pair.
    for (const pair of [
      [0x01, 0x0d, 0],
      [0, 0x10, 0xd0],
    ])
      for (const at of [0, 1149]) {
        const list = encodeKeyConfigList([hybrid]);
        list.set(pair, 2 + 3 + at);
        expect(await codeOf(() => parseKeyConfigList(list))).toBe('key_config_malformed');
        // One less is a coefficient like any other.
        list.set([0, 0x0d, 0xd0], 2 + 3 + at);
        expect(await codeOf(() => parseKeyConfigList(list))).toBe('none');
      }
  });

  it('refuses an empty list and one above the limit', async () => {
    expect(await codeOf(() => parseKeyConfigList(new Uint8Array(0)))).toBe('key_config_malformed');
    const many = encodeKeyConfigList(new Array<KeyConfig>(1600).fill(classical));
    expect(many.length).toBeGreaterThan(64 * 1024);
    expect(await codeOf(() => parseKeyConfigList(many))).toBe('key_config_malformed');
  });

  it('either parses or refuses with its code, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (octets) => {
        try {
          parseKeyConfigList(octets);
        } catch (error) {
          expect(error).toMatchObject({ code: 'key_config_malformed' });
        }
      }),
    );
  });
});

describe('chooseKeyConfig', () => {
  it('prefers post-quantum, and AES-256 within it', () => {
    const chosen = chooseKeyConfig([classical, hybrid], { requirePostQuantum: false });
    expect(chosen).toEqual({ config: hybrid, suite: HYBRID_SUITE });
    expect(isPostQuantum(chosen.suite)).toBe(true);
  });

  it('falls back to the classical suite only where that is allowed', async () => {
    expect(chooseKeyConfig([classical], { requirePostQuantum: false }).suite).toEqual(X25519_SUITE);
    expect(await codeOf(() => chooseKeyConfig([classical], { requirePostQuantum: true }))).toBe(
      'suite_unsupported',
    );
  });

  it('takes the hybrid with AES-128 where it is the only one', () => {
    const only = config(3, HYBRID_AES128_SUITE);
    expect(chooseKeyConfig([only], { requirePostQuantum: true }).suite).toEqual(HYBRID_AES128_SUITE);
  });

  it('refuses algorithms outside the profile', async () => {
    const foreign = config(4, { ...X25519_SUITE, aeadId: 3 });
    expect(await codeOf(() => chooseKeyConfig([foreign], { requirePostQuantum: false }))).toBe(
      'suite_unsupported',
    );
  });

  it('makes no configuration with a key id or a key of the wrong size', async () => {
    const parts = {
      keyId: 256,
      kemId: 0x20,
      publicKey: new Uint8Array(32),
      algorithms: [{ kdfId: 1, aeadId: 1 }],
    };
    expect(await codeOf(() => makeKeyConfig(parts))).toBe('key_config_malformed');
    expect(await codeOf(() => makeKeyConfig({ ...parts, keyId: 1, publicKey: new Uint8Array(31) }))).toBe(
      'key_config_malformed',
    );
    expect(await codeOf(() => makeKeyConfig({ ...parts, keyId: 1, kemId: 0x30 }))).toBe('suite_unsupported');
  });
});
