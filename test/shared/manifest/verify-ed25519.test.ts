import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { fromHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { isPlausiblePoint, verifyByNoble, verifyEd25519 } from '../../../shared/manifest/verify-ed25519.ts';
import { signer } from './signers.ts';

const { Point } = ed25519;
const owner = signer('alice');
const key = fromBase64url(owner.ed25519);
const message = toUtf8('a message');
const signature = owner.sign(message);
const ORDER = Point.CURVE().n;

const bytesOf = (value: bigint): Bytes => {
  const octets = new Uint8Array(32);
  for (let i = 0, rest = value; i < 32; i++, rest >>= 8n) octets[i] = Number(rest & 0xffn);
  return octets;
};

it('verifies RFC 8032 section 7.1 tests 1 and 3, by both providers', async () => {
  const cases = [
    [
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      'af82',
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ],
  ] as const;
  for (const [publicKey, text, expected] of cases)
    for (const verify of [verifyEd25519, verifyByNoble])
      expect(await verify(fromHex(publicKey), fromHex(expected), fromHex(text))).toBe(true);
});

it('any single bit of key, signature or message flipped is refused', async () => {
  const all = concat(key, signature, message);
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: all.length * 8 - 1 }), async (bit) => {
      const flipped = concat(all);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const [k, s, m] = [flipped.slice(0, 32), flipped.slice(32, 96), flipped.slice(96)] as const;
      expect(await verifyEd25519(k, s, m)).toBe(false);
    }),
    { numRuns: 300 },
  );
});

it('both providers agree on random octets in the place of key, R and S', async () => {
  const octets = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));
  await fc.assert(
    fc.asyncProperty(octets, octets, octets, async (k, r, s) => {
      s[31] = (s[31] as number) & 0x0f;
      expect(await verifyEd25519(k, concat(r, s), message)).toBe(
        await verifyByNoble(k, concat(r, s), message),
      );
    }),
    { numRuns: 60 },
  );
});

describe('what a lenient verifier takes', () => {
  it('S plus the order: the same signature in a second spelling', async () => {
    const s = signature.slice(32).reduceRight((value, octet) => (value << 8n) | BigInt(octet), 0n);
    const malleable = concat(signature.slice(0, 32), bytesOf(s + ORDER));
    expect(await verifyEd25519(key, malleable, message)).toBe(false);
    // OpenSSL refuses it too; the provider in JavaScript leaves that to what was checked before.
    expect(await withoutWebCrypto(() => verifyEd25519(key, malleable, message))).toBe(false);
  });

  // With A of small order, R = [S]B signs whatever message makes [k]A the neutral element; with the neutral element every one.
  it('a key of small order, which signs everything', async () => {
    const s = 7n;
    const forged = concat(Point.BASE.multiply(s).toBytes(), bytesOf(s));
    const neutral = Point.ZERO.toBytes();
    expect(await verifyByNoble(new Uint8Array(neutral), forged, message)).toBe(true);
    expect(await verifyEd25519(new Uint8Array(neutral), forged, message)).toBe(false);
  });

  it('each of the eight points of small order, as key and as R', async () => {
    const torsion = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
    let point = Point.ZERO;
    const seen = new Set<string>();
    for (let i = 0; i < 8; i++) {
      seen.add(point.toHex());
      expect(isPlausiblePoint(point.toBytes())).toBe(false);
      expect(await verifyEd25519(new Uint8Array(point.toBytes()), signature, message)).toBe(false);
      point = point.add(torsion);
    }
    expect(seen.size).toBe(8);
  });

  it('a y that is not below the field’s prime', () => {
    for (const y of [2n ** 255n - 19n, 2n ** 255n - 18n, 2n ** 255n - 1n])
      expect(isPlausiblePoint(bytesOf(y))).toBe(false);
    expect(isPlausiblePoint(bytesOf(2n ** 255n - 21n))).toBe(true);
    expect(isPlausiblePoint(new Uint8Array(31))).toBe(false);
  });

  // ZIP 215 multiplies by the cofactor and takes this; RFC 8032 as it stands, and every batch of one, does not.
  it('an R with a small component, which fits only after multiplying by the cofactor', async () => {
    const { scalar } = ed25519.utils.getExtendedPublicKey(seedOf());
    const torsion = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
    const secret = 1234567n;
    const r = new Uint8Array(Point.BASE.multiply(secret).add(torsion).toBytes());
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-512', concat(r, key, message)));
    const k = hash.reduceRight((value, octet) => (value << 8n) | BigInt(octet), 0n) % ORDER;
    const crooked = concat(r, bytesOf((secret + k * scalar) % ORDER));
    expect(ed25519.verify(crooked, message, key, { zip215: true })).toBe(true);
    expect(await verifyEd25519(key, crooked, message)).toBe(false);
    expect(await verifyByNoble(key, crooked, message)).toBe(false);
  });
});

it('falls back to the second provider where WebCrypto has no Ed25519', async () => {
  expect(await withoutWebCrypto(() => verifyEd25519(key, signature, message))).toBe(true);
  expect(await withoutWebCrypto(() => verifyEd25519(key, signature, toUtf8('b')))).toBe(false);
});

/** What happens in a runtime whose WebCrypto lacks the algorithm. */
async function withoutWebCrypto<T>(run: () => Promise<T>): Promise<T> {
  const { subtle } = crypto;
  const importKey = subtle.importKey;
  Object.defineProperty(subtle, 'importKey', {
    configurable: true,
    value: () => Promise.reject(new DOMException('unrecognized', 'NotSupportedError')),
  });
  try {
    return await run();
  } finally {
    Object.defineProperty(subtle, 'importKey', { configurable: true, value: importKey });
  }
}

function seedOf(): Uint8Array {
  const { d = '' } = owner.privateKey.export({ format: 'jwk' });
  return fromBase64url(d);
}
