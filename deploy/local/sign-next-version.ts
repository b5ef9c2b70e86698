// The owner of a local start: one key, made once, that signs the next version of the manifest whenever something in it changed.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { formatInstant } from '../../shared/bytes/instant.ts';
import { publishManifest, readVersions } from '../../shared/cli/manifest/manifest-folder.ts';
import { createOwnerKey, OwnerKeyError, readOwnerKey } from '../../shared/cli/manifest/owner-key.ts';
import {
  encodeManifest,
  type Manifest,
  manifestDigest,
  manifestExpiry,
  parseManifest,
} from '../../shared/manifest/manifest.ts';
import { addSignature, encodeSignatures, noSignatures } from '../../shared/manifest/manifest-signatures.ts';

/** The manifest's `service` on every machine that runs Cloister by itself. */
export const LOCAL_SERVICE = 'local';

const DAY_MILLISECONDS = 86_400_000;
const MANIFEST_DAYS = 30;
/** A version with less than this left is replaced by one that says the same for longer. */
const LEAST_DAYS = 7;
/** Two starts at once may both want the next serial; one of them tries again. */
const ATTEMPTS = 5;

/** What a local start decides; the rest follows from the versions before. */
export type LocalDecisions = Pick<
  Manifest,
  'attestation_service' | 'reference_values' | 'deployments' | 'key_epoch'
>;

/** A manifest with its owner's signature. */
export interface SignedVersion {
  /** The owner's public key, base64url. */
  readonly key: string;
  readonly signed: { readonly manifest: Bytes; readonly signatures: Bytes };
}

/** The version in force where it says the same and lasts, else the next one: signed, and published into the owner's folder. */
export async function signNextVersion(
  folder: string,
  now: Date,
  decisions: LocalDecisions,
): Promise<SignedVersion> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const owner = await ownKey(join(folder, 'owner.key.json'));
  const published = join(folder, 'manifest');
  for (let attempt = 1; ; attempt++) {
    const last = (await readVersions(published)).at(-1);
    const before = last && { octets: last.manifest, manifest: parseManifest(last.manifest) };
    const manifest: Manifest = {
      version: 1,
      service: LOCAL_SERVICE,
      serial: (before?.manifest.serial ?? 0) + 1,
      previous: before ? toBase64url(await manifestDigest(before.octets)) : 'none',
      not_after: formatInstant(new Date(now.getTime() + MANIFEST_DAYS * DAY_MILLISECONDS)),
      owners: [{ name: owner.name, ed25519: owner.ed25519 }],
      threshold: 1,
      seed_shares: { owners: [], threshold: 0 },
      witnesses: { keys: [], threshold: 0 },
      secrets: [],
      ...decisions,
    };
    if (before && last.signatures && lasts(before.manifest, now) && saySame(before.manifest, manifest))
      return { key: owner.ed25519, signed: { manifest: last.manifest, signatures: last.signatures } };
    const octets = encodeManifest(manifest);
    const document = await addSignature(await noSignatures(octets), octets, owner.ed25519, owner.sign);
    const signed = { manifest: octets, signatures: encodeSignatures(document) };
    try {
      await publishManifest(published, signed);
      return { key: owner.ed25519, signed };
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST' || attempt === ATTEMPTS) throw error;
    }
  }
}

async function ownKey(path: string): Promise<Awaited<ReturnType<typeof readOwnerKey>>> {
  try {
    await createOwnerKey(path, 'local-owner');
  } catch (error) {
    if (!(error instanceof OwnerKeyError && error.code === 'owner_key_exists')) throw error;
  }
  return readOwnerKey(path);
}

function lasts(manifest: Manifest, now: Date): boolean {
  return manifestExpiry(manifest).getTime() - now.getTime() > LEAST_DAYS * DAY_MILLISECONDS;
}

function saySame(a: Manifest, b: Manifest): boolean {
  const said = ({ serial, previous, not_after, ...rest }: Manifest): string => JSON.stringify(sorted(rest));
  return said(a) === said(b);
}

/** The same value with its members in one order, whoever wrote it. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}
