// Answers one checked request on one sequence, and forgets it.

import type {
  ChatHistoryItem,
  ChatWrapper,
  LlamaChatResponseChunk,
  LlamaContextSequence,
  LlamaGrammar,
  LlamaModel,
  Token,
} from 'node-llama-cpp';
import { ApiError } from './api-error.ts';
import type { AnswerFormat, ChatMessage, ChatRequest } from './chat-request.ts';
import type { LoadedModel } from './load-model.ts';

/** A piece of the answer. */
export interface AnswerPiece {
  readonly kind: 'content' | 'reasoning';
  readonly text: string;
}

/** How an answer ended. Token counts are of this request alone; the prompt counts in full. */
export interface AnswerEnd {
  readonly finishReason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Used where a request names no sampling of its own. */
export interface SamplingDefaults {
  readonly temperature: number;
  readonly topP: number;
}

/** A request whose prompt is known to fit, waiting for a sequence. */
export interface PreparedChat {
  readonly history: readonly ChatHistoryItem[];
  readonly prompt: readonly Token[];
  readonly maxTokens: number;
  readonly grammar: LlamaGrammar | undefined;
}

// llama.cpp wants one free place after the prompt and one after the last token.
const SPARE_TOKENS = 2;
// One uninterruptible step of reading a prompt: under a second on one slow core (90 tokens/s), as fast as larger ones.
const PREFILL_TOKENS = 64;
const ANY_OBJECT = { type: 'object', additionalProperties: true } as const;
const UINT32 = 2 ** 32;

/**
 * Renders and counts the prompt, so that a request that cannot be answered is refused before it waits in a queue.
 * @throws ApiError `context_length_exceeded`, or `invalid_value` for a schema that no grammar can express.
 */
export async function prepareChat(loaded: LoadedModel, request: ChatRequest): Promise<PreparedChat> {
  const history = toHistory(request.messages);
  const prompt = renderPrompt(loaded.wrapper, loaded.model, history);
  const room = loaded.contextTokens - SPARE_TOKENS - prompt.length;
  if (room < 1)
    throw new ApiError(
      'context_length_exceeded',
      `The limit is ${loaded.contextTokens} tokens of prompt and answer together; the prompt alone has ${prompt.length}.`,
      'messages',
    );
  const grammar = await makeGrammar(loaded, request.format);
  return { history, prompt, maxTokens: Math.min(request.maxTokens ?? room, room), grammar };
}

/**
 * Generates the answer on `sequence`, which holds nothing of it afterwards: the next request finds no cached prefix, so
 * neither its content nor its timing says anything about this one.
 * @throws the signal's reason when aborted; anything else is the engine's own failure.
 */
export async function generateChat(
  loaded: LoadedModel,
  sequence: LlamaContextSequence,
  request: ChatRequest,
  chat: PreparedChat,
  defaults: SamplingDefaults,
  signal: AbortSignal,
  onPiece: (piece: AnswerPiece) => void,
): Promise<AnswerEnd> {
  const { LlamaChat } = await import('node-llama-cpp');
  const session = new LlamaChat({ contextSequence: sequence, chatWrapper: loaded.wrapper });
  const before = sequence.tokenMeter.getState();
  try {
    await prefill(sequence, chat.prompt, signal);
    const answer = await session.generateResponse([...chat.history], {
      signal,
      maxTokens: chat.maxTokens,
      temperature: request.temperature ?? defaults.temperature,
      topP: request.topP ?? defaults.topP,
      topK: 0,
      minP: 0,
      seed: samplerSeed(request.seed),
      repeatPenalty: penalties(request, chat.maxTokens),
      customStopTriggers: request.stop,
      ...(chat.grammar === undefined ? {} : { grammar: chat.grammar }),
      onResponseChunk: (chunk) => passOn(chunk, onPiece),
    });
    return {
      finishReason: answer.metadata.stopReason === 'maxTokens' ? 'length' : 'stop',
      promptTokens: chat.prompt.length,
      completionTokens: sequence.tokenMeter.diff(before).usedOutputTokens,
    };
  } finally {
    session.dispose();
    await sequence.clearHistory();
  }
}

// The library reads a prompt in one go that no signal interrupts (20 s for 1600 tokens on one core) and that lets nobody
// else's answer proceed. It keeps what the sequence already holds, so it is read here, in steps; the last token is left
// to it, because generating starts from one.
async function prefill(
  sequence: LlamaContextSequence,
  prompt: readonly Token[],
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < prompt.length - 1; start += PREFILL_TOKENS) {
    signal.throwIfAborted();
    const end = Math.min(start + PREFILL_TOKENS, prompt.length - 1);
    await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(start, end));
  }
}

function passOn(chunk: LlamaChatResponseChunk, onPiece: (piece: AnswerPiece) => void): void {
  if (chunk.text === '') return;
  if (chunk.type === undefined) onPiece({ kind: 'content', text: chunk.text });
  else if (chunk.segmentType === 'thought') onPiece({ kind: 'reasoning', text: chunk.text });
}

function toHistory(messages: readonly ChatMessage[]): ChatHistoryItem[] {
  const history: ChatHistoryItem[] = messages.map(({ role, text }) => {
    if (role === 'system') return { type: 'system', text };
    return role === 'user' ? { type: 'user', text } : { type: 'model', response: [text] };
  });
  // The answer is a message of its own even when the last one given is the assistant's.
  history.push({ type: 'model', response: [] });
  return history;
}

function renderPrompt(
  wrapper: ChatWrapper,
  model: LlamaModel,
  chatHistory: readonly ChatHistoryItem[],
): Token[] {
  return wrapper.generateContextState({ chatHistory }).contextText.tokenize(model.tokenizer);
}

async function makeGrammar(loaded: LoadedModel, format: AnswerFormat): Promise<LlamaGrammar | undefined> {
  if (format.kind === 'text') return undefined;
  if (format.kind === 'json_object') return loaded.llama.createGrammarForJsonSchema(ANY_OBJECT);
  try {
    return await loaded.llama.createGrammarForJsonSchema(format.schema as { type: 'object' });
  } catch {
    const param = 'response_format.json_schema.schema';
    throw new ApiError('invalid_value', 'This engine cannot follow that JSON schema.', param);
  }
}

// OpenAI's seed is a signed 64-bit number, llama.cpp's an unsigned 32-bit one.
function samplerSeed(seed: number | undefined): number {
  if (seed === undefined) return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  return ((seed % UINT32) + UINT32) % UINT32;
}

// The library punishes repetition unless told not to; OpenAI's parameters start from no penalty.
function penalties({ presencePenalty, frequencyPenalty }: ChatRequest, lastTokens: number) {
  if (presencePenalty === 0 && frequencyPenalty === 0) return false;
  return { penalty: 1, presencePenalty, frequencyPenalty, lastTokens };
}
