// The HPKE suites of the profile and the sizes that follow from them.

/** An HPKE suite by its three registered numbers (RFC 9180 section 7, draft-ietf-hpke-pq for 0x647a). */
export interface Suite {
  readonly kemId: number;
  readonly kdfId: number;
  readonly aeadId: number;
}

/** KEMs of the profile. */
export const KEM_ID = { x25519: 0x0020, mlkem768X25519: 0x647a } as const;
/** The only KDF: HKDF-SHA256. OHTTP's response keys need two stages, so the SHAKE ones are no option. */
export const KDF_HKDF_SHA256_ID = 0x0001;
/** AEADs of the profile. */
export const AEAD_ID = { aes128Gcm: 0x0001, aes256Gcm: 0x0002 } as const;

/** The default: MLKEM768-X25519 (X-Wing), HKDF-SHA256, AES-256-GCM. */
export const HYBRID_SUITE: Suite = {
  kemId: KEM_ID.mlkem768X25519,
  kdfId: KDF_HKDF_SHA256_ID,
  aeadId: AEAD_ID.aes256Gcm,
};

/** The same KEM with AES-128-GCM, for peers that offer no other. */
export const HYBRID_AES128_SUITE: Suite = { ...HYBRID_SUITE, aeadId: AEAD_ID.aes128Gcm };

/** What every stock OHTTP client has: X25519, HKDF-SHA256, AES-128-GCM. */
export const X25519_SUITE: Suite = {
  kemId: KEM_ID.x25519,
  kdfId: KDF_HKDF_SHA256_ID,
  aeadId: AEAD_ID.aes128Gcm,
};

/** Every suite of the profile, best first. */
export const SUITES: readonly Suite[] = [HYBRID_SUITE, HYBRID_AES128_SUITE, X25519_SUITE];

/** Whether the KEM resists a quantum computer. */
export function isPostQuantum(suite: Suite): boolean {
  return suite.kemId === KEM_ID.mlkem768X25519;
}

/** Whether two suites are the same three numbers. */
export function isSameSuite(a: Suite, b: Suite): boolean {
  return a.kemId === b.kemId && a.kdfId === b.kdfId && a.aeadId === b.aeadId;
}

/** Whether the profile has this suite. */
export function isSupportedSuite(suite: Suite): boolean {
  return SUITES.some((known) => isSameSuite(known, suite));
}

/** Octets of a public key (Npk) and of an encapsulated secret (Nenc); undefined for a KEM outside the profile. */
export function kemSizes(kemId: number): { readonly publicKey: number; readonly enc: number } | undefined {
  if (kemId === KEM_ID.x25519) return { publicKey: 32, enc: 32 };
  if (kemId === KEM_ID.mlkem768X25519) return { publicKey: 1216, enc: 1120 };
  return undefined;
}

/** Octets of an AEAD key (Nk), of its nonce (Nn) and of its tag (Nt), for the AEADs of the profile. */
export function aeadSizes(aeadId: number): {
  readonly key: number;
  readonly nonce: number;
  readonly tag: number;
} {
  return { key: aeadId === AEAD_ID.aes256Gcm ? 32 : 16, nonce: 12, tag: 16 };
}
