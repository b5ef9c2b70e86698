// X25519 and MLKEM768-X25519 for hpke over node:crypto, which is several times faster than WebCrypto in Node.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import {
  concat,
  encode,
  I2OSP,
  type KDF,
  type KEM,
  type KEMFactory,
  type Key,
  LabeledDerive,
  LabeledExpand,
  LabeledExtract,
} from 'hpke';
import { nodeHkdfSha256 } from './node-hkdf.ts';

const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
// RFC 9935: the private key as its 64-octet seed, context tag 0.
const PKCS8_MLKEM768_SEED = Buffer.from('3054020100300b060960864801650304040204428040', 'hex');
const SPKI_MLKEM768 = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');

const MLKEM_PUBLIC_OCTETS = 1184;
const MLKEM_CIPHERTEXT_OCTETS = 1088;
// draft-ietf-hpke-pq, MLKEM768-X25519: the combiner's label is X-Wing's six-character drawing.
const XWING_LABEL = encode('\\.//^\\');
const EMPTY = new Uint8Array(0);

/** A key of one of these KEMs. The key objects are reachable from this file only. */
class NodeKemKey implements Key {
  readonly algorithm: { readonly name: string };
  readonly extractable: boolean;
  readonly type: 'public' | 'private';
  readonly #parts: KeyParts;

  constructor(name: string, type: 'public' | 'private', extractable: boolean, parts: KeyParts) {
    this.algorithm = { name };
    this.type = type;
    this.extractable = extractable;
    this.#parts = parts;
  }

  static partsOf(key: Key): KeyParts {
    if (!(key instanceof NodeKemKey)) throw new TypeError('a key of another provider');
    return key.#parts;
  }
}

interface KeyParts {
  readonly x25519: KeyObject;
  readonly mlkem?: KeyObject;
  /** The public key as the wire has it, for either type. */
  readonly publicOctets: Uint8Array;
  /** Kept for extractable private keys only. */
  readonly privateOctets?: Uint8Array;
}

function importX25519Public(octets: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_X25519, octets]), format: 'der', type: 'spki' });
}

function importX25519Private(octets: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_X25519, octets]), format: 'der', type: 'pkcs8' });
}

function exportX25519Public(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_X25519.length));
}

function makeEphemeral(): { privateKey: KeyObject; publicOctets: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { privateKey, publicOctets: exportX25519Public(publicKey) };
}

/** What both KEMs share: serialising, which is about octets only. */
function serialisation(
  name: string,
  importPrivate: (octets: Uint8Array, extractable: boolean) => NodeKemKey,
) {
  return {
    async SerializePublicKey(key: Key) {
      return NodeKemKey.partsOf(key).publicOctets.slice();
    },
    async SerializePrivateKey(key: Key) {
      const { privateOctets } = NodeKemKey.partsOf(key);
      if (privateOctets === undefined) throw new TypeError('the key is not extractable');
      return privateOctets.slice();
    },
    async DeserializePrivateKey(octets: Uint8Array, extractable: boolean): Promise<Key> {
      return importPrivate(octets, extractable);
    },
    keyPair(privateOctets: Uint8Array, extractable: boolean): { privateKey: Key; publicKey: Key } {
      const privateKey = importPrivate(privateOctets, extractable);
      const { privateOctets: _, x25519, mlkem, publicOctets } = NodeKemKey.partsOf(privateKey);
      const parts = {
        x25519: createPublicKey(x25519),
        ...(mlkem === undefined ? {} : { mlkem: createPublicKey(mlkem) }),
        publicOctets,
      };
      return { privateKey, publicKey: new NodeKemKey(name, 'public', true, parts) };
    },
  };
}

/** DHKEM(X25519, HKDF-SHA256), RFC 9180 section 4.1. */
export const nodeX25519Kem: KEMFactory<Key> = () => {
  const id = 0x0020;
  const name = 'DHKEM(X25519, HKDF-SHA256)';
  const suiteId = concat(encode('KEM'), I2OSP(id, 2));
  const kdf: KDF = nodeHkdfSha256();
  const { keyPair, ...serialise } = serialisation(name, (octets, extractable) => {
    const x25519 = importX25519Private(octets);
    return new NodeKemKey(name, 'private', extractable, {
      x25519,
      publicOctets: exportX25519Public(x25519),
      ...(extractable ? { privateOctets: octets.slice() } : {}),
    });
  });
  async function extractAndExpand(dh: Uint8Array, kemContext: Uint8Array): Promise<Uint8Array> {
    const prk = await LabeledExtract(kdf, suiteId, EMPTY, encode('eae_prk'), dh);
    return await LabeledExpand(kdf, suiteId, prk, encode('shared_secret'), kemContext, 32);
  }
  const kem: KEM<Key> = {
    id,
    type: 'KEM',
    name,
    Nsecret: 32,
    Nenc: 32,
    Npk: 32,
    Nsk: 32,
    ...serialise,
    async DeriveKeyPair(ikm, extractable) {
      const prk = await LabeledExtract(kdf, suiteId, EMPTY, encode('dkp_prk'), ikm);
      return keyPair(await LabeledExpand(kdf, suiteId, prk, encode('sk'), EMPTY, 32), extractable);
    },
    async GenerateKeyPair(extractable) {
      const secret = randomBytes(32);
      const made = keyPair(secret, extractable);
      secret.fill(0);
      return made;
    },
    async DeserializePublicKey(octets) {
      const parts = { x25519: importX25519Public(octets), publicOctets: octets.slice() };
      return new NodeKemKey(name, 'public', true, parts);
    },
    async Encap(pkR) {
      const recipient = NodeKemKey.partsOf(pkR);
      const { privateKey, publicOctets: enc } = makeEphemeral();
      const dh = diffieHellman({ privateKey, publicKey: recipient.x25519 });
      return { shared_secret: await extractAndExpand(dh, concat(enc, recipient.publicOctets)), enc };
    },
    async Decap(enc, skR) {
      const own = NodeKemKey.partsOf(skR);
      const dh = diffieHellman({ privateKey: own.x25519, publicKey: importX25519Public(enc) });
      return await extractAndExpand(dh, concat(enc, own.publicOctets));
    },
  };
  return kem;
};

/** MLKEM768-X25519 (X-Wing), draft-ietf-hpke-pq section 4 with the combiner over SHA3-256. */
export const nodeHybridKem: KEMFactory<Key> = () => {
  const id = 0x647a;
  const name = 'MLKEM768-X25519';
  const suiteId = concat(encode('KEM'), I2OSP(id, 2));
  const { keyPair, ...serialise } = serialisation(name, importHybridPrivate);

  /** The private key is a 32-octet seed; SHAKE256 stretches it to ML-KEM's 64 and X25519's 32. */
  function importHybridPrivate(seed: Uint8Array, extractable: boolean): NodeKemKey {
    const stretched = shake256(seed, 96);
    const der = Buffer.concat([PKCS8_MLKEM768_SEED, stretched.subarray(0, 64)]);
    const mlkem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const x25519 = importX25519Private(stretched.subarray(64));
    der.fill(0);
    stretched.fill(0);
    const spki = createPublicKey(mlkem).export({ format: 'der', type: 'spki' });
    return new NodeKemKey(name, 'private', extractable, {
      x25519,
      mlkem,
      publicOctets: concat(spki.subarray(SPKI_MLKEM768.length), exportX25519Public(x25519)),
      ...(extractable ? { privateOctets: seed.slice() } : {}),
    });
  }

  function combine(
    pq: Uint8Array,
    dh: Uint8Array,
    x25519Enc: Uint8Array,
    x25519Public: Uint8Array,
  ): Uint8Array {
    const hash = createHash('sha3-256');
    for (const part of [pq, dh, x25519Enc, x25519Public, XWING_LABEL]) hash.update(part);
    return new Uint8Array(hash.digest());
  }

  const kem: KEM<Key> = {
    id,
    type: 'KEM',
    name,
    Nsecret: 32,
    Nenc: MLKEM_CIPHERTEXT_OCTETS + 32,
    Npk: MLKEM_PUBLIC_OCTETS + 32,
    Nsk: 32,
    ...serialise,
    async DeriveKeyPair(ikm, extractable) {
      const derive = { Derive: async (labelled: Uint8Array, octets: number) => shake256(labelled, octets) };
      return keyPair(
        await LabeledDerive(derive, suiteId, ikm, encode('DeriveKeyPair'), EMPTY, 32),
        extractable,
      );
    },
    async GenerateKeyPair(extractable) {
      const seed = randomBytes(32);
      const made = keyPair(seed, extractable);
      seed.fill(0);
      return made;
    },
    async DeserializePublicKey(octets) {
      const der = Buffer.concat([SPKI_MLKEM768, octets.subarray(0, MLKEM_PUBLIC_OCTETS)]);
      return new NodeKemKey(name, 'public', true, {
        mlkem: createPublicKey({ key: der, format: 'der', type: 'spki' }),
        x25519: importX25519Public(octets.subarray(MLKEM_PUBLIC_OCTETS)),
        publicOctets: octets.slice(),
      });
    },
    async Encap(pkR) {
      const { mlkem, x25519, publicOctets } = NodeKemKey.partsOf(pkR);
      if (mlkem === undefined) throw new TypeError('a key of another KEM');
      const { sharedKey, ciphertext } = encapsulate(mlkem);
      const { privateKey, publicOctets: share } = makeEphemeral();
      const dh = diffieHellman({ privateKey, publicKey: x25519 });
      const secret = combine(sharedKey, dh, share, publicOctets.subarray(MLKEM_PUBLIC_OCTETS));
      return { shared_secret: secret, enc: concat(ciphertext, share) };
    },
    async Decap(enc, skR) {
      const { mlkem, x25519, publicOctets } = NodeKemKey.partsOf(skR);
      if (mlkem === undefined) throw new TypeError('a key of another KEM');
      const share = enc.subarray(MLKEM_CIPHERTEXT_OCTETS);
      const pq = decapsulate(mlkem, enc.subarray(0, MLKEM_CIPHERTEXT_OCTETS));
      const dh = diffieHellman({ privateKey: x25519, publicKey: importX25519Public(share) });
      return combine(pq, dh, share, publicOctets.subarray(MLKEM_PUBLIC_OCTETS));
    },
  };
  return kem;
};

function shake256(data: Uint8Array, octets: number): Uint8Array {
  return new Uint8Array(createHash('shake256', { outputLength: octets }).update(data).digest());
}
