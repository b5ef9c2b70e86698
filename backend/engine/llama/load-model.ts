// Loads llama.cpp and one model, on the processor, with a fixed number of threads.

import type { ChatWrapper, Llama, LlamaModel } from 'node-llama-cpp';
import { createEmbedder, type Embedder } from './embedder.ts';
import { SequenceSlot } from './sequence-slot.ts';
import type { ServerOptions } from './server-options.ts';
import { Slots } from './slots.ts';

/** A model that is ready to answer. */
export interface LoadedModel {
  readonly library: typeof import('node-llama-cpp');
  readonly llama: Llama;
  readonly model: LlamaModel;
  /** Renders messages by the chat template in the model file. */
  readonly wrapper: ChatWrapper;
  readonly slots: Slots<SequenceSlot>;
  readonly embedder: Embedder;
  /** Tokens of prompt and answer together. */
  readonly contextTokens: number;
  /** How many tokens the model knows; they are numbered from 0. */
  readonly vocabulary: number;
}

/**
 * Loads the model.
 * @param onProgress share of the model read so far, 0 to 1.
 */
export async function loadModel(
  options: ServerOptions,
  onProgress: (share: number) => void,
): Promise<LoadedModel> {
  // Imported here, so that the server listens and answers /health before the library's own start-up.
  const library = await import('node-llama-cpp');
  const llama = await library.getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    // The prebuilt spins at barriers: more threads than free cores make it tens of times slower.
    maxThreads: options.threads,
    logLevel: library.LlamaLogLevel.disabled,
    logger: () => undefined,
  });
  const model = await llama.loadModel({
    modelPath: options.model,
    onLoadProgress: onProgress,
    ignoreMemorySafetyChecks: true,
  });
  const context = await model.createContext({
    sequences: options.sequences,
    contextSize: options.context,
    threads: options.threads,
    batchSize: Math.min(512, options.context),
    ignoreMemorySafetyChecks: true,
  });
  const sequences = Array.from({ length: options.sequences }, () => new SequenceSlot(context.getSequence()));
  return {
    library,
    llama,
    model,
    wrapper: chatTemplate(library, model),
    slots: new Slots(sequences, options.queue),
    embedder: createEmbedder(model, options),
    contextTokens: Math.min(options.context, context.contextSize),
    vocabulary: model.fileInfo.metadata.tokenizer?.ggml?.tokens?.length ?? 0,
  };
}

// The template in the file is what the model was trained with. The library's own choice looks alike but differs: for
// SmolLM2 it doubles the first token and leaves out the default system message, and the answers show it.
function chatTemplate(library: typeof import('node-llama-cpp'), model: LlamaModel): ChatWrapper {
  const template = model.fileInfo.metadata.tokenizer?.chat_template;
  if (template === undefined) return library.resolveChatWrapper(model, { warningLogs: false });
  return new library.JinjaTemplateChatWrapper({
    template,
    tokenizer: model.tokenizer,
    joinAdjacentMessagesOfTheSameType: false,
  });
}
