// A manifest with everything that a manifest can name.

import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { encodeDeployment } from '../../../shared/manifest/deployment.ts';
import type { Manifest } from '../../../shared/manifest/manifest.ts';
import { encodeReleasePolicy, type Release, releaseMessage } from '../../../shared/manifest/secret.ts';
import { deployment } from '../../backend/tee/simulated-node.ts';
import { holders, type Signer, signer } from './signers.ts';

export const alice = signer('alice');
export const bob = signer('bob');
export const carol = signer('carol');
export const dave = signer('dave');
export const mallory = signer('mallory');
export const uploader = signer('uploader');
export const witness = signer('witness.example/one');

/** A secret as its uploader hands it to the owners. */
export async function secretOf(
  release: Release,
  changes: { readonly service?: string; readonly by?: Signer } = {},
): Promise<Manifest['secrets'][number]> {
  const { service = 'chat.example', by = uploader } = changes;
  const policy = encodeReleasePolicy({ version: 1, service, secret: 'weights-key', release });
  return {
    name: 'weights-key',
    deployments: ['tiny'],
    release_policy: toBase64url(policy),
    uploader: by.ed25519,
    signature: toBase64url(by.sign(await releaseMessage(policy))),
  };
}

/** Two of three owners. */
export async function firstManifest(changes: Partial<Manifest> = {}): Promise<Manifest> {
  return {
    version: 1,
    service: 'chat.example',
    serial: 1,
    previous: 'none',
    not_after: '2027-01-01T00:00:00Z',
    owners: holders(alice, bob, carol),
    threshold: 2,
    seed_shares: { owners: holders(alice, dave), threshold: 2 },
    witnesses: { keys: holders(witness), threshold: 1 },
    attestation_service: 'none',
    reference_values: { worker: [simulatedReferenceValue(['5a'.repeat(48)])] },
    deployments: [{ name: 'tiny', document: toBase64url(encodeDeployment(deployment)) }],
    secrets: [await secretOf({ to: 'owners', owners: [alice.ed25519, bob.ed25519], threshold: 2 })],
    key_epoch: { seconds: 3600, overlap_seconds: 3600 },
    ...changes,
  };
}
