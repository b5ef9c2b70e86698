// Fuzzes the manifest's readers: each gives a value or a ManifestError, and what was read encodes again.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { parseLogProof } from '../../../shared/manifest/log-proof.ts';
import { encodeManifest, parseManifest } from '../../../shared/manifest/manifest.ts';
import { ManifestError } from '../../../shared/manifest/manifest-error.ts';
import { encodeSignatures, parseSignatures } from '../../../shared/manifest/manifest-signatures.ts';
import { parseReleasePolicy } from '../../../shared/manifest/secret.ts';
import { allow } from './allow.ts';

export function fuzz(input: Bytes): void {
  const manifest = allow(() => parseManifest(input), ManifestError);
  if (manifest) encodeManifest(manifest);
  const signatures = allow(() => parseSignatures(input), ManifestError);
  if (signatures) encodeSignatures(signatures);
  allow(() => parseReleasePolicy(input), ManifestError);
  allow(() => parseLogProof(input), ManifestError);
}
