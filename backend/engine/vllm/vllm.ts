// vLLM on one NVIDIA Hopper GPU as the engine: command line, environment and profile. Not run on hardware until somebody has.

import { type CheckedFile, digestParts } from '../copy-checked.ts';
import { EngineError, type EngineErrorCode } from '../engine-error.ts';
import { type ForeignEngine, readHealthByStatus } from '../foreign-engine.ts';
import { hashTree } from '../hash-tree.ts';
import { PRIVATE_SOCKET, type SandboxLimits } from '../sandbox/sandboxed-engine.ts';

/** What to run. Paths are absolute; folders count with all below them (`hashTree`). */
export interface VllmSetup {
  /** The interpreter of the environment that vLLM is installed in; it lies in one of `image`. */
  readonly python: string;
  /** Folders and files of the image that it reads: interpreter, packages, CUDA's libraries, compiled caches. */
  readonly image: readonly CheckedFile[];
  /** A folder in Hugging Face's layout, its weights as safetensors. */
  readonly model: { readonly id: string; readonly path: string; readonly sha256: string };
  /** Folders that the loader searches for CUDA's libraries; they lie in `image`. */
  readonly libraryPath: readonly string[];
  readonly sequences: number;
  readonly contextTokens: number;
  /** Number of the GPU: `/dev/nvidia0` is 0. */
  readonly gpu: number;
  /** Share of the GPU's memory, over 0 and at most 1. */
  readonly gpuMemory: number;
  /** vLLM's parser for the calls of this model, such as `hermes`; without one no tool is offered but by `tool_choice`. */
  readonly toolCallParser?: string;
  /**
   * Whether prompts are found again by requests of the same `cache_salt`, which the adapter puts into each: vLLM hashes it into the first
   * block. False: `--no-enable-prefix-caching`.
   */
  readonly prefixCache: boolean;
}

const GIB = 1024 ** 3;
// CUDA reserves address space and pins memory by the size of the weights
const LIMITS: SandboxLimits = { memoryBytes: 256 * GIB, processes: 4096, openFiles: 16_384 };
const LABEL = 'cloister vllm v1';

/**
 * Flags that never change. Checked against the documentation of vLLM 0.12.0 and 0.18.0 (`vllm serve`) and the source of the front end
 * after 0.22 (vllm/entrypoints/openai/cli_args.py): requests are logged only with `--enable-log-requests`, off by default since
 * `--disable-log-requests` was deprecated (0.12) and then removed, so the negative form is the one that every one of them knows.
 * `--load-format safetensors`: the other formats may unpickle, which runs code of the weights' author.
 */
export const FIXED_FLAGS: readonly string[] = [
  ...['--uds', PRIVATE_SOCKET, '--disable-uvicorn-access-log', '--uvicorn-log-level', 'critical'],
  ...['--no-enable-log-requests', '--disable-log-stats', '--disable-fastapi-docs'],
  ...['--load-format', 'safetensors', '--tensor-parallel-size', '1'],
];

/** Flags that open a file, a network, foreign code or another's request. None may ever be on the line. */
export const FORBIDDEN_FLAGS: readonly string[] = [
  ...['--trust-remote-code', '--host', '--port', '--enable-log-requests', '--enable-log-outputs'],
  ...['--log-config-file', '--tool-server', '--tool-parser-plugin', '--middleware', '--logits-processors'],
  ...['--enable-lora', '--lora-modules', '--allowed-local-media-path', '--otlp-traces-endpoint'],
  ...['--kv-transfer-config', '--trust-request-chat-template', '--enable-tokenizer-info-endpoint'],
  ...['--enable-request-id-headers', '--enable-sleep-mode', '--profiler-config', '--download-dir'],
];

/**
 * The whole environment: nothing is fetched, nobody is told, processes speak on loopback, caches lie in the sandbox's memory. vLLM's
 * documentation on security, environment variables and usage statistics; `GLOO_` and `NCCL_SOCKET_IFNAME` are PyTorch's.
 */
export function vllmEnvironment({ libraryPath }: Pick<VllmSetup, 'libraryPath'>): Record<string, string> {
  return {
    ...{ HOME: '/tmp', TMPDIR: '/tmp', XDG_CACHE_HOME: '/tmp/cache', VLLM_CACHE_ROOT: '/tmp/vllm' },
    ...{ TRITON_CACHE_DIR: '/tmp/triton', TORCHINDUCTOR_CACHE_DIR: '/tmp/inductor' },
    ...{ CUDA_CACHE_PATH: '/tmp/cuda', VLLM_RPC_BASE_PATH: '/tmp' },
    ...{ HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1', HF_HUB_DISABLE_TELEMETRY: '1' },
    ...{ VLLM_NO_USAGE_STATS: '1', DO_NOT_TRACK: '1', VLLM_LOGGING_LEVEL: 'ERROR' },
    ...{ VLLM_HOST_IP: '127.0.0.1', GLOO_SOCKET_IFNAME: 'lo', NCCL_SOCKET_IFNAME: 'lo' },
    ...{ PYTHONDONTWRITEBYTECODE: '1', PYTHONNOUSERSITE: '1', VLLM_WORKER_MULTIPROC_METHOD: 'spawn' },
    ...(libraryPath.length > 0 && { LD_LIBRARY_PATH: libraryPath.join(':') }),
  };
}

/** The command line after the interpreter. `-I` would drop the environment's own packages; `-P` keeps the working folder out. */
export function vllmArguments(setup: Omit<VllmSetup, 'python' | 'image' | 'libraryPath' | 'gpu'>): string[] {
  const { model, sequences, contextTokens, gpuMemory, toolCallParser, prefixCache } = setup;
  return [
    ...['-P', '-m', 'vllm.entrypoints.cli.main', 'serve', model.path],
    ...['--served-model-name', model.id, '--max-model-len', String(contextTokens)],
    ...['--max-num-seqs', String(sequences), '--gpu-memory-utilization', String(gpuMemory)],
    prefixCache ? '--enable-prefix-caching' : '--no-enable-prefix-caching',
    ...(toolCallParser === undefined
      ? []
      : ['--enable-auto-tool-choice', '--tool-call-parser', toolCallParser]),
    ...FIXED_FLAGS,
  ];
}

/** Device files of one GPU. No `nvidia-caps`, no `nvidia-modeset`: MIG and its kind are the owner's. */
export function vllmDevices(gpu: number): string[] {
  return ['/dev/nvidiactl', '/dev/nvidia-uvm', `/dev/nvidia${gpu}`];
}

/** The engine, for `startEngine`. */
export function vllm(setup: VllmSetup): ForeignEngine {
  return {
    program: {
      argv: [setup.python, ...vllmArguments(setup)],
      env: vllmEnvironment(setup),
      readOnly: [...setup.image.map(({ path }) => path), setup.model.path],
      limits: LIMITS,
      kind: 'cuda',
      devices: vllmDevices(setup.gpu),
    },
    prepare: async () => {
      await checkTree(setup.model, 'engine_model_mismatch');
      for (const part of setup.image) await checkTree(part, 'engine_program_mismatch');
    },
    readHealth: readHealthByStatus,
  };
}

/**
 * SHA-256, lower-case hex, over `cloister vllm v1`, paths and digests of the image's parts, the flags that never change and the choice of
 * parser and cache.
 */
export function digestVllm(
  setup: Pick<VllmSetup, 'python' | 'image' | 'toolCallParser' | 'prefixCache'>,
): string {
  const parts = setup.image.map(({ path, sha256 }) => `${path} ${sha256}`);
  const choices = [setup.python, setup.toolCallParser ?? '', String(setup.prefixCache)];
  return digestParts(LABEL, [...parts, ...choices, ...FIXED_FLAGS]);
}

// Too large to be copied: that nobody changes it between this check and its use is the image's promise (dm-verity).
async function checkTree({ path, sha256 }: CheckedFile, code: EngineErrorCode): Promise<void> {
  let found: string;
  try {
    found = await hashTree(path);
  } catch {
    throw new EngineError(code, 'A part of the engine cannot be read.');
  }
  if (found !== sha256)
    throw new EngineError(code, `The SHA-256 of a part of the engine is ${found}, expected ${sha256}.`);
}
