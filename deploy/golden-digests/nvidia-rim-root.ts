// NVIDIA's root for reference files, by the SHA-256 of its SubjectPublicKeyInfo.
//
// Source: NVIDIA's nvtrust, verifier_RIM_root.pem; computed on 2026-11-23 from that certificate, under which captured reference
// files of Hopper verified. NVIDIA publishes no list of pins.

/** NVIDIA CoRIM signing Root CA, P-384, 2023-03-16 to 2053-03-08. */
export const NVIDIA_RIM_ROOTS: readonly string[] = [
  'dec1dc316477aa851eebdf51327ae9f864bc8d89254657ed1e7eb9168af1e1a3',
];
