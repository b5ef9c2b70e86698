// A chat completion, whole or in steps, as every other dialect is made of it.

import { asObject, type JsonObject } from '../limits/read-json-body.ts';
import { invalidAnswer } from './read-events.ts';

/** One stretch of an answer. Stretches come one after another, never at the same time. */
export type AnswerPart =
  | { readonly kind: 'reasoning' | 'text' }
  | { readonly kind: 'tool'; readonly callId: string; readonly name: string };

/** Why an answer ended, in chat completions' words. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** Tokens counted by the engine. */
export interface AnswerUsage {
  readonly inputTokens: number;
  /** Of the input, read from a cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Of the output, reasoning. */
  readonly reasoningTokens: number;
}

/** How an answer ended. */
export interface AnswerEnd {
  readonly reason: FinishReason;
  /** The stop sequence that ended it, where the engine says so (vLLM's `stop_reason`). */
  readonly stop: string | undefined;
  readonly usage: AnswerUsage;
}

/** A whole answer. */
export interface WholeAnswer extends AnswerEnd {
  readonly model: string;
  readonly parts: readonly {
    readonly part: AnswerPart;
    readonly text: string;
    readonly logprobs: readonly unknown[];
  }[];
}

/** Whether an answer stopped before its own end. */
export function isCut({ reason }: Pick<AnswerEnd, 'reason'>): boolean {
  return reason === 'length' || reason === 'content_filter';
}

/** A whole `chat.completion`. @throws EngineError `engine_answer_invalid` when it is none. */
export function readWholeAnswer(text: string, newCallId: () => string): WholeAnswer {
  const body = parse(text);
  const choice = firstChoice(body);
  const message = asObject(choice?.message);
  if (choice === undefined || message === undefined) throw invalidAnswer('is no chat completion');
  const parts: WholeAnswer['parts'][number][] = [];
  const reasoning = reasoningOf(message);
  if (reasoning !== '') parts.push({ part: { kind: 'reasoning' }, text: reasoning, logprobs: [] });
  const content = stringOf(message.content);
  if (content !== '') parts.push({ part: { kind: 'text' }, text: content, logprobs: logprobsOf(choice) });
  for (const call of listOf(message.tool_calls)) {
    const { id, name, text: input } = readCall(call);
    parts.push({ part: { kind: 'tool', callId: id || newCallId(), name }, text: input, logprobs: [] });
  }
  return {
    model: stringOf(body.model),
    parts,
    reason: finishReason(choice.finish_reason),
    stop: typeof choice.stop_reason === 'string' ? choice.stop_reason : undefined,
    usage: readUsage(body.usage),
  };
}

/** JSON of the engine. @throws EngineError */
export function parse(text: string): JsonObject {
  let body: JsonObject | undefined;
  try {
    body = asObject(JSON.parse(text));
  } catch {
    // Refused below.
  }
  if (body === undefined) throw invalidAnswer('is not JSON');
  return body;
}

/** The one choice that other dialects have. */
export function firstChoice(body: JsonObject): JsonObject | undefined {
  return asObject(listOf(body.choices).find((choice) => (asObject(choice)?.index ?? 0) === 0));
}

/** Reasoning text under either of its names (vLLM calls it `reasoning` since 0.12, others `reasoning_content`). */
export function reasoningOf(message: JsonObject): string {
  return stringOf(message.reasoning_content) || stringOf(message.reasoning);
}

/** Log probabilities of the text in a choice. */
export function logprobsOf(choice: JsonObject): readonly unknown[] {
  return listOf(asObject(choice.logprobs)?.content);
}

/** The id, name and arguments of a tool call, or of a piece of one; what is absent is empty. */
export function readCall(value: unknown): { id: string; name: string; text: string; index: number } {
  const call = asObject(value);
  const given = asObject(call?.function);
  return {
    id: stringOf(call?.id),
    name: stringOf(given?.name),
    text: stringOf(given?.arguments),
    index: typeof call?.index === 'number' ? call.index : 0,
  };
}

/** @throws EngineError for a reason that is none. */
export function finishReason(value: unknown): FinishReason {
  switch (value) {
    case 'stop':
    case 'length':
    case 'tool_calls':
    case 'content_filter':
      return value;
    case 'function_call':
      return 'tool_calls';
    default:
      throw invalidAnswer('ended for no known reason');
  }
}

/** Counts that are absent are zero. */
export function readUsage(value: unknown): AnswerUsage {
  const usage = asObject(value);
  return {
    inputTokens: count(usage?.prompt_tokens),
    cachedTokens: count(asObject(usage?.prompt_tokens_details)?.cached_tokens),
    outputTokens: count(usage?.completion_tokens),
    reasoningTokens: count(asObject(usage?.completion_tokens_details)?.reasoning_tokens),
  };
}

export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function count(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : 0;
}
