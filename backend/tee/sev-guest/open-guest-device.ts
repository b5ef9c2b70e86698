// Opens `/dev/sev-guest` and speaks ioctl(2) through koffi.

import { closeSync, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { TeeError } from '../tee-driver.ts';
import type { GuestDevice } from './request-guest-report.ts';

/** A device that stays open until `close`. */
export interface OpenGuestDevice extends GuestDevice {
  close(): void;
}

/**
 * Opens the device.
 * @throws TeeError `tee_unavailable` where it cannot be opened.
 */
export async function openGuestDevice(path: string): Promise<OpenGuestDevice> {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r+');
  } catch (error) {
    throw new TeeError(
      'tee_unavailable',
      `${path} cannot be opened (${(error as NodeJS.ErrnoException).code})`,
    );
  }
  // Loaded here and not above: a node without this device needs no native code for it.
  const { default: koffi } = await import('koffi');
  const ioctl = koffi.load(null).func('int ioctl(int fd, unsigned long request, void *argument)');
  return {
    control(request, argument) {
      if (ioctl(descriptor, request, argument) === 0) return 0;
      return getSystemErrorName(-koffi.errno());
    },
    addressOf: (octets) => koffi.address(octets) as bigint,
    close: () => closeSync(descriptor),
  };
}
