// NVIDIA GPUs in confidential mode: a report and the certificates of each, over a nonce that names this node's core.

import { concat } from '../../../shared/bytes/concat.ts';
import type { NvidiaGpuEvidence } from '../../../shared/evidence/bundle.ts';
import { NVIDIA_CHAIN_LENGTH } from '../../../shared/evidence/evidence-bounds.ts';
import { readPemCertificates } from '../../../shared/evidence/pem.ts';
import { oneAtATime } from '../one-at-a-time.ts';
import { type DeviceDriver, TeeError } from '../tee-driver.ts';
import type { Nvml } from './nvml.ts';

/** Evidence of every GPU that the library sees. */
export interface NvidiaDriver extends DeviceDriver {
  readonly kind: 'nvidia-gpu';
  attest(nonce: Parameters<DeviceDriver['attest']>[0]): Promise<readonly NvidiaGpuEvidence[]>;
  readonly setReady: () => void;
}

/**
 * A driver. Refuses at once what no evidence says plainly: a GPU whose confidential mode is off or whose developer tools
 * are on gives reports all the same.
 * @throws TeeError `tee_unavailable`.
 */
export function createNvidiaDriver(nvml: Nvml): NvidiaDriver {
  if (nvml.gpus === 0) throw new TeeError('tee_unavailable', 'no NVIDIA GPU here');
  requireConfidentialMode(nvml);
  const queue = oneAtATime();
  return {
    kind: 'nvidia-gpu',
    assurance: 'hardware',
    attest: (nonce) =>
      queue(async () => {
        requireConfidentialMode(nvml);
        return Array.from({ length: nvml.gpus }, (_, gpu) => ({
          kind: 'nvidia-gpu' as const,
          report: nvml.report(gpu, nonce),
          chain: readChain(nvml, gpu),
        }));
      }),
    setReady: () => nvml.setReady(),
  };
}

function requireConfidentialMode(nvml: Nvml): void {
  const { environment, enabled, developerTools } = nvml.confidentialState();
  if (!enabled || developerTools || environment !== 'production')
    throw new TeeError(
      'tee_unavailable',
      `the GPUs are not in confidential mode (${enabled ? 'on' : 'off'}, ${environment}${developerTools ? ', developer tools' : ''})`,
    );
}

// The driver ends its text with a zero octet or line ends.
function readChain(nvml: Nvml, gpu: number) {
  const text = nvml.certificateChain(gpu);
  const end = text.indexOf(0);
  const pem = concat(end < 0 ? text : text.subarray(0, end));
  try {
    return readPemCertificates(
      pem,
      NVIDIA_CHAIN_LENGTH,
      NVIDIA_CHAIN_LENGTH,
      'evidence_certificate_malformed',
    );
  } catch {
    throw new TeeError(
      'tee_answer_malformed',
      `the GPU's certificates are not a chain of ${NVIDIA_CHAIN_LENGTH}`,
    );
  }
}
