// The framing of a key list: what is split, and what throws the whole list away.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat } from '../../../shared/bytes/concat.ts';
import { frameKeyConfig, KeyListError, splitKeyList } from '../../../shared/wire/key-list.ts';

const config = (keyId: number, kemId: number, publicKey: number, algorithms = 4) =>
  concat(
    new Uint8Array([keyId, kemId >> 8, kemId & 0xff]),
    new Uint8Array(publicKey).fill(9),
    new Uint8Array([algorithms >> 8, algorithms & 0xff]),
    new Uint8Array(algorithms).fill(1),
  );

const X25519 = config(7, 0x0020, 32);
const X_WING = config(8, 0x647a, 1216);

describe('a key list', () => {
  it('is split into its configurations, with key id and KEM', () => {
    const keys = splitKeyList(concat(frameKeyConfig(X_WING), frameKeyConfig(X25519)));
    expect(keys.map(({ keyId, kemId }) => [keyId, kemId])).toEqual([
      [8, 0x647a],
      [7, 0x0020],
    ]);
    expect(keys[0]?.config).toEqual(X_WING);
    expect(X_WING).toHaveLength(1225);
    expect(X25519).toHaveLength(41);
  });

  it('may hold a KEM that this code has not heard of', () => {
    expect(splitKeyList(frameKeyConfig(config(1, 0x0042, 1568)))[0]?.kemId).toBe(0x0042);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['half a length', new Uint8Array([0])],
    ['a length and nothing after it', new Uint8Array([0, 41])],
    ['an empty configuration', new Uint8Array([0, 0])],
    ['a cut configuration', frameKeyConfig(X25519).slice(0, -1)],
    ['an octet too many', concat(frameKeyConfig(X25519), new Uint8Array([0]))],
    ['a good one before a bad one', concat(frameKeyConfig(X25519), new Uint8Array([0, 3, 1, 0, 32]))],
    ['a public key that is too short', frameKeyConfig(config(7, 0x0020, 31))],
    ['a public key that is too long', frameKeyConfig(config(7, 0x647a, 1217))],
    ['no algorithms', frameKeyConfig(config(7, 0x0020, 32, 0))],
    ['algorithms that are no pairs', frameKeyConfig(config(7, 0x0020, 32, 6))],
    ['more than a list may be', concat(...Array.from({ length: 60 }, () => frameKeyConfig(X_WING)))],
  ])('is thrown away whole: %s', (_, list) => {
    expect(() => splitKeyList(list)).toThrow(KeyListError);
    expect(() => splitKeyList(list)).toThrow(expect.objectContaining({ code: 'key_list_malformed' }));
  });

  it('of any octets is split exactly or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        let keys: ReturnType<typeof splitKeyList>;
        try {
          keys = splitKeyList(octets);
        } catch (error) {
          expect(error).toBeInstanceOf(KeyListError);
          return;
        }
        expect(concat(...keys.map((key) => frameKeyConfig(key.config)))).toEqual(octets);
      }),
    );
  });
});
