// llama.cpp's own server as the engine: its command line, its files, its digest.

import { basename, join } from 'node:path';
import { checkModel } from '../check-model.ts';
import { type CheckedFile, copyChecked, digestParts } from '../copy-checked.ts';
import { type ForeignEngine, readHealthByStatus } from '../foreign-engine.ts';
import { PRIVATE_SOCKET, type SandboxLimits } from '../sandbox/sandboxed-engine.ts';

/** What to run, and how wide. */
export interface LlamaServerSetup {
  /** The program, by digest. */
  readonly binary: CheckedFile;
  /** Libraries that it was linked with and that no sandbox has of itself, such as libgomp.so.1. They are found by their file names. */
  readonly libraries: readonly CheckedFile[];
  readonly model: { readonly id: string; readonly path: string; readonly sha256: string };
  readonly threads: number;
  /** Requests answered at the same time. */
  readonly sequences: number;
  /** Tokens of prompt and answer together, per request. */
  readonly contextTokens: number;
  readonly sampling?: { readonly temperature: number; readonly topP: number };
  /** A folder of this engine alone, mode 0700. */
  readonly runFolder: string;
}

/** What the command line says of it. */
type LlamaServerWidth = Pick<LlamaServerSetup, 'threads' | 'sequences' | 'contextTokens' | 'sampling'> & {
  readonly model: { readonly id: string; readonly path: string };
};

const GIB = 1024 ** 3;
const LIMITS: SandboxLimits = { memoryBytes: 8 * GIB, processes: 256, openFiles: 512 };
const LABEL = 'cloister llama-server v1';

/**
 * Flags that never change, with their reasons. Beyond those that only switch off what nobody here uses:
 * `--no-cache-prompt`, `--cache-ram 0`, `--cache-reuse 0`, `--no-cache-idle-slots`, `--ctx-checkpoints 0`: the server knows no salt, so no
 * prompt may be found again, whoever asks; `--no-kv-unified`: a request's room is its own; `--log-disable`: nothing of a request is said;
 * `--offline`: no file comes from elsewhere; `--no-slots`, `--no-ui`, `--no-agent`, `--no-ui-mcp-proxy`: nobody sees another's request.
 */
export const FIXED_FLAGS: readonly string[] = [
  ...['--no-ui', '--no-ui-mcp-proxy', '--no-agent', '--offline', '--log-disable', '--no-slots'],
  ...['--no-cache-prompt', '--no-cache-idle-slots', '--cache-ram', '0', '--cache-reuse', '0'],
  ...['--ctx-checkpoints', '0', '--no-kv-unified', '--no-context-shift', '--jinja'],
];

/** Flags that open a file, a network, another model or another's request. None may ever be on the line. */
export const FORBIDDEN_FLAGS: readonly string[] = [
  ...[
    '--slot-save-path',
    '--log-prompts-dir',
    '--log-file',
    '--log-jsonl',
    '--prompt-cache',
    '--slots',
    '--props',
  ],
  ...[
    '--tools',
    '--tools-runtime',
    '--agent',
    '--mcp-servers-config',
    '--mcp-servers-json',
    '--ui-mcp-proxy',
  ],
  ...['--media-path', '--path', '--models-dir', '--models-preset', '--rpc', '--lora', '--lora-scaled'],
  ...['--hf-repo', '--model-url', '--docker-repo', '--lookup-cache-static', '--lookup-cache-dynamic'],
];

/** Where the checked copies lie. */
const programFolder = (runFolder: string) => join(runFolder, 'program');

/** The command line after the program's own name. */
export function llamaServerArguments({
  model,
  threads,
  sequences,
  contextTokens,
  sampling,
}: LlamaServerWidth): string[] {
  return [
    ...['--model', model.path, '--alias', model.id, '--host', PRIVATE_SOCKET],
    ...['--threads', String(threads), '--threads-batch', String(threads)],
    // the whole room: each of the parallel requests gets its share of it
    ...['--parallel', String(sequences), '--ctx-size', String(sequences * contextTokens)],
    ...(sampling === undefined
      ? ['--temp', '1', '--top-p', '1']
      : ['--temp', String(sampling.temperature), '--top-p', String(sampling.topP)]),
    // OpenAI's API starts from neither
    ...['--top-k', '0', '--min-p', '0', '--repeat-penalty', '1'],
    ...FIXED_FLAGS,
  ];
}

/** The engine, for `startEngine`. */
export function llamaServer(setup: LlamaServerSetup): ForeignEngine {
  const folder = programFolder(setup.runFolder);
  const place = (file: CheckedFile) => join(folder, basename(file.path));
  return {
    program: {
      argv: [place(setup.binary), ...llamaServerArguments(setup)],
      env: { HOME: '/', LD_LIBRARY_PATH: folder },
      readOnly: [folder, setup.model.path],
      limits: LIMITS,
      kind: 'uds',
    },
    prepare: async () => {
      await checkModel(setup.model);
      for (const file of [setup.binary, ...setup.libraries]) await copyChecked(file, place(file));
    },
    readHealth: readHealthByStatus,
  };
}

/** SHA-256, lower-case hex, over `cloister llama-server v1`, the files' names and digests, and the flags that never change. */
export function digestLlamaServer({
  binary,
  libraries,
}: Pick<LlamaServerSetup, 'binary' | 'libraries'>): string {
  const files = [binary, ...libraries].map(({ path, sha256 }) => `${basename(path)} ${sha256}`);
  return digestParts(LABEL, [...files, ...FIXED_FLAGS]);
}
