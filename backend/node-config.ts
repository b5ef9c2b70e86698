// The node's configuration: one JSON file, strict, every problem reported at once.

import * as v from 'valibot';
import type { EnginePrograms } from './engine/choose-engine.ts';

const origin = v.pipe(
  v.string(),
  v.url(),
  v.check((text) => new URL(text).origin === text, 'an origin: scheme, host and port, without a path'),
);
const folder = v.pipe(v.string(), v.startsWith('/', 'an absolute path'));
const checkedFile = v.strictObject({
  path: folder,
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits')),
});
const positive = v.pipe(v.number(), v.integer(), v.minValue(1));

const schema = v.strictObject({
  /** Where the adapter listens; port 0 takes a free one. */
  listen: v.strictObject({
    host: v.string(),
    port: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535)),
  }),
  /** Where the edge reaches the adapter, when that differs from `listen`. */
  address: v.optional(origin),
  /** The edge to register with. */
  edge: origin,
  pool: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,64}$/, 'a-z, 0-9 and -, at most 64')),
  tee: v.variant('kind', [
    v.strictObject({
      kind: v.literal('simulated'),
      /** Holds the simulated platform's keys. */
      platform_folder: folder,
      /** The code tree that the simulated TEE measures. */
      measured_folder: folder,
      fault: v.optional(v.string()),
      /** How many simulated GPUs it has. Absent: none. */
      gpus: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(16))),
    }),
    v.strictObject({
      kind: v.picklist(['sev-snp', 'tdx', 'azure-sev-snp', 'azure-tdx']),
      /** SEV-SNP on kernels before Linux 6.7: sev-guest. Absent: configfs-tsm. */
      interface: v.optional(v.picklist(['configfs-tsm', 'sev-guest'])),
      measured_folder: folder,
      /** The vendor's certificates, lists and collateral (backend/tee/folder-endorsements.ts). */
      endorsements_folder: folder,
      /** Absent: the node shows no GPU. */
      gpus: v.optional(v.literal('nvidia')),
    }),
  ]),
  /** Ask AMD and Intel for certificates, lists and collateral, and keep them here. Absent: the endorsements folder has them. */
  collateral: v.optional(v.strictObject({ cache_folder: folder })),
  manifest: folder,
  /** The policy by which the attestation service beside this node appraises (shared/verifier/policy.ts). */
  policy: v.unknown(),
  deployment: v.string(),
  /** The weights: as they are, or encrypted where the deployment says so. */
  model_path: folder,
  /**
   * Secrets that the deployment names, each in a file that nobody else may read or behind an inherited descriptor (read once, then closed).
   * They come from here because no attestation service releases them yet: whoever starts the node has them in hand.
   */
  secrets: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'a lower-case name')),
      v.union([
        v.strictObject({ file: folder }),
        v.strictObject({ fd: v.pipe(v.number(), v.integer(), v.minValue(3), v.maxValue(1023)) }),
      ]),
    ),
    {},
  ),
  engine: v.strictObject({
    threads: positive,
    sequences: positive,
    context_tokens: positive,
    /** Sampling where a request names none. */
    temperature: v.pipe(v.number(), v.minValue(0), v.maxValue(2)),
    top_p: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
    /** Where the deployment's engine is `llama-server`: its program and the libraries that no sandbox has of itself. */
    llama_server: v.optional(v.strictObject({ binary: checkedFile, libraries: v.array(checkedFile) })),
    /** Where it is `vllm`; see backend/engine/vllm/vllm.ts. */
    vllm: v.optional(
      v.strictObject({
        python: folder,
        image: v.array(checkedFile),
        library_path: v.array(folder),
        gpu: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(15)),
        gpu_memory: v.pipe(v.number(), v.gtValue(0), v.maxValue(1)),
        tool_call_parser: v.optional(v.pipe(v.string(), v.regex(/^[a-z0-9_]{1,64}$/))),
        prefix_cache: v.boolean(),
      }),
    ),
  }),
  /** False: answers leave as long and as soon as the engine gives them (docs/length-hiding.md). Absent: padded. */
  length_hiding: v.optional(v.boolean()),
  sandbox: v.picklist(['auto', 'bubblewrap', 'gvisor', 'landlock', 'none']),
  run_folder: folder,
  /** How long running requests may take to end when the node is told to. */
  drain_seconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3600)), 30),
});

export type NodeConfig = v.InferOutput<typeof schema>;

/** Thrown with every problem and its path. Code `config_invalid`. */
export class NodeConfigError extends Error {
  override readonly name = 'NodeConfigError';
  readonly code = 'config_invalid';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`the node's configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** @throws NodeConfigError on anything but exactly the configuration above; an unknown key is a problem. */
export function parseNodeConfig(text: string): NodeConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new NodeConfigError([error instanceof Error ? error.message : 'not JSON']);
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  throw new NodeConfigError(
    result.issues.map((issue) => `${v.getDotPath(issue) ?? '(top)'}: ${issue.message}`),
  );
}

/** Programs of other engines that a configuration names, in the engine's own words. */
export function enginePrograms({ engine: { llama_server: llamaServer, vllm } }: NodeConfig): EnginePrograms {
  if (vllm === undefined) return { llamaServer };
  const { library_path, gpu_memory, prefix_cache, tool_call_parser, ...same } = vllm;
  return {
    llamaServer,
    vllm: {
      ...same,
      libraryPath: library_path,
      gpuMemory: gpu_memory,
      prefixCache: prefix_cache,
      ...(tool_call_parser !== undefined && { toolCallParser: tool_call_parser }),
    },
  };
}
