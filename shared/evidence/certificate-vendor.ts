// What each vendor signs certificates and revocation lists with: one algorithm and its kinds of keys, everything else refused.

import type { Bytes } from '../bytes/concat.ts';
import type { DerReader } from './der.ts';
import { readEcdsaSha256Algorithm, readEcdsaSha384Algorithm, readEcdsaSignature } from './ecdsa-signature.ts';
import type { EvidenceErrorCode } from './evidence-error.ts';
import { readPssAlgorithm } from './rsa-pss.ts';

/** Whose certificates: it decides the one signature algorithm that is read, and the curve of keys. */
export type CertificateVendor = 'amd' | 'intel' | 'nvidia';

interface VendorAlgorithm {
  /** Reads an AlgorithmIdentifier and refuses all but the vendor's. */
  readonly read: (parent: DerReader) => void;
  /** The signature as the primitives take it: RSA as it stands, ECDSA as r ‖ s. */
  readonly signature: (bits: Bytes, code: EvidenceErrorCode) => Bytes;
}

/** The signature algorithm of each vendor. */
export const VENDOR_ALGORITHM: Readonly<Record<CertificateVendor, VendorAlgorithm>> = {
  // RSASSA-PSS with SHA-384 and salt 48
  amd: { read: readPssAlgorithm, signature: (bits) => bits },
  // ECDSA P-256 with SHA-256
  intel: {
    read: readEcdsaSha256Algorithm,
    signature: (bits, code) => readEcdsaSignature(bits, 32, code),
  },
  // ECDSA P-384 with SHA-384
  nvidia: {
    read: readEcdsaSha384Algorithm,
    signature: (bits, code) => readEcdsaSignature(bits, 48, code),
  },
};
