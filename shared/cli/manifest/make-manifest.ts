// `cloister manifest new`: a manifest from a draft that people can read, or the next version of one that exists.

import { readFile } from 'node:fs/promises';
import { toBase64url } from '../../bytes/base64url.ts';
import { formatInstant } from '../../bytes/instant.ts';
import { parseStrictJson } from '../../bytes/strict-json.ts';
import { toUtf8 } from '../../bytes/utf8.ts';
import { type Deployment, encodeDeployment, parseDeployment } from '../../manifest/deployment.ts';
import type { KeyHolder } from '../../manifest/key-holders.ts';
import {
  deploymentOctets,
  encodeManifest,
  type Manifest,
  manifestDigest,
  parseManifest,
} from '../../manifest/manifest.ts';
import { ManifestError } from '../../manifest/manifest-error.ts';
import { UsageError } from '../exit-code.ts';

/** What `new` is told besides the draft. */
export interface MakeOptions {
  /** The version before; absent: this is the first. */
  readonly after: Uint8Array | undefined;
  readonly service: string | undefined;
  /** Replace those of the draft and of the version before. */
  readonly owners: readonly KeyHolder[] | undefined;
  readonly threshold: number | undefined;
  readonly days: number;
  readonly now: Date;
}

type Draft = Readonly<Record<string, unknown>>;

const DAY_MILLISECONDS = 86_400_000;
const NOBODY = { owners: [], threshold: 0 };

/**
 * The octets of a manifest: members of the draft, then of the version before, then nobody where nobody was named. Version numbers and the
 * end are computed.
 * @throws UsageError with every problem of the result.
 */
export async function makeManifest(draft: Draft, options: MakeOptions): Promise<Uint8Array> {
  const { after, owners, threshold, now, days } = options;
  for (const name of ['version', 'serial', 'previous', 'not_after'])
    if (Object.hasOwn(draft, name)) throw new UsageError(`a draft has no ${name}: it is computed`);
  const before = after === undefined ? undefined : parseManifest(after);
  const base: Draft = before ? toDraft(before) : {};
  const said: Draft = {
    owners: [],
    threshold: 0,
    seed_shares: NOBODY,
    witnesses: { keys: [], threshold: 0 },
    secrets: [],
    ...base,
    ...draft,
    ...(owners && { owners }),
    ...(threshold !== undefined && { threshold }),
    ...(options.service !== undefined && { service: options.service }),
  };
  const manifest = {
    version: 1,
    service: undefined,
    serial: (before?.serial ?? 0) + 1,
    previous: after === undefined ? 'none' : toBase64url(await manifestDigest(after)),
    not_after: formatInstant(new Date(now.getTime() + days * DAY_MILLISECONDS)),
    ...said,
    deployments: encodeDeployments(said.deployments),
  };
  try {
    return encodeManifest(manifest as unknown as Manifest);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const lines = error.problems.map(({ path, message }) => `\n  ${path || 'the draft'}: ${message}`);
    throw new UsageError(`the draft does not make a manifest${lines.join('')}`);
  }
}

/** A manifest as a draft: without what is computed, deployments as JSON. */
export function toDraft(manifest: Manifest): Draft {
  const { version, serial, previous, not_after, deployments, ...rest } = manifest;
  return {
    ...rest,
    deployments: deployments.map((entry) => ({
      name: entry.name,
      document: parseDeployment(deploymentOctets(entry)),
    })),
  };
}

/** Reads a JSON object from a file. @throws UsageError */
export async function readJsonObject(path: string): Promise<Draft> {
  let octets: Uint8Array;
  try {
    octets = await readFile(path);
  } catch {
    throw new UsageError(`${path} cannot be read`);
  }
  let value: unknown;
  try {
    value = parseStrictJson(octets);
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : 'not JSON'}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`${path} must hold a JSON object`);
  return value as Draft;
}

/** The JSON of an owner, or a file that holds it: the public half that `key new` printed. @throws UsageError */
export async function readHolder(argument: string): Promise<KeyHolder> {
  const value = argument.trimStart().startsWith('{')
    ? (JSON.parse(argument) as Draft)
    : await readJsonObject(argument);
  const { name, ed25519 } = value;
  if (typeof name !== 'string' || typeof ed25519 !== 'string')
    throw new UsageError(`--owner takes the JSON that \`manifest key new\` printed, not ${argument}`);
  // What else the file holds, such as the private half, stays there.
  return { name, ed25519 };
}

// People write deployments as JSON; what is signed are their exact octets.
function encodeDeployments(deployments: unknown): unknown {
  if (!Array.isArray(deployments)) return deployments;
  return deployments.map((entry: { readonly document?: unknown }) => {
    const { document } = entry;
    if (typeof document !== 'object' || document === null) return entry;
    let octets = toUtf8(JSON.stringify(document));
    try {
      octets = encodeDeployment(parseDeployment(octets) as Deployment);
    } catch {
      // `encodeManifest` names every problem of it.
    }
    return { ...entry, document: toBase64url(octets) };
  });
}
