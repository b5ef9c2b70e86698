// A report from Linux's configfs-tsm (Documentation/ABI/testing/configfs-tsm-report; Linux 6.7): one folder, one question.
// Not run on hardware yet: tested on a folder that answers as the kernel's documentation says.

import { constants } from 'node:fs';
import { mkdir, open, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { TeeError } from '../tee-driver.ts';

/** Where the kernel has it. */
export const TSM_REPORT_FOLDER = '/sys/kernel/config/tsm/report';
/** What `provider` says. */
export type TsmProvider = 'sev_guest' | 'tdx_guest';

/** TSM_OUTBLOB_MAX of the kernel. */
const BLOB_MAXIMUM_BYTES = 32 * 1024;
const REPORT_DATA_BYTES = 64;
/** Another process that asks at the same time makes a read fail; a folder of our own makes that rare. */
const TRIES = 5;
const WAIT_MILLISECONDS = 100;

/** The five things that are done to the file system. */
export interface TsmFiles {
  makeFolder(path: string): Promise<void>;
  /** One write call of all octets: the kernel takes each write as a whole question. */
  write(path: string, octets: Uint8Array): Promise<void>;
  read(path: string): Promise<Uint8Array>;
  removeFolder(path: string): Promise<void>;
  wait(milliseconds: number): Promise<void>;
}

/** What the kernel answered. */
export interface TsmReport {
  /** SEV-SNP: the report of 1184 octets. TDX: the quote. */
  readonly report: Bytes;
  /** SEV-SNP: the table of certificates that the host gave; empty where it gave none. */
  readonly auxiliary: Bytes;
}

/** Linux's own. */
export const linuxTsmFiles: TsmFiles = {
  makeFolder: async (path) => void (await mkdir(path)),
  async write(path, octets) {
    // Write only: configfs refuses to open this attribute for reading as well.
    const file = await open(path, constants.O_WRONLY);
    try {
      const { bytesWritten } = await file.write(octets);
      if (bytesWritten !== octets.length)
        throw new TeeError('tee_refused', 'the kernel took a part of the question');
    } finally {
      await file.close();
    }
  },
  read: async (path) => readFile(path),
  removeFolder: async (path) => void (await rmdir(path)),
  wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/**
 * Asks the kernel for a report over 64 octets.
 * @throws RangeError unless `reportData` has 64 octets; TeeError `tee_unavailable` (no such interface, or another
 * provider), `tee_busy`, `tee_refused` (with the system's code) or `tee_answer_malformed`.
 */
export async function requestTsmReport(
  reportData: Bytes,
  options: {
    readonly provider: TsmProvider;
    readonly random: (octets: number) => Bytes;
    readonly folder?: string;
    readonly files?: TsmFiles;
  },
): Promise<TsmReport> {
  if (reportData.length !== REPORT_DATA_BYTES) throw new RangeError('report data has 64 octets');
  const { provider, random, folder = TSM_REPORT_FOLDER, files = linuxTsmFiles } = options;
  const own = join(folder, `cloister-${toHex(random(8))}`);
  await files.makeFolder(own).catch((error: unknown) => {
    throw new TeeError('tee_unavailable', `no configfs-tsm at ${folder} (${systemCode(error)})`);
  });
  try {
    const actual = text(await files.read(join(own, 'provider')));
    if (actual !== provider)
      throw new TeeError('tee_unavailable', `configfs-tsm speaks for ${actual}, not for ${provider}`);
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask(own, reportData, files);
      } catch (error) {
        if (!isConflict(error)) throw error;
        if (attempt === TRIES) throw new TeeError('tee_busy', 'others kept asking at the same time');
        await files.wait(WAIT_MILLISECONDS * attempt);
      }
    }
  } catch (error) {
    if (error instanceof TeeError) throw error;
    throw new TeeError('tee_refused', `the kernel gave no report (${systemCode(error)})`, { cause: error });
  } finally {
    await files.removeFolder(own).catch(() => {});
  }
}

async function ask(own: string, reportData: Bytes, files: TsmFiles): Promise<TsmReport> {
  await files.write(join(own, 'inblob'), reportData);
  // `generation` counts writes: a different number afterwards says that somebody wrote another question into our folder.
  const before = text(await files.read(join(own, 'generation')));
  const report = bounded(await files.read(join(own, 'outblob')));
  const auxiliary = bounded(await files.read(join(own, 'auxblob')).catch(emptyWhereAbsent));
  if (text(await files.read(join(own, 'generation'))) !== before)
    throw Object.assign(new Error('the question changed'), { code: 'EWOULDBLOCK' });
  if (report.length === 0) throw new TeeError('tee_answer_malformed', 'the kernel gave an empty report');
  return { report, auxiliary };
}

// TDX has no auxiliary data; a host may give no certificates.
function emptyWhereAbsent(error: unknown): Uint8Array {
  if (['ENOENT', 'ENXIO'].includes(systemCode(error))) return new Uint8Array();
  throw error;
}

function bounded(octets: Uint8Array): Bytes {
  if (octets.length > BLOB_MAXIMUM_BYTES) throw new TeeError('tee_answer_malformed', 'a blob over its bound');
  return concat(octets);
}

function text(octets: Uint8Array): string {
  return new TextDecoder().decode(octets.subarray(0, 64)).trim();
}

function isConflict(error: unknown): boolean {
  return ['EWOULDBLOCK', 'EAGAIN', 'EBUSY', 'EINTR'].includes(systemCode(error));
}

function systemCode(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : 'unknown error';
}
