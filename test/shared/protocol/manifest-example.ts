// The manifest's part of the worked example: an owner's fixed key, a first version, and the octets that sign it.

import { createPrivateKey, sign } from 'node:crypto';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { fromBase64url, toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { fromHex } from '../../../shared/bytes/hex.ts';
import { fromUtf8 } from '../../../shared/bytes/utf8.ts';
import { deploymentDigest, encodeDeployment } from '../../../shared/manifest/deployment.ts';
import { logEntryOf } from '../../../shared/manifest/log-proof.ts';
import { encodeManifest, manifestDigest } from '../../../shared/manifest/manifest.ts';
import {
  addSignature,
  encodeSignatures,
  manifestMessage,
  noSignatures,
} from '../../../shared/manifest/manifest-signatures.ts';
import { encodeReleasePolicy, releaseMessage } from '../../../shared/manifest/secret.ts';
import { deployment } from '../../backend/tee/simulated-node.ts';
import type { Block } from './worked-example.ts';

/** RFC 8410: what stands before the 32 octets of an Ed25519 private key in PKCS #8. */
const PKCS8_PREFIX = fromHex('302e020100300506032b657004220420');

/** Ed25519 signatures are the same in every run (RFC 8032 section 5.1.6). */
function signerOf(seed: Bytes): { readonly key: string; readonly sign: (message: Uint8Array) => Bytes } {
  const privateKey = createPrivateKey({
    key: Buffer.from(concat(PKCS8_PREFIX, seed)),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = privateKey.export({ format: 'jwk' });
  return { key: x, sign: (message) => new Uint8Array(sign(null, message, privateKey)) };
}

/** Every block about the manifest, in the order of the document. */
export async function computeManifestExample(
  counting: (octets: number, from: number) => Bytes,
): Promise<readonly Block[]> {
  const ownerSeed = counting(32, 0x20);
  const uploaderSeed = counting(32, 0x30);
  const owner = signerOf(ownerSeed);
  const uploader = signerOf(uploaderSeed);
  const document = encodeDeployment(deployment);
  const policy = encodeReleasePolicy({
    version: 1,
    service: 'chat.example',
    secret: 'weights-key',
    release: { to: 'owners', owners: [owner.key], threshold: 1 },
  });
  const toUpload = await releaseMessage(policy);
  const manifest = encodeManifest({
    version: 1,
    service: 'chat.example',
    serial: 1,
    previous: 'none',
    not_after: '2027-03-31T00:00:00Z',
    owners: [{ name: 'owner', ed25519: owner.key }],
    threshold: 1,
    seed_shares: { owners: [], threshold: 0 },
    witnesses: { keys: [], threshold: 0 },
    attestation_service: 'none',
    reference_values: { all: [simulatedReferenceValue(['5a'.repeat(48)])] },
    deployments: [{ name: 'tiny', document: toBase64url(document) }],
    secrets: [
      {
        name: 'weights-key',
        deployments: ['tiny'],
        release_policy: toBase64url(policy),
        uploader: uploader.key,
        signature: toBase64url(uploader.sign(toUpload)),
      },
    ],
    key_epoch: { seconds: 3600, overlap_seconds: 3600 },
  });
  const message = await manifestMessage(manifest);
  const signatures = await addSignature(await noSignatures(manifest), manifest, owner.key, owner.sign);
  return [
    { name: 'owner’s private key (Ed25519)', octets: ownerSeed },
    { name: 'owner’s public key (Ed25519)', octets: fromBase64url(owner.key) },
    { name: 'uploader’s private key (Ed25519)', octets: uploaderSeed },
    { name: 'deployment', text: fromUtf8(document) },
    { name: 'deployment digest', octets: await deploymentDigest(document) },
    { name: 'release policy', text: fromUtf8(policy) },
    { name: 'what the uploader signs', octets: toUpload },
    { name: 'the uploader’s signature', octets: uploader.sign(toUpload) },
    { name: 'manifest', text: fromUtf8(manifest) },
    { name: 'manifest digest', octets: await manifestDigest(manifest) },
    { name: 'what an owner signs', octets: message },
    { name: 'the owner’s signature', octets: owner.sign(message) },
    { name: 'signatures', text: fromUtf8(encodeSignatures(signatures)) },
    { name: 'the log’s entry', octets: await logEntryOf(manifest) },
  ];
}
