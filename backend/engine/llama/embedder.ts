// Computes embeddings in a context of their own, made when the first are asked for.

import type { LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp';
import { ApiError } from './api-error.ts';
import type { Prompt } from './completion-request.ts';
import type { ServerOptions } from './server-options.ts';
import { Slots } from './slots.ts';

/** A vector of length 1, and the tokens that it stands for. */
export interface Embedding {
  readonly vector: readonly number[];
  readonly tokens: number;
}

/** One input at a time; who waits has turns. */
export interface Embedder {
  readonly slots: Slots<Record<string, never>>;
  /** @throws ApiError `context_length_exceeded` where the input has more tokens than the context. */
  embed(input: Prompt): Promise<Embedding>;
}

/**
 * An embedder for `model`. Its context is as long as the one for answers, and is not made before it is needed: most models are
 * asked for none. The context holds the last input until the next one replaces it; it is compared with nothing.
 */
export function createEmbedder(model: LlamaModel, options: ServerOptions): Embedder {
  let making: Promise<LlamaEmbeddingContext> | undefined;
  const make = () =>
    model.createEmbeddingContext({
      contextSize: options.context,
      // the pooled vector is of one batch
      batchSize: options.context,
      threads: options.threads,
      ignoreMemorySafetyChecks: true,
    });
  return {
    slots: new Slots([{}], options.queue),
    async embed(input) {
      making ??= make();
      const context = await making;
      const given =
        typeof input === 'string' ? input : (input as readonly number[]).map((token) => token as Token);
      const tokens = context.calculateInputLength(given);
      if (tokens >= options.context)
        throw new ApiError(
          'context_length_exceeded',
          `The limit is ${options.context - 1} tokens; an input has ${tokens}.`,
          'input',
        );
      const { vector } = await context.getEmbeddingFor(given);
      const length = Math.hypot(...vector) || 1;
      return { vector: vector.map((part) => part / length), tokens };
    },
  };
}
