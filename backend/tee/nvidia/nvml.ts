// The parts of NVIDIA's management library that attestation takes (nvml.h, driver 550 and later), through koffi.
// Not run on hardware in confidential mode yet: tested against a library of the tests' own with the same C interface.

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { TeeError } from '../tee-driver.ts';

/** The library's name on Linux. */
export const NVML_LIBRARY = 'libnvidia-ml.so.1';

const NONCE_BYTES = 32;
/** NVML_CC_GPU_ATTESTATION_REPORT_SIZE, NVML_CC_GPU_CEC_ATTESTATION_REPORT_SIZE. */
const REPORT_BYTES = 0x2000;
const CEC_REPORT_BYTES = 0x1000;
/** NVML_GPU_CERT_CHAIN_SIZE, NVML_GPU_ATTESTATION_CERT_CHAIN_SIZE. */
const CHAIN_BYTES = 0x1000;
const ATTESTATION_CHAIN_BYTES = 0x1400;
const GPUS_MAXIMUM = 16;
const SUCCESS = 0;

/** NVML_CC_SYSTEM_ENVIRONMENT_*, NVML_CC_SYSTEM_FEATURE_*, NVML_CC_SYSTEM_DEVTOOLS_MODE_*. */
export interface ConfidentialState {
  readonly environment: 'unavailable' | 'simulation' | 'production';
  readonly enabled: boolean;
  /** Developer tools: the GPU's memory can be looked into. */
  readonly developerTools: boolean;
}

/** The library, opened and initialised. */
export interface Nvml {
  readonly gpus: number;
  confidentialState(): ConfidentialState;
  /** The report of one GPU over 32 octets, as the device gave it. */
  report(gpu: number, nonce: Bytes): Bytes;
  /** PEM certificates of one GPU, leaf first. */
  certificateChain(gpu: number): Bytes;
  /** Lets the driver accept work: the last step after the evidence was found good. */
  setReady(): void;
  close(): void;
}

/**
 * Opens the library.
 * @throws TeeError `tee_unavailable` where it is missing or does not start; its methods throw `tee_refused` with NVML's
 * number, or `tee_answer_malformed`.
 */
export async function openNvml(path: string = NVML_LIBRARY): Promise<Nvml> {
  // Loaded here and not above: a node without GPUs needs no native code for them.
  const { default: koffi } = await import('koffi');
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load(path);
  } catch {
    throw new TeeError('tee_unavailable', `${path} cannot be loaded`);
  }
  const bind = (definition: string): ((...values: unknown[]) => number) => {
    try {
      return library.func(definition);
    } catch {
      throw new TeeError('tee_unavailable', `${path} is too old: it lacks ${definition}`);
    }
  };
  const init = bind('int nvmlInit_v2()');
  const shutdown = bind('int nvmlShutdown()');
  const getCount = bind('int nvmlDeviceGetCount_v2(void *count)');
  const getHandle = bind('int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void *device)');
  const getState = bind('int nvmlSystemGetConfComputeState(void *state)');
  const getReport = bind('int nvmlDeviceGetConfComputeGpuAttestationReport(intptr_t device, void *report)');
  const getCertificate = bind(
    'int nvmlDeviceGetConfComputeGpuCertificate(intptr_t device, void *certificate)',
  );
  const setReadyState = bind('int nvmlSystemSetConfComputeGpusReadyState(unsigned int accepting)');

  const started = init();
  if (started !== SUCCESS)
    throw new TeeError('tee_unavailable', `NVIDIA's management library does not start (${started})`);
  const must = (what: string, result: number): void => {
    if (result !== SUCCESS) throw new TeeError('tee_refused', `NVIDIA's driver refused ${what} (${result})`);
  };
  const word = (octets: Uint8Array, at: number): number =>
    new DataView(octets.buffer, octets.byteOffset).getUint32(at, true);
  const handleOf = (gpu: number): bigint => {
    const handle = new Uint8Array(8);
    must('a device', getHandle(gpu, handle));
    return new DataView(handle.buffer).getBigInt64(0, true);
  };

  const count = new Uint8Array(4);
  must('the number of devices', getCount(count));
  const gpus = word(count, 0);
  if (gpus > GPUS_MAXIMUM) throw new TeeError('tee_answer_malformed', 'more GPUs than a node has');

  return {
    gpus,
    confidentialState() {
      // Three words: environment, feature, developer tools.
      const state = new Uint8Array(12);
      must('its confidential state', getState(state));
      const environment = (['unavailable', 'simulation', 'production'] as const)[word(state, 0)];
      if (environment === undefined) throw new TeeError('tee_answer_malformed', 'an unknown environment');
      return { environment, enabled: word(state, 4) === 1, developerTools: word(state, 8) !== 0 };
    },
    report(gpu, nonce) {
      if (nonce.length !== NONCE_BYTES) throw new RangeError('a nonce has 32 octets');
      // Three words (CEC report present, report size, CEC report size), the nonce, the two reports.
      const answer = new Uint8Array(12 + NONCE_BYTES + REPORT_BYTES + CEC_REPORT_BYTES);
      answer.set(nonce, 12);
      must('a report', getReport(handleOf(gpu), answer));
      return part(answer, 12 + NONCE_BYTES, word(answer, 4), REPORT_BYTES);
    },
    certificateChain(gpu) {
      // Two words (size of the device's chain, size of the attestation chain) and the two chains.
      const answer = new Uint8Array(8 + CHAIN_BYTES + ATTESTATION_CHAIN_BYTES);
      must('its certificates', getCertificate(handleOf(gpu), answer));
      return part(answer, 8 + CHAIN_BYTES, word(answer, 4), ATTESTATION_CHAIN_BYTES);
    },
    setReady: () => must('to accept work', setReadyState(1)),
    close: () => void shutdown(),
  };
}

function part(octets: Uint8Array, at: number, length: number, maximum: number): Bytes {
  if (length === 0 || length > maximum)
    throw new TeeError('tee_answer_malformed', 'NVIDIA’s driver names a length outside its bounds');
  return concat(octets.subarray(at, at + length));
}
