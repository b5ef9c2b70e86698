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
import { CURRENT, signaturesPathOf } from '../../shared/cli/manifest/manifest-folder.ts';
import { encodeDeployment } from '../../shared/manifest/deployment.ts';
import type { Isolation } from '../../shared/manifest/isolation.ts';
import type { Policy } from '../../shared/verifier/policy.ts';
import { LOCAL_SERVICE, signNextVersion } from './sign-next-version.ts';

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
  /** What a client needs: it pins the owner of this manifest and names the simulated root. */
  readonly policy: Policy;
}

export interface OwnerOptions {
  /** Where the node finds the manifest. */
  readonly folder: string;
  /** Keeps the owner's key and the chain of versions; default: within `folder`, for an owner who lives as long. */
  readonly ownerFolder?: string;
  readonly platformFolder: string;
  /** The checkout: what the simulated TEE measures. */
  readonly root: string;
  readonly model: Pick<CatalogueModel, 'id' | 'sha256' | 'bytes'>;
  readonly modelPath: string;
  /** How many simulated GPUs the manifest wants; absent: none. */
  readonly gpus?: number | undefined;
  /** The name of the secret that is the weight key; absent: the weights are not encrypted. */
  readonly weightsKey?: string | undefined;
  /** `shared` when absent. */
  readonly isolation?: Isolation | undefined;
  readonly now: Date;
}

/** Computes the reference values from the files on disk, exactly as an owner would from a release, and signs the manifest. */
export async function writeOwnerFiles(options: OwnerOptions): Promise<OwnerFiles> {
  const { folder, platformFolder, root, model, modelPath, weightsKey, gpus, now } = options;
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
    model: {
      id: model.id,
      sha256: model.sha256,
      bytes: model.bytes,
      ...(weightsKey !== undefined && { encrypted: { key: weightsKey } }),
    },
    engine: { kind: 'node-llama-cpp', digest: digestEngine(listEngineFiles(), root) },
    sandbox: { driver: sandbox.driver, profile_digest: sandbox.profileDigest },
    isolation: options.isolation ?? 'shared',
    routes: ROUTES,
    features: FEATURES,
  });
  const { key, signed } = await signNextVersion(options.ownerFolder ?? join(folder, 'owner'), now, {
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
    key_epoch: { seconds: EPOCH_SECONDS, overlap_seconds: EPOCH_SECONDS },
  });
  // A copy: another start of this checkout may publish the next version meanwhile, and this node keeps what was computed for it.
  const manifestPath = join(folder, CURRENT);
  await Promise.all([
    writeFile(manifestPath, signed.manifest),
    writeFile(signaturesPathOf(manifestPath), signed.signatures),
  ]);
  return {
    manifestPath,
    deployment: model.id.toLowerCase(),
    policy: {
      version: 1,
      manifest: {
        pin: 'owners',
        service: LOCAL_SERVICE,
        owners: [key],
        threshold: 1,
        minimum_serial: 1,
        notice: 'none',
      },
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
