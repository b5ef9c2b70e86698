// Evidence of devices beside the CPU, as a bundle carries it, and the hash by which a node statement names it.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { list, object, octets, oneOf, type Shape } from '../bytes/shape.ts';
import { CERTIFICATE_MAXIMUM_BYTES } from './der.ts';
import { NRAS_ANSWER_MAXIMUM_BYTES, NVIDIA_CHAIN_LENGTH, SPDM_MAXIMUM_BYTES } from './evidence-bounds.ts';

/** One NVIDIA GPU: its report, and its certificates as DER, leaf first, root included. */
export interface NvidiaGpuEvidence {
  readonly kind: 'nvidia-gpu';
  readonly report: Bytes;
  readonly chain: readonly Bytes[];
}

/** NVIDIA's verdict on all GPUs of the node: the exact octets of the service's answer. */
export interface NrasEvidence {
  readonly kind: 'nras';
  readonly answer: Bytes;
}

/** Evidence of a device. */
export type DeviceEvidence = NvidiaGpuEvidence | NrasEvidence;

/** Shape of a GPU's evidence in a bundle. */
export const nvidiaGpuShape: Shape<NvidiaGpuEvidence> = object<NvidiaGpuEvidence>({
  kind: oneOf('nvidia-gpu'),
  report: octets(1, SPDM_MAXIMUM_BYTES),
  chain: list(octets(1, CERTIFICATE_MAXIMUM_BYTES), NVIDIA_CHAIN_LENGTH, NVIDIA_CHAIN_LENGTH),
});

/** Shape of NVIDIA's verdict in a bundle. */
export const nrasShape: Shape<NrasEvidence> = object<NrasEvidence>({
  kind: oneOf('nras'),
  answer: octets(2, NRAS_ANSWER_MAXIMUM_BYTES),
});

/** A device's evidence as JSON. */
export function encodeDeviceEvidence(evidence: DeviceEvidence): Readonly<Record<string, unknown>> {
  return evidence.kind === 'nvidia-gpu'
    ? { kind: evidence.kind, report: toBase64url(evidence.report), chain: evidence.chain.map(toBase64url) }
    : { kind: evidence.kind, answer: toBase64url(evidence.answer) };
}

/** What a node statement names a device by: SHA-256 of the report, or of the verdict's octets. 32 octets. */
export function deviceDigestOf(evidence: DeviceEvidence): Promise<Bytes> {
  return sha256(evidence.kind === 'nvidia-gpu' ? evidence.report : evidence.answer);
}

/** Whether this is evidence of a device and not of a CPU. */
export function isDeviceEvidence(evidence: { readonly kind: string }): evidence is DeviceEvidence {
  return evidence.kind === 'nvidia-gpu' || evidence.kind === 'nras';
}
