// A provider whose key pairs and ephemeral keys are known, for vectors and for the independent decoder.

import { createPrivateKey, createPublicKey, diffieHellman, hkdfSync } from 'node:crypto';
import {
  AEAD_AES_128_GCM,
  AEAD_AES_256_GCM,
  CipherSuite,
  KDF_HKDF_SHA256,
  type KEMFactory,
  type Key,
} from 'hpke';
import { nodeCryptoProvider } from '../../../../backend/keys/node-crypto-provider.ts';
import { nodeHybridKem } from '../../../../backend/keys/node-hybrid-kem.ts';
import { nodeX25519Kem } from '../../../../backend/keys/node-x25519-kem.ts';
import { concat } from '../../../../shared/bytes/concat.ts';
import type { SealingProvider } from '../../../../shared/sealing/provider.ts';
import { KEM_ID } from '../../../../shared/sealing/suite.ts';

const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');

/** Raw X25519 (RFC 7748), through DER because node:crypto of every version reads that. */
export function x25519(secret: Uint8Array, peer: Uint8Array): Uint8Array {
  return diffieHellman({
    privateKey: x25519Private(secret),
    publicKey: createPublicKey({ key: Buffer.concat([SPKI_X25519, peer]), format: 'der', type: 'spki' }),
  });
}

export function x25519Public(secret: Uint8Array): Uint8Array {
  const spki = createPublicKey(x25519Private(secret)).export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(SPKI_X25519.length));
}

function x25519Private(secret: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([PKCS8_X25519, secret]), format: 'der', type: 'pkcs8' });
}

/** RFC 9180 section 4: labelled HKDF-SHA256, and section 4.1's ExtractAndExpand. */
export function dhkemSecret(dh: Uint8Array, enc: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const suiteId = concat(Buffer.from('KEM'), Uint8Array.of(0, 0x20));
  const ikm = concat(Buffer.from('HPKE-v1'), suiteId, Buffer.from('eae_prk'), dh);
  const info = concat(
    Uint8Array.of(0, 32),
    Buffer.from('HPKE-v1'),
    suiteId,
    Buffer.from('shared_secret'),
    enc,
    publicKey,
  );
  return new Uint8Array(hkdfSync('sha256', ikm, new Uint8Array(0), info, 32));
}

/** nodeCryptoProvider, but GenerateKeyPair gives `recipient` and X25519's Encap uses `ephemeral`. */
export function knownKeyProvider(known: { recipient: Uint8Array; ephemeral?: Uint8Array }): SealingProvider {
  return {
    ...nodeCryptoProvider,
    cipherSuite(suite) {
      const base = suite.kemId === KEM_ID.x25519 ? nodeX25519Kem() : nodeHybridKem();
      const kem: KEMFactory<Key> = () => ({
        ...base,
        async GenerateKeyPair(extractable) {
          const privateKey = await base.DeserializePrivateKey(known.recipient, extractable);
          const publicKey = await base.DeserializePublicKey(await base.SerializePublicKey(privateKey));
          return { privateKey, publicKey };
        },
        async Encap(pkR) {
          if (known.ephemeral === undefined) return base.Encap(pkR);
          const publicKey = await base.SerializePublicKey(pkR);
          const enc = x25519Public(known.ephemeral);
          return { shared_secret: dhkemSecret(x25519(known.ephemeral, publicKey), enc, publicKey), enc };
        },
      });
      // hpke's own KDF and AEAD, so that this provider shares less with the one under test.
      return new CipherSuite<Key>(
        kem,
        KDF_HKDF_SHA256,
        suite.aeadId === 1 ? AEAD_AES_128_GCM : AEAD_AES_256_GCM,
      );
    },
  };
}
