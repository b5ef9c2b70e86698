// Starts the whole system on loopback: one node with a simulated TEE, the edge in workerd, a client, and a local endpoint.

import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sweepLeftovers } from '../../backend/engine/sandbox/sweep-leftovers.ts';
import { defaultThreads } from '../../backend/engine/start-engine.ts';
import { DEFAULT_MODEL } from '../../backend/engine/weights/model-catalogue.ts';
import type { SimulatedFault } from '../../backend/tee/simulated/faults.ts';
import type { SimulatedGpuFault } from '../../backend/tee/simulated/gpu-faults.ts';
import { type LocalEndpoint, startLocalEndpoint } from '../../shared/cli/local-endpoint.ts';
import { type Cloister, createCloister } from '../../shared/client/create-cloister.ts';
import type { Policy } from '../../shared/verifier/policy.ts';
import { VerificationError } from '../../shared/verifier/verification-error.ts';
import { verifyBundle } from '../../shared/verifier/verify-bundle.ts';
import { DIRECTORY_PATH } from '../../shared/wire/routes.ts';
import { encryptModel, WEIGHTS_KEY_NAME } from './encrypt-model.ts';
import { FOLDER } from './folders.ts';
import { choosePort, tryPort } from './free-port.ts';
import { ISOLATION_MODES, type IsolationMode } from './isolation-modes.ts';
import { writeOwnerFiles } from './owner-files.ts';
import type { ProcessLedger } from './process-ledger.ts';
import { type LocalEdge, startEdge } from './start-edge.ts';
import { type LocalNode, SECRET_DESCRIPTOR, type SupervisedEvent, startNode } from './start-node.ts';
import { type TappedExchange, tapFetch } from './wire-tap.ts';

const EDGE_PORT = 8787;
const LOCAL_PORT = 8788;
const SEQUENCES = 2;
const CONTEXT_TOKENS = 2048;

/** A running system. */
export interface LocalSystem {
  readonly edge: string;
  readonly apiKey: string;
  readonly policy: Policy;
  readonly model: string;
  readonly cloister: Cloister;
  readonly local: LocalEndpoint;
  /** What left for the edge, so far. */
  readonly exchanges: readonly TappedExchange[];
  readonly nodeExited: Promise<number | null>;
  stop(): Promise<void>;
}

export interface LocalOptions {
  readonly modelPath: string;
  readonly port: number | undefined;
  readonly fault: SimulatedFault | SimulatedGpuFault | undefined;
  readonly gpus: number | undefined;
  readonly isolation: IsolationMode;
  /** Encrypt a copy of the model first, and give the node that and the key. */
  readonly encryptedWeights: boolean;
  readonly ledger: ProcessLedger;
  readonly onEvent: (
    event: SupervisedEvent | { readonly event: 'edge_ready'; readonly origin: string },
  ) => void;
}

/** The port that the user asked for is taken. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  readonly code = 'port_taken';
  constructor(port: number) {
    super(`port ${port} is taken: set CLOISTER_PORT to another one`);
  }
}

/** Nobody vouches for a faulty node, so no edge lists it; the client's own verification of its bundle says why. */
async function refuseAsClient(node: LocalNode | undefined, policy: Policy): Promise<never> {
  if (node === undefined) throw new Error('no node');
  const { address, node: id } = await node.once('listening');
  const bundle = new Uint8Array(await (await fetch(`${address}${DIRECTORY_PATH}/${id}`)).arrayBuffer());
  const verification = await verifyBundle(bundle, policy, { now: new Date() });
  if (verification.ok) throw new Error('the attestation service refused a node that the client accepts');
  throw new VerificationError(verification.failure);
}

/** Starts everything; what was started is ended again when a later part fails. */
export async function startLocally(options: LocalOptions): Promise<LocalSystem> {
  const { port, fault, gpus, isolation, ledger, onEvent } = options;
  if (port !== undefined && (await tryPort(port)) === undefined) throw new PortTakenError(port);
  const edgePort = port ?? (await choosePort(EDGE_PORT));
  const origin = `http://127.0.0.1:${edgePort}`;
  const runFolder = join(FOLDER.runs, String(process.pid));
  await rm(runFolder, { recursive: true, force: true });
  await mkdir(runFolder, { recursive: true, mode: 0o700 });
  // of starts that were killed: each folder has its process's number
  sweepLeftovers(FOLDER.runs, '');
  let node: LocalNode | undefined;
  let edge: LocalEdge | undefined;
  let local: LocalEndpoint | undefined;
  const stop = async (): Promise<void> => {
    await Promise.allSettled([local?.close(), node?.stop()]);
    await edge?.stop().catch(() => {});
    await rm(runFolder, { recursive: true, force: true });
  };
  try {
    const encryptedPath = join(runFolder, 'weights.sealed');
    const weightKey = options.encryptedWeights
      ? await encryptModel(DEFAULT_MODEL, options.modelPath, encryptedPath)
      : undefined;
    const owner = await writeOwnerFiles({
      folder: runFolder,
      platformFolder: FOLDER.platform,
      ownerFolder: FOLDER.owner,
      root: FOLDER.root,
      model: DEFAULT_MODEL,
      modelPath: options.modelPath,
      weightsKey: weightKey === undefined ? undefined : WEIGHTS_KEY_NAME,
      gpus,
      isolation: ISOLATION_MODES[isolation],
      now: new Date(),
    });
    const configPath = join(runFolder, 'node.json');
    const config = {
      listen: { host: '127.0.0.1', port: 0 },
      edge: origin,
      pool: 'default',
      tee: {
        kind: 'simulated',
        platform_folder: FOLDER.platform,
        measured_folder: FOLDER.root,
        ...(fault !== undefined && { fault }),
        ...(gpus !== undefined && { gpus }),
      },
      manifest: owner.manifestPath,
      policy: owner.policy,
      deployment: owner.deployment,
      model_path: weightKey === undefined ? options.modelPath : encryptedPath,
      ...(weightKey !== undefined && { secrets: { [WEIGHTS_KEY_NAME]: { fd: SECRET_DESCRIPTOR } } }),
      engine: {
        threads: defaultThreads(),
        sequences: SEQUENCES,
        context_tokens: CONTEXT_TOKENS,
        temperature: DEFAULT_MODEL.sampling.temperature,
        top_p: DEFAULT_MODEL.sampling.topP,
      },
      sandbox: 'auto',
      run_folder: join(runFolder, 'node'),
    };
    await writeFile(configPath, JSON.stringify(config), { mode: 0o600 });
    node = startNode(configPath, onEvent, weightKey);
    ledger.add(node.pid);

    const apiKey = `sk-cloister-${randomBytes(24).toString('base64url')}`;
    const { jwks } = await node.once('attestation_service');
    edge = await startEdge({
      port: edgePort,
      apiKeys: { [createHash('sha256').update(apiKey).digest('hex')]: 'acct-local' },
      attestationKeys: jwks,
      stateFolder: join(runFolder, 'edge'),
    });
    onEvent({ event: 'edge_ready', origin });
    await Promise.race([
      node.once('registered'),
      node.once('appraisal_refused').then(() => refuseAsClient(node, owner.policy)),
    ]);
    await ledger.addDescendants();

    const exchanges: TappedExchange[] = [];
    const cloister = createCloister({
      baseURL: origin,
      apiKey,
      policy: owner.policy,
      fetch: tapFetch(exchanges),
    });
    local = await startLocalEndpoint(cloister, await choosePort(LOCAL_PORT));
    return {
      edge: origin,
      apiKey,
      policy: owner.policy,
      model: DEFAULT_MODEL.id,
      cloister,
      local,
      exchanges,
      nodeExited: node.exited,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
