// From a node's configuration to the drivers for its CPU and its GPUs.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { createAzureDriver } from './azure/azure-driver.ts';
import { openInstanceMetadata } from './azure/instance-metadata.ts';
import { openTpm } from './azure/open-tpm.ts';
import type { EndorsementSource } from './endorsement-source.ts';
import { folderEndorsements } from './folder-endorsements.ts';
import { requestTsmReport } from './linux-tsm/request-tsm-report.ts';
import { createNvidiaDriver } from './nvidia/nvidia-driver.ts';
import { openNvml } from './nvidia/nvml.ts';
import { openGuestDevice } from './sev-guest/open-guest-device.ts';
import { requestGuestReport, SEV_GUEST_DEVICE } from './sev-guest/request-guest-report.ts';
import { isSimulatedFault } from './simulated/faults.ts';
import { isSimulatedGpuFault } from './simulated/gpu-faults.ts';
import { loadSimulatedGpus } from './simulated/gpu-platform.ts';
import { createSimulatedGpus } from './simulated/gpus.ts';
import { measureGuest } from './simulated/measure-tree.ts';
import { loadSimulatedPlatform } from './simulated/platform.ts';
import { createSimulatedTee } from './simulated/tee.ts';
import { createSnpDriver } from './snp-driver.ts';
import { createTdxDriver } from './tdx-driver.ts';
import { type DeviceDriver, type TeeDriver, TeeError } from './tee-driver.ts';

/** The simulator: it protects nothing. */
export interface SimulatedTeeConfig {
  readonly kind: 'simulated';
  /** Holds the simulated platform's keys. */
  readonly platform_folder: string;
  /** The code tree that it measures. */
  readonly measured_folder: string;
  /** A fault of the machine or of its GPUs, by name. */
  readonly fault?: string | undefined;
  /** How many simulated GPUs it has; absent: none. */
  readonly gpus?: number | undefined;
}

/** A confidential VM. */
export interface HardwareTeeConfig {
  readonly kind: TeeDriver['kind'];
  /** SEV-SNP: `sev-guest` for kernels before Linux 6.7. Absent: configfs-tsm. */
  readonly interface?: 'configfs-tsm' | 'sev-guest' | undefined;
  /** The code tree, whose digest of engine files the deployment names. */
  readonly measured_folder: string;
  /** Vendor's certificates and lists (folder-endorsements.ts). */
  readonly endorsements_folder: string;
  /** Absent: no GPU is shown. */
  readonly gpus?: 'nvidia' | undefined;
}

/** What a node has to vouch for it. */
export interface OpenTee {
  readonly tee: TeeDriver;
  readonly devices: DeviceDriver | undefined;
}

/**
 * Opens what the configuration names.
 * @param from.endorsements  where hardware's endorsements come from; absent: the configured folder.
 * @throws TeeError where the platform is not there or a fault has no such name; SimulatedPlatformError.
 */
export async function openTee(
  config: SimulatedTeeConfig | HardwareTeeConfig,
  from: {
    readonly now: Date;
    readonly random: (octets: number) => Bytes;
    readonly endorsements?: EndorsementSource | undefined;
  },
): Promise<OpenTee> {
  if (config.kind === 'simulated') return openSimulated(config, from);
  const endorsements = from.endorsements ?? folderEndorsements(config.endorsements_folder);
  const devices = config.gpus === 'nvidia' ? createNvidiaDriver(await openNvml()) : undefined;
  return { tee: await openHardware(config, endorsements, from.random), devices };
}

async function openSimulated(
  config: SimulatedTeeConfig,
  { now, random }: { readonly now: Date; readonly random: (octets: number) => Bytes },
): Promise<OpenTee> {
  const { fault, gpus } = config;
  const gpuFault = fault !== undefined && isSimulatedGpuFault(fault) ? fault : undefined;
  const cpuFault = fault !== undefined && isSimulatedFault(fault) ? fault : undefined;
  if (fault !== undefined && gpuFault === undefined && cpuFault === undefined)
    throw new TeeError('tee_unavailable', `the simulated TEE has no fault ${fault}`);
  if (gpuFault !== undefined && gpus === undefined)
    throw new TeeError('tee_unavailable', `the fault ${gpuFault} needs simulated GPUs`);
  const [platform, measurement, gpuPlatform] = await Promise.all([
    loadSimulatedPlatform(config.platform_folder, { now, random }),
    measureGuest(config.measured_folder),
    gpus === undefined ? undefined : loadSimulatedGpus(config.platform_folder, gpus, random),
  ]);
  return {
    tee: createSimulatedTee({ platform, measurement, fault: cpuFault }),
    devices: gpuPlatform && createSimulatedGpus({ platform: gpuPlatform, random, fault: gpuFault }),
  };
}

async function openHardware(
  config: HardwareTeeConfig,
  endorsements: EndorsementSource,
  random: (octets: number) => Bytes,
): Promise<TeeDriver> {
  switch (config.kind) {
    case 'sev-snp': {
      if (config.interface !== 'sev-guest')
        return createSnpDriver({
          endorsements,
          requestReport: (data) => requestTsmReport(data, { provider: 'sev_guest', random }),
        });
      const device = await openGuestDevice(SEV_GUEST_DEVICE);
      const wait = (milliseconds: number) =>
        new Promise<void>((resolve) => void setTimeout(resolve, milliseconds));
      return createSnpDriver({
        endorsements,
        requestReport: (data) => requestGuestReport(device, data, wait),
      });
    }
    case 'tdx':
      return createTdxDriver({
        endorsements,
        requestQuote: async (data) =>
          (await requestTsmReport(data, { provider: 'tdx_guest', random })).report,
      });
    case 'azure-sev-snp':
    case 'azure-tdx':
      return createAzureDriver({
        kind: config.kind,
        tpm: await openTpm(),
        metadata: openInstanceMetadata(fetch),
        endorsements,
      });
  }
}
