// Somebody else's OHTTP client (RFC 9458 and the chunked draft) on node:crypto alone: X25519, HKDF-SHA256, AES-128-GCM.
// It knows nothing of this project and shares no code with it.

import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
} from 'node:crypto';

const KEM_X25519 = 0x0020;
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');
const KEY_OCTETS = 16;
const NONCE_OCTETS = 12;
const TAG_OCTETS = 16;
const NONE = Buffer.alloc(0);
const FINAL = Buffer.from('final');

interface StockRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** What came back, opened. */
export interface StockAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** A sealed request and the means to open its answer. */
export interface StockExchange {
  readonly contentType: string;
  readonly body: Buffer;
  open(answer: Buffer): StockAnswer;
}

const hmac = (key: Buffer, ...data: Buffer[]) =>
  createHmac('sha256', key).update(Buffer.concat(data)).digest();
const extract = (salt: Buffer, ikm: Buffer) => hmac(salt.length === 0 ? Buffer.alloc(32) : salt, ikm);
const expand = (prk: Buffer, info: Buffer, octets: number) =>
  hmac(prk, info, Buffer.of(1)).subarray(0, octets);
const u16 = (value: number) => Buffer.of(value >> 8, value & 0xff);

/** Seals to the first X25519 configuration of an `application/ohttp-keys` list. */
export function sealAsStranger(keyList: Buffer, request: StockRequest, chunked: boolean): StockExchange {
  const { keyId, publicKey } = findX25519(keyList);
  const header = Buffer.concat([Buffer.of(keyId), u16(KEM_X25519), u16(1), u16(1)]);
  const type = chunked ? 'message/bhttp chunked request' : 'message/bhttp request';
  const { enc, key, nonce, exporter } = setUpSender(
    publicKey,
    Buffer.concat([Buffer.from(`${type}\0`), header]),
  );
  const plaintext = encodeRequest(request);
  const body = chunked
    ? Buffer.concat([header, enc, ...sealChunks(key, nonce, plaintext)])
    : Buffer.concat([header, enc, seal(key, nonce, 0, NONE, plaintext)]);
  return {
    contentType: chunked ? 'message/ohttp-chunked-req' : 'message/ohttp-req',
    body,
    open(answer) {
      const label = chunked ? 'message/bhttp chunked response' : 'message/bhttp response';
      const responseNonce = answer.subarray(0, KEY_OCTETS);
      const prk = extract(Buffer.concat([enc, responseNonce]), exporter(label, KEY_OCTETS));
      const answerKey = expand(prk, Buffer.from('key'), KEY_OCTETS);
      const answerNonce = expand(prk, Buffer.from('nonce'), NONCE_OCTETS);
      const sealed = answer.subarray(KEY_OCTETS);
      return decodeResponse(
        chunked ? openChunks(answerKey, answerNonce, sealed) : open(answerKey, answerNonce, 0, NONE, sealed),
      );
    },
  };
}

function findX25519(list: Buffer): { keyId: number; publicKey: Buffer } {
  for (let at = 0; at < list.length; ) {
    const config = list.subarray(at + 2, at + 2 + list.readUInt16BE(at));
    if (config.readUInt16BE(1) === KEM_X25519)
      return { keyId: config.readUInt8(0), publicKey: config.subarray(3, 35) };
    at += 2 + config.length;
  }
  throw new Error('no X25519 configuration');
}

// RFC 9180 sections 4.1 and 5.1, base mode.
function setUpSender(publicKey: Buffer, info: Buffer) {
  const pair = generateKeyPairSync('x25519');
  const enc = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_X25519.length);
  const peer = createPublicKey({ key: Buffer.concat([SPKI_X25519, publicKey]), format: 'der', type: 'spki' });
  const dh = diffieHellman({ privateKey: pair.privateKey, publicKey: peer });
  const label = (suite: Buffer) => ({
    extract: (salt: Buffer, name: string, ikm: Buffer) =>
      extract(salt, Buffer.concat([Buffer.from('HPKE-v1'), suite, Buffer.from(name), ikm])),
    expand: (prk: Buffer, name: string, context: Buffer, octets: number) =>
      expand(
        prk,
        Buffer.concat([u16(octets), Buffer.from('HPKE-v1'), suite, Buffer.from(name), context]),
        octets,
      ),
  });
  const kem = label(Buffer.concat([Buffer.from('KEM'), u16(KEM_X25519)]));
  const shared = kem.expand(
    kem.extract(NONE, 'eae_prk', dh),
    'shared_secret',
    Buffer.concat([enc, publicKey]),
    32,
  );
  const hpke = label(Buffer.concat([Buffer.from('HPKE'), u16(KEM_X25519), u16(1), u16(1)]));
  const context = Buffer.concat([
    Buffer.of(0),
    hpke.extract(NONE, 'psk_id_hash', NONE),
    hpke.extract(NONE, 'info_hash', info),
  ]);
  const secret = hpke.extract(shared, 'secret', NONE);
  const exporterSecret = hpke.expand(secret, 'exp', context, 32);
  return {
    enc,
    key: hpke.expand(secret, 'key', context, KEY_OCTETS),
    nonce: hpke.expand(secret, 'base_nonce', context, NONCE_OCTETS),
    exporter: (name: string, octets: number) => hpke.expand(exporterSecret, 'sec', Buffer.from(name), octets),
  };
}

function sealChunks(key: Buffer, nonce: Buffer, plaintext: Buffer): Buffer[] {
  const half = Math.floor(plaintext.length / 2);
  const first = seal(key, nonce, 0, NONE, plaintext.subarray(0, half));
  const last = seal(key, nonce, 1, FINAL, plaintext.subarray(half));
  return [varint(first.length), first, varint(0), last];
}

function openChunks(key: Buffer, nonce: Buffer, sealed: Buffer): Buffer {
  const reader = new Reader(sealed);
  const pieces: Buffer[] = [];
  for (let index = 0; ; index++) {
    const length = reader.varint();
    if (length === 0)
      return Buffer.concat([...pieces, open(key, nonce, index, FINAL, reader.take(reader.left))]);
    pieces.push(open(key, nonce, index, NONE, reader.take(length)));
  }
}

function nonceAt(base: Buffer, index: number): Buffer {
  const nonce = Buffer.from(base);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ index) >>> 0, 8);
  return nonce;
}

function seal(key: Buffer, nonce: Buffer, index: number, aad: Buffer, plaintext: Buffer): Buffer {
  const cipher = createCipheriv('aes-128-gcm', key, nonceAt(nonce, index)).setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Buffer, nonce: Buffer, index: number, aad: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-128-gcm', key, nonceAt(nonce, index)).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-TAG_OCTETS));
  return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_OCTETS)), decipher.final()]);
}

// RFC 9292 section 3.1: a known-length request.
function encodeRequest({ method, path, headers, body }: StockRequest): Buffer {
  const text = (value: string) => {
    const octets = Buffer.from(value);
    return Buffer.concat([varint(octets.length), octets]);
  };
  const fields = Buffer.concat(headers.flatMap(([name, value]) => [text(name), text(value)]));
  const control = [text(method), text('https'), text('stranger.example'), text(path)];
  return Buffer.concat([varint(0), ...control, varint(fields.length), fields, text(body), varint(0)]);
}

// RFC 9292 section 3.2: an indeterminate-length response, informational responses first.
function decodeResponse(octets: Buffer): StockAnswer {
  const reader = new Reader(octets);
  if (reader.varint() !== 3) throw new Error('not an indeterminate-length response');
  for (;;) {
    const status = reader.varint();
    const headers: [string, string][] = [];
    for (let length = reader.varint(); length > 0; length = reader.varint())
      headers.push([reader.take(length).toString(), reader.take(reader.varint()).toString()]);
    if (status < 200) continue;
    const pieces: Buffer[] = [];
    for (let length = reader.varint(); length > 0; length = reader.varint()) pieces.push(reader.take(length));
    return { status, headers, body: Buffer.concat(pieces).toString() };
  }
}

/** RFC 9000 section 16. */
function varint(value: number): Buffer {
  if (value < 0x40) return Buffer.of(value);
  if (value < 0x4000) return u16(value | 0x4000);
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE((value | 0x80000000) >>> 0);
  return octets;
}

class Reader {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  get left(): number {
    return this.#octets.length - this.#at;
  }

  take(octets: number): Buffer {
    if (octets > this.left) throw new Error('cut short');
    this.#at += octets;
    return this.#octets.subarray(this.#at - octets, this.#at);
  }

  varint(): number {
    const first = this.take(1).readUInt8(0);
    let value = first & 0x3f;
    for (let more = (1 << (first >> 6)) - 1; more > 0; more--)
      value = value * 256 + this.take(1).readUInt8(0);
    return value;
  }
}
