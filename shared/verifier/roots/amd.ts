// AMD's roots for SEV-SNP, by the SHA-256 of their SubjectPublicKeyInfo.
//
// Source: `https://kdsintf.amd.com/vcek/v1/{product}/cert_chain`; the same DER lies in go-sev-guest, confidential-containers
// trustee and virtee/sev. Computed on 2026-11-23 from certificates under which captured reports of each product verified.
// AMD publishes no list of pins.

import { INTEL_ROOTS } from './intel.ts';
import { NVIDIA_DEVICE_ROOTS } from './nvidia.ts';
import type { VendorRoots } from './vendor-roots.ts';

/** What the verifier pins unless it is told other roots: AMD's here, Intel's and NVIDIA's from beside. */
export const PINNED_ROOTS: VendorRoots = {
  amd: [
    // ARK-Milan, serial 0x10000, 2020-10-22 to 2045-10-22
    {
      product: 'Milan',
      spkiSha256: '9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9',
    },
    // ARK-Genoa, serial 0x20000, 2022-01-26 to 2047-01-26
    {
      product: 'Genoa',
      spkiSha256: '429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831',
    },
    // ARK-Turin, serial 0x30000, 2023-05-15 to 2048-05-15
    {
      product: 'Turin',
      spkiSha256: '4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08',
    },
  ],
  intel: INTEL_ROOTS,
  nvidia: NVIDIA_DEVICE_ROOTS,
};
