// Intel's root for TDX, by the SHA-256 of its SubjectPublicKeyInfo.
//
// Source: `https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.pem`; the same DER lies in
// go-tdx-guest. Computed on 2026-11-23 from the certificate under which captured quotes verified. Intel publishes no pin.

import type { VendorRoots } from './vendor-roots.ts';

export const INTEL_ROOTS: NonNullable<VendorRoots['intel']> = [
  // Intel SGX Root CA, 2018-05-21 to 2049-12-31
  { spkiSha256: 'a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e' },
];
