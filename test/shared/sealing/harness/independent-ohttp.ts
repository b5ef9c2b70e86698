// A second, tiny reader and writer of chunked OHTTP over node:crypto alone. It shares no code with what it checks.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  decapsulate,
  hkdfSync,
} from 'node:crypto';
import { dhkemSecret, x25519, x25519Public } from './known-keys.ts';

interface Opened {
  readonly plaintext: Buffer;
  readonly chunks: readonly Buffer[];
  respond(nonceByte: number, pieces: readonly Buffer[]): Buffer;
}

const hmac = (key: Uint8Array, ...data: Uint8Array[]) =>
  createHmac('sha256', key).update(Buffer.concat(data)).digest();
const text = (value: string) => Buffer.from(value, 'latin1');
const u16 = (value: number) => Buffer.of(value >> 8, value & 0xff);

/** Opens a chunked request with the private key as raw octets. Throws whatever goes wrong. */
export function openIndependently(privateKey: Uint8Array, message: Buffer): Opened {
  const kem = message.readUInt16BE(1);
  const aead = message.readUInt16BE(5);
  const hybrid = kem === 0x647a;
  const keyOctets = aead === 2 ? 32 : 16;
  const encOctets = hybrid ? 1120 : 32;
  const header = message.subarray(0, 7);
  const enc = message.subarray(7, 7 + encOctets);
  const shared = hybrid ? hybridSecret(privateKey, enc) : classicalSecret(privateKey, enc);

  const suiteId = Buffer.concat([text('HPKE'), u16(kem), u16(1), u16(aead)]);
  const labelledExtract = (salt: Uint8Array, label: string, ikm: Uint8Array) =>
    hmac(salt.length === 0 ? Buffer.alloc(32) : salt, text('HPKE-v1'), suiteId, text(label), ikm);
  const labelledExpand = (prk: Uint8Array, label: string, context: Uint8Array, octets: number) =>
    hmac(prk, u16(octets), text('HPKE-v1'), suiteId, text(label), context, Buffer.of(1)).subarray(0, octets);
  const none = Buffer.alloc(0);
  const info = Buffer.concat([text('message/bhttp chunked request\0'), header]);
  const context = Buffer.concat([
    Buffer.of(0),
    labelledExtract(none, 'psk_id_hash', none),
    labelledExtract(none, 'info_hash', info),
  ]);
  const secret = labelledExtract(shared, 'secret', none);
  const key = labelledExpand(secret, 'key', context, keyOctets);
  const baseNonce = labelledExpand(secret, 'base_nonce', context, 12);
  const exporter = labelledExpand(secret, 'exp', context, 32);

  const chunks: Buffer[] = [];
  let at = 7 + encOctets;
  for (let i = 0, final = false; !final; i++) {
    const width = 1 << ((message[at] as number) >> 6);
    let length = (message[at] as number) & 0x3f;
    for (let j = 1; j < width; j++) length = length * 256 + message.readUInt8(at + j);
    at += width;
    final = length === 0;
    const end = final ? message.length : at + length;
    chunks.push(gcmOpen(key, nonceAt(baseNonce, i), final ? text('final') : none, message.subarray(at, end)));
    at = end;
  }

  return {
    plaintext: Buffer.concat(chunks),
    chunks,
    respond(nonceByte, pieces) {
      const nonce = Buffer.alloc(keyOctets, nonceByte);
      const exported = labelledExpand(exporter, 'sec', text('message/bhttp chunked response'), keyOctets);
      const prk = hmac(Buffer.concat([enc, nonce]), exported);
      const responseKey = hmac(prk, text('key'), Buffer.of(1)).subarray(0, keyOctets);
      const responseNonce = hmac(prk, text('nonce'), Buffer.of(1)).subarray(0, 12);
      const wire = pieces.map((piece, i) => {
        const final = i === pieces.length - 1;
        const sealed = gcmSeal(responseKey, nonceAt(responseNonce, i), final ? text('final') : none, piece);
        // The longest form of the length on purpose: non-minimal encodings are allowed.
        const prefix = Buffer.alloc(8);
        prefix.writeUInt32BE(0xc0000000);
        prefix.writeUInt32BE(sealed.length, 4);
        return Buffer.concat([final ? Buffer.of(0) : prefix, sealed]);
      });
      return Buffer.concat([nonce, ...wire]);
    },
  };
}

function classicalSecret(privateKey: Uint8Array, enc: Uint8Array): Uint8Array {
  return dhkemSecret(x25519(privateKey, enc), enc, x25519Public(privateKey));
}

function hybridSecret(seed: Uint8Array, enc: Uint8Array): Uint8Array {
  const stretched = createHash('shake256', { outputLength: 96 }).update(seed).digest();
  const der = Buffer.concat([
    Buffer.from('3054020100300b060960864801650304040204428040', 'hex'),
    stretched.subarray(0, 64),
  ]);
  const mlkem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const share = enc.subarray(1088);
  const classical = stretched.subarray(64);
  return createHash('sha3-256')
    .update(decapsulate(mlkem, enc.subarray(0, 1088)))
    .update(x25519(classical, share))
    .update(share)
    .update(x25519Public(classical))
    .update(text('\\.//^\\'))
    .digest();
}

function nonceAt(base: Buffer, index: number): Buffer {
  const nonce = Buffer.from(base);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ index) >>> 0, 8);
  return nonce;
}

function gcmSeal(key: Buffer, nonce: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
  const cipher = createCipheriv(key.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm', key, nonce);
  cipher.setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function gcmOpen(key: Buffer, nonce: Buffer, aad: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv(key.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm', key, nonce);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

/** Plain HKDF of node:crypto, to check providers with. */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, octets: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', ikm, salt, info, octets));
}
