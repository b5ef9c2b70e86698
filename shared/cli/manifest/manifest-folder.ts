// A published manifest: a folder with the version in force, its signatures, and every version before. A node reads it.

import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bytes } from '../../bytes/concat.ts';
import {
  judgeOwnThreshold,
  judgeSuccession,
  openManifest,
  type SignedManifest,
  type SuccessionProblem,
} from '../../manifest/manifest-history.ts';

/** Where the version in force lies. */
export const CURRENT = 'manifest.json';
/** Every version that was ever in force, by serial. */
export const VERSIONS = 'versions';

/** A manifest that may not be published here. */
export class PublicationRefused extends Error {
  override readonly name = 'PublicationRefused';
  readonly code = 'publication_refused';
  readonly problems: readonly SuccessionProblem[];
  constructor(problems: readonly SuccessionProblem[]) {
    super(
      problems
        .map(({ code, expected, actual }) => `${code}: expected ${expected}, found ${actual}`)
        .join('; '),
    );
    this.problems = problems;
  }
}

/** `owners.json` → `owners.signatures.json`: where a manifest's signatures lie. */
export function signaturesPathOf(manifestPath: string): string {
  return manifestPath.replace(/(\.json)?$/, '.signatures.json');
}

/** A manifest and the signatures beside it, such as there are. */
export async function readSigned(
  manifestPath: string,
  signaturesPath = signaturesPathOf(manifestPath),
): Promise<SignedManifest> {
  const manifest = new Uint8Array(await readFile(manifestPath));
  const signatures = await readIfThere(signaturesPath);
  return { manifest, ...(signatures && { signatures }) };
}

/** The versions in a folder, oldest first, the one in force last; empty when there is none. */
export async function readVersions(folder: string): Promise<readonly SignedManifest[]> {
  let names: readonly string[];
  try {
    names = await readdir(join(folder, VERSIONS));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return [];
    throw error;
  }
  const manifests = names.filter((name) => /^\d{6,16}\.json$/.test(name));
  manifests.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  return Promise.all(manifests.map((name) => readSigned(join(folder, VERSIONS, name))));
}

/**
 * Publishes a manifest into a folder: only what enough owners signed, and only what may follow the version that is there. The version's own
 * file is claimed first, so that of two publishers at once one is refused; readers see the old version or the new one, never a mixture
 * that verifies.
 * @throws PublicationRefused; ManifestError when the manifest or a signature does not hold; `EEXIST` when somebody was faster.
 */
export async function publishManifest(folder: string, signed: SignedManifest): Promise<void> {
  const next = await openManifest(signed);
  const before = (await readVersions(folder)).at(-1);
  const opened = before && (await openManifest(before));
  if (opened?.digest === next.digest) {
    // The same version again, perhaps with a signature more: what is missing is written anew.
    const problems = judgeOwnThreshold(next);
    if (problems.length > 0) throw new PublicationRefused(problems);
  } else {
    const problems = opened ? judgeSuccession(opened, next) : judgeOwnThreshold(next);
    if (problems.length > 0) throw new PublicationRefused(problems);
  }
  const name = `${String(next.manifest.serial).padStart(6, '0')}.json`;
  const path = join(folder, VERSIONS, name);
  await mkdir(dirname(path), { recursive: true });
  if (opened?.digest !== next.digest) await write(path, signed.manifest, 'wx');
  if (signed.signatures) await replace(signaturesPathOf(path), signed.signatures);
  const current = join(folder, CURRENT);
  // Signatures name their manifest's digest: a reader between the two writes finds a mismatch, not a manifest.
  if (signed.signatures) await replace(signaturesPathOf(current), signed.signatures);
  await replace(current, signed.manifest);
}

/** Replaces a file at once: another name in the same folder, then a rename. */
export async function replace(path: string, octets: Uint8Array, mode = 0o644): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await write(temporary, octets, 'wx', mode);
  await rename(temporary, path);
}

async function write(path: string, octets: Uint8Array, flag: 'wx', mode = 0o644): Promise<void> {
  const file = await open(path, flag, mode);
  try {
    await file.writeFile(octets);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readIfThere(path: string): Promise<Bytes | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}
