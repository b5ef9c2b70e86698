// Answers one checked chat request on one sequence, in whichever way it needs.

import type {
  ChatHistoryItem,
  ChatModelFunctions,
  LlamaChatResponseChunk,
  LlamaGrammar,
  LlamaText,
  Token,
} from 'node-llama-cpp';
import { type AnswerEnd, type AnswerPiece, newCallId } from './answer-piece.ts';
import { ApiError } from './api-error.ts';
import { toFunctions, toHistory } from './chat-history.ts';
import type { AnswerFormat, ChatRequest } from './chat-request.ts';
import { forceCall } from './force-call.ts';
import { generateTokens } from './generate-tokens.ts';
import type { LoadedModel } from './load-model.ts';
import { type SamplingDefaults, samplerOptions, tokenBias } from './sampler-options.ts';
import type { SequenceSlot } from './sequence-slot.ts';

/** A request whose prompt is known to fit, waiting for a sequence. */
export interface PreparedChat {
  readonly history: readonly ChatHistoryItem[];
  readonly context: LlamaText;
  readonly prompt: readonly Token[];
  readonly maxTokens: number;
  readonly grammar: LlamaGrammar | undefined;
  /** What the model is told that it may call. */
  readonly functions: ChatModelFunctions | undefined;
}

/** llama.cpp wants one free place after the prompt and one after the last token. */
export const SPARE_TOKENS = 2;
const ANY_OBJECT = { type: 'object', additionalProperties: true } as const;
/** The grammar of a schema ends in them; they belong to no answer. */
const GRAMMAR_END = '\n\n\n\n';

/**
 * Renders and counts the prompt, so that a request that cannot be answered is refused before it waits in a queue.
 * @throws ApiError `context_length_exceeded`, or `invalid_value` for a schema that no grammar can express.
 */
export async function prepareChat(loaded: LoadedModel, request: ChatRequest): Promise<PreparedChat> {
  const history = toHistory(request.messages);
  const { tools } = request.tools;
  const functions = tools.length > 0 ? toFunctions(tools) : undefined;
  const { contextText: context } = loaded.wrapper.generateContextState({
    chatHistory: history,
    ...(functions !== undefined && { availableFunctions: functions, documentFunctionParams: true }),
  });
  const prompt = context.tokenize(loaded.model.tokenizer);
  const room = loaded.contextTokens - SPARE_TOKENS - prompt.length;
  // a forced call is begun for the model: its beginning takes room as well
  if (room < (request.tools.choice === 'auto' ? 1 : FORCED_CALL_TOKENS))
    throw new ApiError(
      'context_length_exceeded',
      `The limit is ${loaded.contextTokens} tokens of prompt and answer together; the prompt alone has ${prompt.length}.`,
      'messages',
    );
  tokenBias(loaded, request);
  const grammar = await makeGrammar(loaded, request.format);
  for (const [index, { parameters }] of tools.entries())
    await checkSchema(loaded, parameters, `tools[${index}].function.parameters`);
  const left = request.tools.choice === 'auto' ? room : room - FORCED_CALL_TOKENS + 1;
  return {
    history,
    context,
    prompt,
    maxTokens: Math.min(request.maxTokens ?? left, left),
    grammar,
    functions,
  };
}

/** Enough for a name of 128 characters and a template's signs around it. */
const FORCED_CALL_TOKENS = 192;

/**
 * Generates one choice on `slot`, which the caller has entered for this request.
 * @throws the signal's reason when aborted; anything else is the engine's own failure.
 */
export async function generateChat(
  loaded: LoadedModel,
  slot: SequenceSlot,
  request: ChatRequest,
  chat: PreparedChat,
  defaults: SamplingDefaults,
  choice: number,
  signal: AbortSignal,
  onPiece: (piece: AnswerPiece) => void,
): Promise<AnswerEnd> {
  const { prompt: tokens, maxTokens, context } = chat;
  if (chat.functions !== undefined && request.tools.choice !== 'auto')
    return forceCall(
      loaded,
      slot,
      request,
      { context, tokens, maxTokens },
      defaults,
      choice,
      signal,
      onPiece,
    );
  if (request.logprobs === undefined)
    return generateResponse(loaded, slot, request, chat, defaults, choice, signal, onPiece);
  const grammar = chat.grammar === undefined ? {} : { grammar: chat.grammar };
  const stop = chat.grammar === undefined ? request.stop : [...request.stop, GRAMMAR_END];
  const task = { prompt: tokens, maxTokens, choice, stop, logprobs: request.logprobs, ...grammar };
  const end = await generateTokens(loaded, slot, request, defaults, task, signal, onPiece);
  return {
    finishReason: end.finishReason,
    promptTokens: tokens.length,
    completionTokens: end.tokens,
    cachedTokens: end.cachedTokens,
  };
}

async function generateResponse(
  loaded: LoadedModel,
  slot: SequenceSlot,
  request: ChatRequest,
  chat: PreparedChat,
  defaults: SamplingDefaults,
  choice: number,
  signal: AbortSignal,
  onPiece: (piece: AnswerPiece) => void,
): Promise<AnswerEnd> {
  const { sequence } = slot;
  const session = new loaded.library.LlamaChat({ contextSequence: sequence, chatWrapper: loaded.wrapper });
  const before = sequence.tokenMeter.getState();
  try {
    const cachedTokens = await slot.read(chat.prompt, signal);
    const answer = await session.generateResponse([...chat.history], {
      signal,
      maxTokens: chat.maxTokens,
      ...samplerOptions(request, defaults, choice),
      ...tokenBias(loaded, request),
      repeatPenalty: penalties(request, chat.maxTokens),
      customStopTriggers: request.stop,
      ...(chat.functions === undefined
        ? grammarOption(chat.grammar)
        : functionOptions(request, chat.functions, onPiece)),
      onResponseChunk: (chunk) => passOn(chunk, onPiece),
    });
    return {
      finishReason: FINISH[answer.metadata.stopReason] ?? 'stop',
      promptTokens: chat.prompt.length,
      completionTokens: sequence.tokenMeter.diff(before).usedOutputTokens,
      cachedTokens,
    };
  } finally {
    session.dispose();
  }
}

const grammarOption = (grammar: LlamaGrammar | undefined) => (grammar === undefined ? {} : { grammar });

const FINISH: Readonly<Record<string, AnswerEnd['finishReason']>> = {
  maxTokens: 'length',
  functionCalls: 'tool_calls',
};

function functionOptions(
  { tools }: ChatRequest,
  functions: ChatModelFunctions,
  onPiece: (piece: AnswerPiece) => void,
) {
  // By call: white space that has not left yet. The grammar goes on with some after the JSON, and none of that leaves.
  const held = new Map<number, string>();
  return {
    functions,
    documentFunctionParams: true,
    ...(!tools.parallel && { maxParallelFunctionCalls: 1 }),
    onFunctionCallParamsChunk: (chunk: {
      readonly callIndex: number;
      readonly functionName: string;
      readonly paramsChunk: string;
    }) => {
      const { callIndex: index, functionName: name, paramsChunk } = chunk;
      const begins = held.has(index) ? {} : { begins: { id: newCallId(), name } };
      const known = (held.get(index) ?? '') + paramsChunk;
      const text = known.trimEnd();
      held.set(index, known.slice(text.length));
      if (text !== '' || begins.begins !== undefined) onPiece({ kind: 'call', index, ...begins, text });
    },
  };
}

function passOn(chunk: LlamaChatResponseChunk, onPiece: (piece: AnswerPiece) => void): void {
  if (chunk.text === '') return;
  if (chunk.type === undefined) onPiece({ kind: 'content', text: chunk.text });
  else if (chunk.segmentType === 'thought') onPiece({ kind: 'reasoning', text: chunk.text });
}

async function makeGrammar(loaded: LoadedModel, format: AnswerFormat): Promise<LlamaGrammar | undefined> {
  if (format.kind === 'text') return undefined;
  if (format.kind === 'json_object') return loaded.llama.createGrammarForJsonSchema(ANY_OBJECT);
  return checkSchema(loaded, format.schema, 'response_format.json_schema.schema');
}

async function checkSchema({ llama }: LoadedModel, schema: object, param: string): Promise<LlamaGrammar> {
  try {
    return await llama.createGrammarForJsonSchema(schema as { type: 'object' });
  } catch {
    throw new ApiError('invalid_value', 'This engine cannot follow that JSON schema.', param);
  }
}

// The library punishes repetition unless told not to; OpenAI's parameters start from no penalty.
function penalties({ presencePenalty, frequencyPenalty }: ChatRequest, lastTokens: number) {
  if (presencePenalty === 0 && frequencyPenalty === 0) return false;
  return { penalty: 1, presencePenalty, frequencyPenalty, lastTokens };
}
