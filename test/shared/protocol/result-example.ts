// The part of the worked example about results and freshness: a result signed with a fixed key, three nonces in a tree, a dated checkpoint.

import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { fromBase64url, toBase64, toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { inclusionProof, leafHash, merkleRoot } from '../../../shared/bytes/merkle-tree.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import {
  claimsOf,
  RESULT_HEADER_TYPE,
  RESULT_LIFE_SECONDS,
} from '../../../shared/evidence/attestation-result.ts';
import { parseCore } from '../../../shared/evidence/node-core.ts';
import type { Block } from './worked-example.ts';

const counting = (octets: number, from: number): Bytes =>
  Uint8Array.from({ length: octets }, (_, i) => (from + i) & 0xff);
const ISSUED_AT = new Date('2027-01-01T00:10:00Z');
/** RFC 8410: what stands before the 32 octets of an Ed25519 private key in PKCS #8. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Blocks about the core of the example. */
export async function computeResultExample(facts: {
  readonly coreDigest: Bytes;
  /** The core's octets. */
  readonly core: Bytes;
  readonly keyList: Bytes;
}): Promise<readonly Block[]> {
  const core = parseCore(facts.core);
  const seed = counting(32, 0xd0);
  const key = privateKeyOf(seed);
  const claims = claimsOf(
    {
      node: core.node,
      issuedAt: ISSUED_AT,
      expiresAt: new Date(ISSUED_AT.getTime() + RESULT_LIFE_SECONDS * 1000),
      verifier: { developer: 'Cloister', build: '0.1.0' },
      statuses: { cpu: 'affirming' },
      coreDigest: facts.coreDigest,
      keysDigest: await sha256(facts.keyList),
      manifestDigest: core.manifestDigest,
      receiptKey: core.receiptKey,
      devices: [],
      assurance: 'simulated',
    },
    'urn:example:service',
  );
  const header = { alg: 'EdDSA', typ: RESULT_HEADER_TYPE, kid: 'example' };
  const signed = [header, claims].map((part) => toBase64url(toUtf8(JSON.stringify(part)))).join('.');
  const result = `${signed}.${toBase64url(new Uint8Array(sign(null, Buffer.from(signed), key)))}`;

  const nonces = [counting(32, 0x00), counting(32, 0x20), counting(32, 0x40)];
  const leaves = await Promise.all(nonces.map(leafHash));
  const { index, size, path } = await inclusionProof(leaves, 1);
  const proof = { kind: 'nonces', index, size, path: path.map(toBase64url) };

  const witness = privateKeyOf(counting(32, 0xe0));
  const witnessKey = fromBase64url(createPublicKey(witness).export({ format: 'jwk' }).x ?? '');
  const name = 'witness.example/w1';
  const body = `log.example/cloister\n3\n${toBase64(await merkleRoot(leaves))}\n`;
  const time = BigInt(ISSUED_AT.getTime() / 1000);
  const cosigned = toUtf8(`cosignature/v1\ntime ${time}\n${body}`);
  const id = (await sha256(concat(toUtf8(`${name}\n`), Uint8Array.of(4), witnessKey))).slice(0, 4);
  const stamp = new Uint8Array(8);
  new DataView(stamp.buffer).setBigUint64(0, time);
  const signature = new Uint8Array(sign(null, cosigned, witness));
  const note = toUtf8(`${body}\n— ${name} ${toBase64(concat(id, stamp, signature))}\n`);

  return [
    { name: 'service signing key (Ed25519 seed)', octets: seed },
    { name: 'service signing key, public: receipt_key of the service’s core', octets: publicOf(key) },
    { name: 'claims of the result', text: JSON.stringify(claims) },
    { name: 'result', text: result },
    { name: 'three nonces', octets: concat(...nonces) },
    { name: 'their leaf hashes', octets: concat(...leaves) },
    { name: 'freshness value, kind nonces', octets: await merkleRoot(leaves) },
    { name: 'proof of the second nonce', text: JSON.stringify(proof) },
    { name: 'witness key, public (Ed25519)', octets: witnessKey },
    { name: 'cosigned message', text: JSON.stringify(fromUtf8(cosigned)) },
    { name: 'checkpoint with cosignature (JSON string)', text: JSON.stringify(fromUtf8(note)) },
    { name: 'freshness value, kind checkpoint', octets: await sha256(note) },
  ];
}

function privateKeyOf(seed: Bytes) {
  return createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
}

function publicOf(key: ReturnType<typeof privateKeyOf>): Bytes {
  return fromBase64url(createPublicKey(key).export({ format: 'jwk' }).x ?? '');
}
