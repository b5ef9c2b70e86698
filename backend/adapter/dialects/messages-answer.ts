// Says a chat completion as Anthropic's Messages API does: one message, or its events.

import { PUBLIC_ERRORS, type PublicErrorCode } from '../../../shared/wire/public-error.ts';
import { type AnswerEnd, type AnswerPart, type AnswerUsage, isCut, type WholeAnswer } from './chat-answer.ts';
import type { AnswerStep } from './chat-steps.ts';
import { invalidAnswer } from './read-events.ts';
import { type AnswerWriter, type ApiProblem, writeEvent } from './translate-answer.ts';
import { newId, type Offer } from './translation.ts';

/** Anthropic's words for what an HTTP status means (its API reference, "Errors"). */
const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

/** `{type: 'error', error: {type, message}}`, and in `error` also the `code` and `param` that OpenAI's shape has. */
export function messagesError(
  status: number,
  problem: Pick<ApiProblem, 'message' | 'param' | 'code'>,
): object {
  const type = ERROR_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
  const { message, param, code } = problem;
  return { type: 'error', error: { type, message, code, param } };
}

/** Writes one answer; keeps none of its text. */
export class MessagesWriter implements AnswerWriter {
  readonly #offer: Pick<Offer, 'random'>;
  readonly #id: string;
  readonly #showThinking: boolean;
  #blocks = 0;
  #open: 'reasoning' | 'text' | 'tool' | 'hidden' | undefined;

  /** `showThinking`: whether the caller asked for what the model thought; it is left out otherwise. */
  constructor(offer: Pick<Offer, 'random'>, showThinking: boolean) {
    this.#offer = offer;
    this.#id = newId('msg', offer.random);
    this.#showThinking = showThinking;
  }

  readonly newCallId = (): string => newId('toolu', this.#offer.random);

  whole(answer: WholeAnswer): object {
    const last = answer.parts.length - 1;
    const content = answer.parts
      .filter(({ part }) => part.kind !== 'reasoning' || this.#showThinking)
      .map(({ part, text }) => wholeBlock(part, text, isCut(answer) && part === answer.parts[last]?.part));
    return this.#message(answer.model, content, usageOf(answer.usage), answer);
  }

  step(step: AnswerStep): string {
    switch (step.kind) {
      case 'begin': {
        // How many tokens the prompt has is known at the end, and stands there.
        const message = this.#message(step.model, [], { input_tokens: 0, output_tokens: 0 });
        return (
          writeEvent('message_start', { type: 'message_start', message }) +
          writeEvent('ping', { type: 'ping' })
        );
      }
      case 'open': {
        const { part } = step;
        this.#open = part.kind === 'reasoning' && !this.#showThinking ? 'hidden' : part.kind;
        if (this.#open === 'hidden') return '';
        const block =
          part.kind === 'tool'
            ? { type: 'tool_use', id: part.callId, name: part.name, input: {} }
            : part.kind === 'text'
              ? { type: 'text', text: '', citations: null }
              : { type: 'thinking', thinking: '', signature: '' };
        return this.#blockEvent('content_block_start', { content_block: block });
      }
      case 'delta':
        return this.#grow(step.text);
      case 'close': {
        const hidden = this.#open === 'hidden';
        this.#open = undefined;
        if (hidden) return '';
        const stop = this.#blockEvent('content_block_stop', {});
        this.#blocks++;
        return stop;
      }
      case 'end':
        return (
          writeEvent('message_delta', {
            type: 'message_delta',
            delta: { ...stopOf(step.end), stop_details: null },
            usage: usageOf(step.end.usage),
          }) + writeEvent('message_stop', { type: 'message_stop' })
        );
    }
  }

  failure(code: PublicErrorCode): string {
    const { status, message } = PUBLIC_ERRORS[code];
    return writeEvent('error', messagesError(status, { message, param: null, code }));
  }

  problem(status: number, problem: ApiProblem): object {
    return messagesError(status, problem);
  }

  #grow(text: string): string {
    switch (this.#open) {
      case 'text':
        return this.#blockEvent('content_block_delta', { delta: { type: 'text_delta', text } });
      case 'tool':
        return this.#blockEvent('content_block_delta', {
          delta: { type: 'input_json_delta', partial_json: text },
        });
      case 'reasoning':
        return this.#blockEvent('content_block_delta', { delta: { type: 'thinking_delta', thinking: text } });
      default:
        return '';
    }
  }

  #blockEvent(type: string, more: object): string {
    return writeEvent(type, { type, index: this.#blocks, ...more });
  }

  #message(model: string, content: readonly object[], usage: object, end?: AnswerEnd): object {
    return {
      id: this.#id,
      type: 'message',
      role: 'assistant',
      model,
      content,
      ...(end === undefined ? { stop_reason: null, stop_sequence: null } : stopOf(end)),
      usage,
    };
  }
}

function wholeBlock(part: AnswerPart, text: string, cut: boolean): object {
  switch (part.kind) {
    case 'reasoning':
      return { type: 'thinking', thinking: text, signature: '' };
    case 'text':
      return { type: 'text', text, citations: null };
    case 'tool':
      return { type: 'tool_use', id: part.callId, name: part.name, input: readInput(text, cut) };
  }
}

function stopOf({ reason, stop }: AnswerEnd): { stop_reason: string; stop_sequence: string | null } {
  if (reason === 'stop' && stop !== undefined) return { stop_reason: 'stop_sequence', stop_sequence: stop };
  const words = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'refusal' };
  return { stop_reason: words[reason], stop_sequence: null };
}

// Anthropic counts what came from a cache apart from the input.
function usageOf({ inputTokens, cachedTokens, outputTokens }: AnswerUsage): object {
  return {
    input_tokens: Math.max(0, inputTokens - cachedTokens),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: outputTokens,
  };
}

// A call that was cut has no whole input, and says so by having none.
function readInput(text: string, cut: boolean): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    if (cut) return {};
    throw invalidAnswer('has a tool call whose arguments are not JSON');
  }
}
