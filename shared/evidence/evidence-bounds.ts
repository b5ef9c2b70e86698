// Largest octets of each part of a bundle that are looked at: in a file of their own, so that who reads a bundle does not load every parser.

/** Azure's blob. Real ones have 2600 octets. */
export const HCL_MAXIMUM_BYTES = 8 * 1024;
/** A TPM's quote. Real ones have 120 to 170 octets. */
export const TPM_QUOTE_MAXIMUM_BYTES = 1024;
/** Registers of a PC client's TPM. */
export const PCR_COUNT = 24;
/** A TDX quote. Real ones have about 5 kB; kernels hand out buffers of 8 kB. */
export const TDX_QUOTE_MAXIMUM_BYTES = 16 * 1024;
/** Intel's TCB info. Real ones have 4 to 13 kB. */
export const TCB_INFO_MAXIMUM_BYTES = 128 * 1024;
/** Intel's identity of the quoting enclave. Real ones have half a kB. */
export const QE_IDENTITY_MAXIMUM_BYTES = 16 * 1024;
/** An NVIDIA device's request with its answer. Real ones have 2.2 to 4.3 kB. */
export const SPDM_MAXIMUM_BYTES = 8 * 1024;
/** Certificates in an NVIDIA device's chain, root included. */
export const NVIDIA_CHAIN_LENGTH = 5;
/** An answer of NVIDIA's service. Real ones have 2.8 kB for one GPU and 17 kB for eight. */
export const NRAS_ANSWER_MAXIMUM_BYTES = 128 * 1024;
