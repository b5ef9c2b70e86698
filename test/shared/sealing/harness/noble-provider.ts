// What a runtime without ML-KEM gets: WebCrypto with the pure JavaScript hybrid KEM.

import { KEM_MLKEM768_X25519 } from '@panva/hpke-noble';
import {
  AEAD_AES_128_GCM,
  AEAD_AES_256_GCM,
  CipherSuite,
  KDF_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
  type KEMFactory,
  type Key,
} from 'hpke';
import type { SealingProvider } from '../../../../shared/sealing/provider.ts';
import { SealingError } from '../../../../shared/sealing/sealing-error.ts';
import { AEAD_ID, isSupportedSuite, KEM_ID } from '../../../../shared/sealing/suite.ts';
import { webCryptoProvider } from '../../../../shared/sealing/webcrypto-provider.ts';

export const nobleProvider: SealingProvider = {
  ...webCryptoProvider,
  cipherSuite(suite) {
    if (!isSupportedSuite(suite)) throw new SealingError('suite_unsupported');
    const kem =
      suite.kemId === KEM_ID.x25519 ? (KEM_DHKEM_X25519_HKDF_SHA256 as KEMFactory<Key>) : KEM_MLKEM768_X25519;
    const aead = suite.aeadId === AEAD_ID.aes256Gcm ? AEAD_AES_256_GCM : AEAD_AES_128_GCM;
    return new CipherSuite<Key>(kem, KDF_HKDF_SHA256, aead);
  },
};
