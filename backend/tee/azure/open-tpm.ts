// Opens the kernel's TPM device: one write is a command, one read its response.

import { type FileHandle, open } from 'node:fs/promises';
import { TeeError } from '../tee-driver.ts';
import { TPM_MAXIMUM_BYTES, type Tpm } from './tpm-command.ts';

/** With the kernel's resource manager, so that others may use the TPM at the same time. */
export const TPM_DEVICE = '/dev/tpmrm0';

/** @throws TeeError `tee_unavailable` where the device cannot be opened. */
export async function openTpm(path: string = TPM_DEVICE): Promise<Tpm & { close(): Promise<void> }> {
  let file: FileHandle;
  try {
    file = await open(path, 'r+');
  } catch (error) {
    throw new TeeError(
      'tee_unavailable',
      `${path} cannot be opened (${(error as NodeJS.ErrnoException).code})`,
    );
  }
  return {
    async exchange(command) {
      const { bytesWritten } = await file.write(command, 0, command.length, null);
      if (bytesWritten !== command.length)
        throw new TeeError('tee_refused', 'the TPM device took a part of a command');
      const response = new Uint8Array(TPM_MAXIMUM_BYTES);
      const { bytesRead } = await file.read(response, 0, response.length, null);
      return response.subarray(0, bytesRead);
    },
    close: () => file.close(),
  };
}
