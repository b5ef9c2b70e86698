// Turns the chunks of a streamed chat completion into steps: a part opens, grows, closes; the answer ends.

import { EngineError } from '../../engine/engine-error.ts';
import { asObject, type JsonObject } from '../limits/read-json-body.ts';
import {
  type AnswerEnd,
  type AnswerPart,
  type FinishReason,
  finishReason,
  firstChoice,
  isCut,
  listOf,
  logprobsOf,
  parse,
  readCall,
  readUsage,
  reasoningOf,
  stringOf,
} from './chat-answer.ts';
import { invalidAnswer } from './read-events.ts';

/** What happened in a stream. Between `open` and `close` only deltas come. */
export type AnswerStep =
  | { readonly kind: 'begin'; readonly model: string }
  | { readonly kind: 'open'; readonly part: AnswerPart }
  | { readonly kind: 'delta'; readonly text: string; readonly logprobs: readonly unknown[] }
  /** `cut`: the part ended because the answer may not be longer, not because it was whole. */
  | { readonly kind: 'close'; readonly cut: boolean }
  | { readonly kind: 'end'; readonly end: AnswerEnd };

/** Keeps which part is open and how the answer ended, and none of its text. */
export class ChatSteps {
  readonly #newCallId: () => string;
  #begun = false;
  #open: AnswerPart | undefined;
  /** The index of the tool call that is open or was last. */
  #call = -1;
  #reason: FinishReason | undefined;
  #stop: string | undefined;
  #usage: unknown;
  #ended = false;

  constructor(newCallId: () => string) {
    this.#newCallId = newCallId;
  }

  /** True after the last step. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * The steps of one event.
   * @throws EngineError `engine_crashed` for an error that the engine itself reports, `engine_answer_invalid` for what is no chunk.
   */
  push(data: string): AnswerStep[] {
    if (this.#ended) return [];
    if (data === '[DONE]') return this.finish();
    const chunk = parse(data);
    if (asObject(chunk.error) !== undefined)
      throw new EngineError('engine_crashed', 'The engine reported an error inside its answer.');
    const steps: AnswerStep[] = [];
    if (!this.#begun) steps.push({ kind: 'begin', model: stringOf(chunk.model) });
    this.#begun = true;
    this.#usage = chunk.usage ?? this.#usage;
    const choice = firstChoice(chunk);
    if (choice === undefined) return steps;
    const delta = asObject(choice.delta);
    if (delta !== undefined) this.#grow(delta, logprobsOf(choice), steps);
    if (typeof choice.finish_reason === 'string') this.#reason = finishReason(choice.finish_reason);
    if (typeof choice.stop_reason === 'string') this.#stop = choice.stop_reason;
    return steps;
  }

  /** The last steps, when the engine has ended. @throws EngineError when the answer is not whole. */
  finish(): AnswerStep[] {
    if (this.#ended) return [];
    if (!this.#begun || this.#reason === undefined) throw invalidAnswer('has no end');
    this.#ended = true;
    const end = { reason: this.#reason, stop: this.#stop, usage: readUsage(this.#usage) };
    return [...this.#close(isCut(end)), { kind: 'end', end }];
  }

  #grow(delta: JsonObject, logprobs: readonly unknown[], steps: AnswerStep[]): void {
    const reasoning = reasoningOf(delta);
    if (reasoning !== '') {
      if (this.#open?.kind !== 'reasoning') steps.push(...this.#begin({ kind: 'reasoning' }));
      steps.push({ kind: 'delta', text: reasoning, logprobs: [] });
    }
    const content = stringOf(delta.content);
    if (content !== '') {
      if (this.#open?.kind !== 'text') steps.push(...this.#begin({ kind: 'text' }));
      steps.push({ kind: 'delta', text: content, logprobs });
    }
    for (const each of listOf(delta.tool_calls)) {
      const { id, name, text, index } = readCall(each);
      if (index > this.#call) {
        this.#call = index;
        steps.push(...this.#begin({ kind: 'tool', callId: id || this.#newCallId(), name }));
      } else if (index < this.#call || this.#open?.kind !== 'tool')
        throw invalidAnswer('goes back to a tool call that had ended');
      if (text !== '') steps.push({ kind: 'delta', text, logprobs: [] });
    }
  }

  #begin(part: AnswerPart): AnswerStep[] {
    const closing = this.#close(false);
    this.#open = part;
    return [...closing, { kind: 'open', part }];
  }

  #close(cut: boolean): AnswerStep[] {
    if (this.#open === undefined) return [];
    this.#open = undefined;
    return [{ kind: 'close', cut }];
  }
}
