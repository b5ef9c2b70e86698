// The manifest as the node finds it on disk, with its owners' signatures and the versions before: at start, and again when told to.

import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bytes } from '../shared/bytes/concat.ts';
import { equalBytes } from '../shared/bytes/equal.ts';
import type { PastManifest } from '../shared/evidence/bundle.ts';
import { deploymentOctets, manifestExpiry } from '../shared/manifest/manifest.ts';
import {
  judgeOwnThreshold,
  judgeSuccession,
  type OpenedManifest,
  openManifest,
} from '../shared/manifest/manifest-history.ts';
import type { ManifestRefusal } from './node-event.ts';

/** Octets of all versions before that a bundle carries along: the youngest, as far as they fit. */
const HISTORY_MAXIMUM_BYTES = 256 * 1024;
const MOST_PAST_MANIFESTS = 64;

/** A manifest that this node may run under. */
export interface NodeManifest {
  readonly opened: OpenedManifest;
  readonly manifest: Bytes;
  readonly signatures?: Bytes;
  /** Only where owners have changed since: clients that know the owners need no history. */
  readonly history?: readonly PastManifest[];
  /** The exact octets of the deployment that the node was told to run. */
  readonly deployment: Bytes;
}

/** A manifest that this node does not run under. */
export class NodeManifestError extends Error {
  override readonly name = 'NodeManifestError';
  readonly code: ManifestRefusal;
  constructor(code: ManifestRefusal, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Reads `NAME.json`, `NAME.signatures.json` and `versions/` beside them.
 * @throws ManifestError when any octet of it does not hold; NodeManifestError when too few owners signed, or it has ended, or lacks the
 * deployment.
 */
export async function readManifest(path: string, deployment: string, now: Date): Promise<NodeManifest> {
  const manifest = new Uint8Array(await readFile(path));
  const signatures = await readIfThere(path.replace(/(\.json)?$/, '.signatures.json'));
  const opened = await openManifest({ manifest, signatures });
  const [unsigned] = judgeOwnThreshold(opened);
  if (unsigned)
    throw new NodeManifestError(
      'manifest_signatures',
      `the manifest needs ${unsigned.expected}, ${unsigned.actual}`,
    );
  if (now > manifestExpiry(opened.manifest))
    throw new NodeManifestError('manifest_expired', `the manifest has ended: ${opened.manifest.not_after}`);
  const entry = opened.manifest.deployments.find(({ name }) => name === deployment);
  if (entry === undefined)
    throw new NodeManifestError('manifest_deployment', `the manifest has no deployment named ${deployment}`);
  const history = await readHistory(dirname(path), opened);
  return {
    opened,
    manifest,
    ...(signatures && { signatures }),
    ...(history.length > 0 && { history }),
    deployment: deploymentOctets(entry),
  };
}

/**
 * The version that follows the one in force, without a restart: signed by the owners in force, and with the same deployment, key epochs and
 * attestation service. Undefined when nothing changed.
 * @throws ManifestError, NodeManifestError: the node goes on under the version in force.
 */
export async function readNextManifest(
  path: string,
  deployment: string,
  current: NodeManifest,
  now: Date,
): Promise<NodeManifest | undefined> {
  const next = await readManifest(path, deployment, now);
  if (next.opened.digest === current.opened.digest) return undefined;
  const [problem] = judgeSuccession(current.opened, next.opened);
  if (problem)
    throw new NodeManifestError(
      'manifest_succession',
      `${problem.code}: ${problem.expected}, ${problem.actual}`,
    );
  const demands = ({ opened: { manifest } }: NodeManifest): string =>
    JSON.stringify([manifest.key_epoch, manifest.attestation_service]);
  if (!equalBytes(next.deployment, current.deployment) || demands(next) !== demands(current))
    throw new NodeManifestError(
      'manifest_needs_restart',
      'what this node runs differs from the new manifest: start it anew',
    );
  return next;
}

async function readHistory(folder: string, current: OpenedManifest): Promise<readonly PastManifest[]> {
  const versions = join(folder, 'versions');
  let size = 0;
  const past: PastManifest[] = [];
  let ownersChanged = false;
  const names = new Set(await readdir(versions).catch(() => []));
  let after = current;
  for (let serial = current.manifest.serial - 1; serial > 0 && past.length < MOST_PAST_MANIFESTS; serial--) {
    const name = `${String(serial).padStart(6, '0')}.json`;
    if (!names.has(name)) break;
    const manifest = new Uint8Array(await readFile(join(versions, name)));
    const signatures = await readIfThere(join(versions, name.replace('.json', '.signatures.json')));
    const opened = await openManifest({ manifest, signatures });
    if (judgeSuccession(opened, after).length > 0) break;
    size += manifest.length + (signatures?.length ?? 0);
    if (size > HISTORY_MAXIMUM_BYTES) break;
    past.unshift({ manifest, ...(signatures && { signatures }) });
    ownersChanged ||= ownersOf(opened) !== ownersOf(current);
    after = opened;
  }
  return ownersChanged ? past : [];
}

function ownersOf({ manifest }: OpenedManifest): string {
  return JSON.stringify([manifest.owners, manifest.threshold]);
}

async function readIfThere(path: string): Promise<Bytes | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}
