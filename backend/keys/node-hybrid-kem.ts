// MLKEM768-X25519 (X-Wing) for hpke over node:crypto, several times faster than WebCrypto in Node.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  randomBytes,
} from 'node:crypto';
import { concat, encode, I2OSP, type KEM, type KEMFactory, type Key, LabeledDerive } from 'hpke';
import { NodeKemKey, serialisation } from './node-kem-key.ts';
import {
  agreeX25519,
  exportX25519Public,
  importX25519Private,
  importX25519Public,
  makeX25519Ephemeral,
} from './node-x25519.ts';

// RFC 9935: the private key as its 64-octet seed, context tag 0.
const PKCS8_MLKEM768_SEED = Buffer.from('3054020100300b060960864801650304040204428040', 'hex');
const SPKI_MLKEM768 = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');

const MLKEM_PUBLIC_OCTETS = 1184;
const MLKEM_CIPHERTEXT_OCTETS = 1088;
// draft-ietf-hpke-pq, MLKEM768-X25519: the combiner's label is X-Wing's six-character drawing.
const XWING_LABEL = encode('\\.//^\\');
const EMPTY = new Uint8Array(0);

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
      const { privateKey, publicOctets: share } = makeX25519Ephemeral();
      const dh = diffieHellman({ privateKey, publicKey: x25519 });
      const secret = combine(sharedKey, dh, share, publicOctets.subarray(MLKEM_PUBLIC_OCTETS));
      return { shared_secret: secret, enc: concat(ciphertext, share) };
    },
    async Decap(enc, skR) {
      const { mlkem, x25519, publicOctets } = NodeKemKey.partsOf(skR);
      if (mlkem === undefined) throw new TypeError('a key of another KEM');
      const share = enc.subarray(MLKEM_CIPHERTEXT_OCTETS);
      const pq = decapsulate(mlkem, enc.subarray(0, MLKEM_CIPHERTEXT_OCTETS));
      const dh = agreeX25519(x25519, share);
      return combine(pq, dh, share, publicOctets.subarray(MLKEM_PUBLIC_OCTETS));
    },
  };
  return kem;
};

function shake256(data: Uint8Array, octets: number): Uint8Array {
  return new Uint8Array(createHash('shake256', { outputLength: octets }).update(data).digest());
}
