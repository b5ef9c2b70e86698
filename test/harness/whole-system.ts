// The whole system for a journey test: the built edge in workerd, real node processes, and a recording proxy on every hop.

import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JSONWebKeySet } from 'jose';
import { WEIGHTS_KEY_NAME } from '../../deploy/local/encrypt-model.ts';
import { FOLDER } from '../../deploy/local/folders.ts';
import { choosePort } from '../../deploy/local/free-port.ts';
import { type OwnerFiles, writeOwnerFiles } from '../../deploy/local/owner-files.ts';
import { type LocalNode, SECRET_DESCRIPTOR, startNode } from '../../deploy/local/start-node.ts';
import { type Cloister, type CloisterOptions, createCloister } from '../../shared/client/create-cloister.ts';
import type { DirectoryListing } from '../../shared/wire/directory-listing.ts';
import { DIRECTORY_PATH } from '../../shared/wire/routes.ts';
import { buildEdge } from './build-edge.ts';
import { writeRandomModel } from './random-model.ts';
import { RecordingProxy } from './recording-proxy.ts';
import { type RunningEdge, runEdge } from './run-edge.ts';

/** RSA keys take seconds: one simulated platform serves every run of this checkout. It vouches for nothing. */
export const TEST_PLATFORM = join(FOLDER.root, '.cloister/test-platform');
export const MODEL = 'tiny';

/** One node of a running system. */
export interface SystemNode {
  readonly id: string;
  readonly pid: number;
  readonly enginePid: number;
  /** The hop between edge and node. */
  readonly hop: RecordingProxy;
  /** Where the node itself listens, past the hop. */
  readonly port: number;
  /** What it logged, oldest first. */
  readonly events: readonly NodeLogLine[];
  readonly exited: Promise<number | null>;
  stop(): Promise<void>;
}

/** One line of a node's log. */
export type NodeLogLine = { readonly event: string } & Readonly<Record<string, unknown>>;

export interface WholeSystem {
  /** What clients are told: the middle of the hop between client and edge. */
  readonly origin: string;
  readonly apiKey: string;
  readonly owner: OwnerFiles;
  /** The hop between everybody and the edge. */
  readonly front: RecordingProxy;
  readonly edge: RunningEdge;
  readonly nodes: readonly SystemNode[];
  /** Everything of this run lies here: configuration, engine sockets, the edge's state. */
  readonly folder: string;
  readonly edgeFolder: string;
  readonly modelPath: string;
  client(options?: Partial<CloisterOptions>): Cloister;
  /** A client to which the directory seems to list this node only. */
  clientOf(node: SystemNode | undefined): Cloister;
  stop(): Promise<void>;
}

/** Encrypted weights for a system, in place of the tiny model's file. */
export interface SystemWeights {
  readonly path: string;
  /** Of the plaintext. */
  readonly sha256: string;
  readonly bytes: number;
  /** The text of the key file, which nodes get through a pipe. */
  readonly key: string;
}

/** What a deployment of the tiny model needs besides processes: model file, manifest, policy. */
export async function writeTinyOwnerFiles(
  folder: string,
  now: Date,
  weights?: SystemWeights,
): Promise<OwnerFiles & { modelPath: string }> {
  const modelPath = weights?.path ?? join(folder, 'tiny.gguf');
  if (weights === undefined) writeRandomModel(modelPath);
  const model = await readFile(modelPath);
  const sha256 = weights?.sha256 ?? createHash('sha256').update(model).digest('hex');
  const owner = await writeOwnerFiles({
    folder,
    platformFolder: TEST_PLATFORM,
    root: FOLDER.root,
    model: { id: MODEL, sha256, bytes: weights?.bytes ?? model.length },
    modelPath,
    weightsKey: weights && WEIGHTS_KEY_NAME,
    now,
  });
  return { ...owner, modelPath };
}

/** Starts everything; resolves when every node is listed by the edge. `faults`: what a node's simulated TEE plays, by index. */
export async function startWholeSystem(
  options: {
    readonly nodes?: number;
    readonly faults?: readonly (string | undefined)[];
    readonly weights?: SystemWeights;
  } = {},
): Promise<WholeSystem> {
  const folder = await mkdtemp(join(tmpdir(), 'cloister-journey-'));
  const edgeFolder = join(folder, 'edge');
  const stops: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    // Newest first: nodes withdraw from a living edge, the folder goes last.
    for (const each of stops.splice(0).reverse()) await each().catch(() => undefined);
  };
  try {
    const { modelPath, ...owner } = await writeTinyOwnerFiles(folder, new Date(), options.weights);
    const front = await RecordingProxy.start();
    stops.push(() => front.close());
    const count = options.nodes ?? 2;
    const starting: Starting[] = [];
    for (let index = 0; index < count; index++) {
      const started = await beginNode(index, options.faults?.[index], {
        folder,
        front,
        owner,
        modelPath,
        weights: options.weights,
      });
      starting.push(started);
    }
    const building = buildEdge();
    // Until the edge is there, nodes stop first; afterwards they stop before it, too: they were begun before.
    const stopNodes = () => Promise.all(starting.map(({ node, hop }) => node.stop().then(() => hop.close())));
    stops.push(stopNodes);
    const keys = await Promise.all(starting.map(({ node }) => node.once('attestation_service')));
    const apiKey = `sk-test-${randomBytes(24).toString('base64url')}`;
    const edge = await runEdge({
      source: (await building).bundle.toString('utf8'),
      bindings: {
        CLOISTER_ORIGIN: front.origin,
        CLOISTER_API_KEYS: JSON.stringify({
          [createHash('sha256').update(apiKey).digest('hex')]: 'acct-test',
        }),
        CLOISTER_ATTESTATION_KEYS: JSON.stringify({
          keys: keys.flatMap(({ jwks }) => jwks.keys),
        } satisfies JSONWebKeySet),
      },
      stateFolder: edgeFolder,
    });
    stops.splice(stops.indexOf(stopNodes), 1);
    stops.push(() => edge.stop(), stopNodes);
    front.targetPort = edge.port;
    const nodes = await Promise.all(starting.map(finishNode));
    const client = (over?: Partial<CloisterOptions>): Cloister =>
      createCloister({ baseURL: front.origin, apiKey, policy: owner.policy, ...over });
    return {
      origin: front.origin,
      apiKey,
      owner,
      front,
      edge,
      nodes,
      folder,
      edgeFolder,
      modelPath,
      client,
      clientOf: (node) => client({ fetch: listingOnly(node) }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Starting {
  readonly node: LocalNode;
  readonly hop: RecordingProxy;
  readonly port: number;
  readonly events: NodeLogLine[];
}

async function beginNode(
  index: number,
  fault: string | undefined,
  system: {
    folder: string;
    front: RecordingProxy;
    owner: OwnerFiles;
    modelPath: string;
    weights: SystemWeights | undefined;
  },
): Promise<Starting> {
  const { folder, front, owner, modelPath, weights } = system;
  const hop = await RecordingProxy.start();
  const port = await choosePort(0);
  hop.targetPort = port;
  const runFolder = join(folder, `node-${index}`);
  await mkdir(runFolder, { mode: 0o700 });
  const configPath = join(folder, `node-${index}.json`);
  const config = {
    listen: { host: '127.0.0.1', port },
    address: hop.origin,
    edge: front.origin,
    pool: 'default',
    tee: {
      kind: 'simulated',
      platform_folder: TEST_PLATFORM,
      measured_folder: FOLDER.root,
      ...(fault !== undefined && { fault }),
    },
    manifest: owner.manifestPath,
    policy: owner.policy,
    deployment: owner.deployment,
    model_path: modelPath,
    ...(weights && { secrets: { [WEIGHTS_KEY_NAME]: { fd: SECRET_DESCRIPTOR } } }),
    engine: { threads: 1, sequences: 2, context_tokens: 2048, temperature: 0, top_p: 1 },
    sandbox: 'auto',
    run_folder: runFolder,
  };
  await writeFile(configPath, JSON.stringify(config), { mode: 0o600 });
  const events: NodeLogLine[] = [];
  const node = startNode(configPath, (event) => events.push(event), weights?.key);
  return { node, hop, port, events };
}

async function finishNode({ node, hop, port, events }: Starting): Promise<SystemNode> {
  const { node: id, pid, enginePid } = await node.once('listening');
  await Promise.race([node.once('registered'), node.once('appraisal_refused')]);
  return { id, pid, enginePid, hop, port, events, exited: node.exited, stop: () => node.stop() };
}

function listingOnly(node: SystemNode | undefined): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    if (new URL(new Request(input).url).pathname !== DIRECTORY_PATH) return response;
    const { nodes } = (await response.json()) as DirectoryListing;
    return Response.json({ nodes: nodes.filter((each) => each.node === node?.id) });
  };
}

/** Waits until a condition holds. @throws Error when it does not hold within `milliseconds`. */
export async function until(holds: () => unknown, milliseconds = 5_000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('what was waited for did not happen');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
