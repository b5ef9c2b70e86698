// Which devices a program may be given, and whether what lies there is one.

import { lstatSync } from 'node:fs';
import { SandboxError } from './sandbox-error.ts';
import type { ProfileKind } from './sandboxed-engine.ts';

/**
 * The devices by which CUDA computes: a GPU, its control device, its unified memory. Not nvidia-modeset (displays), nvidia-uvm-tools
 * (counters and traces of every process), nvidia-caps and nvidia-nvswitch (partitions and links that others share).
 */
const CUDA_DEVICE = /^\/dev\/nvidia(?:\d{1,2}|ctl|-uvm)$/;

/** @throws SandboxError `sandbox_program_invalid` naming the first device that a program of this kind may not have */
export function checkDeviceNames(kind: ProfileKind, devices: readonly string[]): void {
  const refused = devices.find((path) => kind !== 'cuda' || !CUDA_DEVICE.test(path));
  if (refused !== undefined)
    throw new SandboxError(
      'sandbox_program_invalid',
      `a program of the kind ${kind} may not have ${refused}`,
    );
}

/**
 * Looks at them: a name of a device can lead anywhere.
 * @throws SandboxError `sandbox_unavailable` where one is not there; `sandbox_program_invalid` where it is no character device
 */
export function checkDeviceFiles(devices: readonly string[]): void {
  for (const path of devices) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined)
      throw new SandboxError('sandbox_unavailable', `${path} is not there: load the driver of NVIDIA`);
    if (!stats.isCharacterDevice())
      throw new SandboxError('sandbox_program_invalid', `${path} is not a character device`);
  }
}
