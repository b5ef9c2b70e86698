// Plays the owner of the deployment: computes what should run, writes the manifest that says so, and the policy that pins it.

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestEngine } from '../../backend/engine/digest-engine.ts';
import { listEngineFiles } from '../../backend/engine/engine-files.ts';
import { planEngine } from '../../backend/engine/start-engine.ts';
import type { CatalogueModel } from '../../backend/engine/weights/model-catalogue.ts';
import { loadSimulatedGpus } from '../../backend/tee/simulated/gpu-platform.ts';
import { simulatedGpuReferenceValue } from '../../backend/tee/simulated/gpus.ts';
import { measureGuest } from '../../backend/tee/simulated/measure-tree.ts';
import { loadSimulatedPlatform } from '../../backend/tee/simulated/platform.ts';
import { simulatedReferenceValue } from '../../backend/tee/simulated/reference-value.ts';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { toHex } from '../../shared/bytes/hex.ts';
import { encodeDeployment } from '../../shared/manifest/deployment.ts';
import { encodeManifest, manifestDigest } from '../../shared/manifest/manifest.ts';
import type { Policy } from '../../shared/verifier/policy.ts';

const DAY_MILLISECONDS = 86_400_000;
const MANIFEST_DAYS = 30;
/** Design: epochs of an hour, overlap of one. */
const EPOCH_SECONDS = 3600;

/** What the engine offers; the node's attested surface must equal it. */
const ROUTES = [
  'GET /v1/models',
  'POST /v1/chat/completions',
  'POST /v1/completions',
  'POST /v1/embeddings',
  'POST /v1/messages',
  'POST /v1/responses',
];
const FEATURES = ['json-schema', 'logprobs', 'streaming', 'tools'];

export interface OwnerFiles {
  readonly manifestPath: string;
  readonly deployment: string;
  /** What a client needs: it pins this manifest and names the simulated root. */
  readonly policy: Policy;
}

export interface OwnerOptions {
  /** Where the manifest is written. */
  readonly folder: string;
  readonly platformFolder: string;
  /** The checkout: what the simulated TEE measures. */
  readonly root: string;
  readonly model: Pick<CatalogueModel, 'id' | 'sha256' | 'bytes'>;
  readonly modelPath: string;
  /** How many simulated GPUs the manifest wants; absent: none. */
  readonly gpus?: number | undefined;
  readonly now: Date;
}

/** Computes the reference values from the files on disk, exactly as an owner would from a release, and writes the manifest. */
export async function writeOwnerFiles(options: OwnerOptions): Promise<OwnerFiles> {
  const { folder, platformFolder, root, model, modelPath, gpus, now } = options;
  const random = (octets: number) => new Uint8Array(randomBytes(octets));
  await mkdir(platformFolder, { recursive: true, mode: 0o700 });
  const [platform, measurement, gpuPlatform] = await Promise.all([
    loadSimulatedPlatform(platformFolder, { now, random }),
    measureGuest(root),
    gpus === undefined ? undefined : loadSimulatedGpus(platformFolder, gpus, random),
  ]);
  const sandbox = planEngine({
    driver: 'auto',
    model: { id: model.id, path: modelPath, sha256: model.sha256 },
  });
  const document = encodeDeployment({
    version: 1,
    model: { id: model.id, sha256: model.sha256, bytes: model.bytes },
    engine: { kind: 'node-llama-cpp', digest: digestEngine(listEngineFiles(), root) },
    sandbox: { driver: sandbox.driver, profile_digest: sandbox.profileDigest },
    isolation: 'shared',
    routes: ROUTES,
    features: FEATURES,
  });
  const manifest = encodeManifest({
    version: 1,
    service: 'local',
    serial: 1,
    previous: 'none',
    not_after: new Date(now.getTime() + MANIFEST_DAYS * DAY_MILLISECONDS)
      .toISOString()
      .replace(/\.\d+Z$/, 'Z'),
    owners: [],
    threshold: 0,
    seed_shares: { owners: [], threshold: 0 },
    witnesses: { keys: [], threshold: 0 },
    attestation_service: 'required',
    reference_values: {
      all: [
        {
          ...simulatedReferenceValue([toHex(measurement)]),
          gpu: gpus === undefined ? 'none' : simulatedGpuReferenceValue(gpus),
        },
      ],
    },
    deployments: [{ name: model.id.toLowerCase(), document: toBase64url(document) }],
    secrets: [],
    key_epoch: { seconds: EPOCH_SECONDS, overlap_seconds: EPOCH_SECONDS },
  });
  const manifestPath = join(folder, 'manifest.json');
  await writeFile(manifestPath, manifest);
  return {
    manifestPath,
    deployment: model.id.toLowerCase(),
    policy: {
      version: 1,
      manifest: { pin: 'digest', digest: toBase64url(await manifestDigest(manifest)) },
      roots: {
        hardware: false,
        simulated: [platform.rootSpkiSha256, ...(gpuPlatform ? [gpuPlatform.rootSpkiSha256] : [])],
      },
      require_post_quantum: true,
      require_result: true,
      accept_milan: false,
    },
  };
}
