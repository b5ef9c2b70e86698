// NVIDIA's root for device identities, by the SHA-256 of its SubjectPublicKeyInfo.
//
// Source: the chain that NVIDIA's devices send ends in it; the same certificate lies in nvtrust and NVIDIA's attestation SDK. Computed
// on 2026-11-23 from certificates under which captured reports of Hopper GPUs verified. NVIDIA publishes no list of pins.

/** NVIDIA Device Identity CA, P-384, 2021-11-05 to 9999-12-31. Hopper, Blackwell and NVSwitch share it. */
export const NVIDIA_DEVICE_ROOTS: readonly string[] = [
  'a90c4eb5acfd3e3d03a25db6a26b84f720ad0503196c627c21ddd48dd85b06a4',
];

/** Who signs NVIDIA's verdicts. Its keys change every day or two and have no root that could be pinned. */
export const NRAS_ISSUER = 'https://nras.attestation.nvidia.com';
