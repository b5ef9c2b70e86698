// From the kind of engine that a deployment names to its digest here and its start.

import { digestEngine } from './digest-engine.ts';
import { EngineError } from './engine-error.ts';
import { listEngineFiles } from './engine-files.ts';
import type { ForeignEngine } from './foreign-engine.ts';
import { digestLlamaServer, type LlamaServerSetup, llamaServer } from './llama-server/llama-server.ts';
import { digestVllm, type VllmSetup, vllm } from './vllm/vllm.ts';

/** The kinds that a deployment may name. */
export type EngineKind = 'node-llama-cpp' | 'llama-server' | 'vllm';

/** Programs that this node has, from its configuration. */
export interface EnginePrograms {
  readonly llamaServer?: Pick<LlamaServerSetup, 'binary' | 'libraries'> | undefined;
  readonly vllm?: Omit<VllmSetup, 'model' | 'sequences' | 'contextTokens'> | undefined;
}

/** How wide, and with which defaults. */
type EngineWidth = Pick<LlamaServerSetup, 'threads' | 'sequences' | 'contextTokens' | 'sampling'>;

/** An engine that can be started here. */
export interface ChosenEngine {
  /** Lower-case hex: what the deployment must name. */
  readonly digest: string;
  /** For `startEngine`; nothing for our own. */
  foreign(model: VllmSetup['model'], runFolder: string): { readonly foreign?: ForeignEngine };
}

/**
 * @param root the folder of package-lock.json
 * @throws EngineError `engine_program_mismatch` where the configuration names no program of that kind
 */
export function chooseEngine(
  kind: EngineKind,
  programs: EnginePrograms,
  width: EngineWidth,
  root: string,
): ChosenEngine {
  const { threads, sequences, contextTokens, sampling } = width;
  switch (kind) {
    case 'node-llama-cpp':
      return { digest: digestEngine(listEngineFiles(), root), foreign: () => ({}) };
    case 'llama-server': {
      const program = required(programs.llamaServer, kind);
      const shape = { threads, sequences, contextTokens, ...(sampling !== undefined && { sampling }) };
      return {
        digest: digestLlamaServer(program),
        foreign: (model, runFolder) => ({ foreign: llamaServer({ ...program, ...shape, model, runFolder }) }),
      };
    }
    case 'vllm': {
      const program = required(programs.vllm, kind);
      return {
        digest: digestVllm(program),
        foreign: (model) => ({ foreign: vllm({ ...program, model, sequences, contextTokens }) }),
      };
    }
  }
}

function required<T>(program: T | undefined, kind: EngineKind): T {
  if (program !== undefined) return program;
  throw new EngineError('engine_program_mismatch', `This node’s configuration names no program of ${kind}.`);
}
