// Verifies a bundle by what the client has seen before, asks about changes where nothing is pinned, and remembers the outcome.

import { parseBundle } from '../evidence/bundle.ts';
import { type Manifest, parseManifest } from '../manifest/manifest.ts';
import type { ManifestChange } from '../manifest/manifest-diff.ts';
import { memoryNameOf } from '../verifier/manifest-pin.ts';
import type { Policy } from '../verifier/policy.ts';
import { type Verification, type VerificationContext, verifyBundle } from '../verifier/verify-bundle.ts';
import { type ManifestMemory, rememberHigher } from './manifest-memory.ts';

/** A manifest that is another one than this client met before, under a policy that pins none. */
export interface ManifestChangeEvent {
  readonly before: Manifest;
  readonly after: Manifest;
  /** Every change; show those that are `weaker` first. */
  readonly changes: readonly ManifestChange[];
}

/** Answers whether the changed manifest is trusted from now on. */
export type OnManifestChange = (event: ManifestChangeEvent) => boolean | Promise<boolean>;

/** What a client brings besides policy and context. */
export interface Remembering {
  readonly memory: ManifestMemory;
  /** Where the bundle came from. */
  readonly origin: string;
  /** Asked under a policy that trusts on first use, when all that is wrong is that the manifest changed. Absent: refused. */
  readonly onManifestChange?: OnManifestChange | undefined;
}

/** As `verifyBundle`, against the highest version seen; keeps the manifest when it verified. */
export async function verifyRemembering(
  bundle: Uint8Array,
  policy: Policy,
  context: VerificationContext,
  { memory, origin, onManifestChange }: Remembering,
): Promise<Verification> {
  const name = memoryNameOf(policy.manifest, origin);
  if (name === undefined) return verifyBundle(bundle, policy, context);
  const seen = await memory.read(name);
  const verification = await verifyBundle(bundle, policy, { ...context, remembered: seen });
  if (verification.ok) {
    await rememberHigher(memory, name, verification.key.manifest);
    return verification;
  }
  const [first, ...more] = verification.failure.violations;
  if (seen === undefined || first.code !== 'policy_manifest_changed' || more.length > 0) return verification;

  const changed = parseBundle(bundle).manifest;
  const [before, after] = [parseManifest(seen), parseManifest(changed)];
  const { diffManifests } = await import('../manifest/manifest-diff.ts');
  const accepted = await onManifestChange?.({ before, after, changes: diffManifests(before, after) });
  if (accepted !== true) return verification;
  const again = await verifyBundle(bundle, policy, { ...context, remembered: changed });
  if (again.ok) await rememberHigher(memory, name, changed);
  return again;
}
