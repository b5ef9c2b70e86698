// Says a chat completion as OpenAI's Responses API does: one object, or its sequence of typed events.

import type { PublicErrorCode } from '../../../shared/wire/public-error.ts';
import { PUBLIC_ERRORS } from '../../../shared/wire/public-error.ts';
import type { JsonObject } from '../limits/read-json-body.ts';
import { type AnswerEnd, type AnswerPart, type AnswerUsage, isCut, type WholeAnswer } from './chat-answer.ts';
import type { AnswerStep } from './chat-steps.ts';
import { type AnswerWriter, type ApiProblem, writeEvent } from './translate-answer.ts';
import { newId, type Offer, unixSeconds } from './translation.ts';

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

/** One item of the output while it grows. */
interface Item {
  readonly id: string;
  readonly index: number;
  readonly part: AnswerPart;
  text: string;
  logprobs: unknown[];
}

/** Writes one answer; `request` is echoed as the API does. It keeps the answer's text, because the last events repeat it. */
export class ResponsesWriter implements AnswerWriter {
  readonly #request: JsonObject;
  readonly #offer: Pick<Offer, 'now' | 'random'>;
  readonly #id: string;
  readonly #createdAt: number;
  readonly #output: object[] = [];
  #model = '';
  #sequence = 0;
  #item: Item | undefined;

  constructor(request: JsonObject, offer: Pick<Offer, 'now' | 'random'>) {
    this.#request = request;
    this.#offer = offer;
    this.#id = newId('resp', offer.random);
    this.#createdAt = unixSeconds(offer.now());
  }

  readonly newCallId = (): string => newId('call', this.#offer.random);

  whole(answer: WholeAnswer): object {
    this.#model = answer.model;
    for (const [index, { part, text, logprobs }] of answer.parts.entries()) {
      const item = this.#newItem(part);
      const cut = isCut(answer) && index === answer.parts.length - 1;
      this.#output.push(
        finished({ ...item, text, logprobs: [...logprobs] }, cut ? 'incomplete' : 'completed'),
      );
    }
    this.#ensureOutput();
    return this.#response(statusOf(answer), answer);
  }

  step(step: AnswerStep): string {
    switch (step.kind) {
      case 'begin':
        this.#model = step.model;
        return (
          this.#event('response.created', { response: this.#response('in_progress') }) +
          this.#event('response.in_progress', { response: this.#response('in_progress') })
        );
      case 'open':
        return this.#openItem(step.part);
      case 'delta':
        return this.#grow(step.text, step.logprobs);
      case 'close':
        return this.#closeItem(step.cut);
      case 'end': {
        const status = statusOf(step.end);
        const empty =
          this.#output.length === 0 ? this.#openItem({ kind: 'text' }) + this.#closeItem(false) : '';
        return empty + this.#event(`response.${status}`, { response: this.#response(status, step.end) });
      }
    }
  }

  failure(code: PublicErrorCode): string {
    const { message } = PUBLIC_ERRORS[code];
    if (this.#model === '') return this.#event('error', { code, message, param: null });
    if (this.#item !== undefined) this.#output.push(finished(this.#item, 'incomplete'));
    // The two fields of the API's own error, and our code where SDKs pass an unknown one on.
    const error = { code: 'server_error', message, type: code };
    return this.#event('response.failed', { response: { ...this.#response('failed'), error } });
  }

  problem(_status: number, problem: ApiProblem): object {
    return { error: problem };
  }

  #newItem(part: AnswerPart): Item {
    const prefix = { reasoning: 'rs', text: 'msg', tool: 'fc' }[part.kind];
    const id = newId(prefix, this.#offer.random);
    return { id, index: this.#output.length, part, text: '', logprobs: [] };
  }

  #openItem(part: AnswerPart): string {
    const item = this.#newItem(part);
    this.#item = item;
    const added = this.#event('response.output_item.added', {
      output_index: item.index,
      item: { ...finished(item, 'in_progress'), ...(part.kind !== 'tool' && { content: [] }) },
    });
    if (part.kind === 'tool') return added;
    return added + this.#itemEvent('response.content_part.added', item, { part: contentPart(item) });
  }

  #grow(text: string, logprobs: readonly unknown[]): string {
    const item = this.#item as Item;
    item.text += text;
    item.logprobs.push(...logprobs);
    switch (item.part.kind) {
      case 'reasoning':
        return this.#itemEvent('response.reasoning_text.delta', item, { delta: text });
      case 'text':
        return this.#itemEvent('response.output_text.delta', item, { delta: text, logprobs });
      case 'tool':
        return this.#itemEvent('response.function_call_arguments.delta', item, { delta: text });
    }
  }

  #closeItem(cut: boolean): string {
    const item = this.#item as Item;
    this.#item = undefined;
    const whole = finished(item, cut ? 'incomplete' : 'completed');
    this.#output.push(whole);
    const done = () => this.#event('response.output_item.done', { output_index: item.index, item: whole });
    const part = { part: contentPart(item) };
    switch (item.part.kind) {
      case 'reasoning':
        return (
          this.#itemEvent('response.reasoning_text.done', item, { text: item.text }) +
          this.#itemEvent('response.content_part.done', item, part) +
          done()
        );
      case 'text':
        return (
          this.#itemEvent('response.output_text.done', item, { text: item.text, logprobs: item.logprobs }) +
          this.#itemEvent('response.content_part.done', item, part) +
          done()
        );
      case 'tool':
        return (
          this.#itemEvent('response.function_call_arguments.done', item, {
            name: item.part.name,
            arguments: item.text,
          }) + done()
        );
    }
  }

  // Clients look for a message even where a model had nothing to say.
  #ensureOutput(): void {
    if (this.#output.length === 0) this.#output.push(finished(this.#newItem({ kind: 'text' }), 'completed'));
  }

  #itemEvent(type: string, item: Item, more: object): string {
    const place = { item_id: item.id, output_index: item.index };
    return this.#event(
      type,
      item.part.kind === 'tool' ? { ...place, ...more } : { ...place, content_index: 0, ...more },
    );
  }

  #event(type: string, more: object): string {
    return writeEvent(type, { type, sequence_number: this.#sequence++, ...more });
  }

  #response(status: Status, end?: AnswerEnd): object {
    const request = this.#request;
    const { reasoning, text } = request as { reasoning?: object; text?: object };
    return {
      id: this.#id,
      object: 'response',
      created_at: this.#createdAt,
      ...(status === 'completed' && { completed_at: unixSeconds(this.#offer.now()) }),
      status,
      background: false,
      error: null,
      incomplete_details: status === 'incomplete' ? { reason: incompleteReason(end) } : null,
      instructions: request.instructions ?? null,
      max_output_tokens: request.max_output_tokens ?? null,
      max_tool_calls: null,
      metadata: request.metadata ?? {},
      model: this.#model,
      output: [...this.#output],
      parallel_tool_calls: request.parallel_tool_calls ?? true,
      previous_response_id: null,
      reasoning: { effort: null, summary: null, ...reasoning },
      service_tier: 'default',
      store: false,
      temperature: request.temperature ?? null,
      text: { format: { type: 'text' }, ...text },
      tool_choice: request.tool_choice ?? 'auto',
      tools: request.tools ?? [],
      top_logprobs: request.top_logprobs ?? 0,
      top_p: request.top_p ?? null,
      truncation: 'disabled',
      usage: end === undefined ? null : usageOf(end.usage),
    };
  }
}

function statusOf(end: AnswerEnd): 'completed' | 'incomplete' {
  return isCut(end) ? 'incomplete' : 'completed';
}

function incompleteReason(end: AnswerEnd | undefined): string {
  return end?.reason === 'content_filter' ? 'content_filter' : 'max_output_tokens';
}

function usageOf({ inputTokens, cachedTokens, outputTokens, reasoningTokens }: AnswerUsage): object {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}

function finished(item: Item, status: Status): object {
  const { id, part, text } = item;
  switch (part.kind) {
    case 'reasoning':
      return { id, type: 'reasoning', status, summary: [], content: [contentPart(item)] };
    case 'text':
      return { id, type: 'message', status, role: 'assistant', content: [contentPart(item)] };
    case 'tool':
      return { id, type: 'function_call', status, call_id: part.callId, name: part.name, arguments: text };
  }
}

function contentPart({ part, text, logprobs }: Item): object {
  return part.kind === 'reasoning'
    ? { type: 'reasoning_text', text }
    : { type: 'output_text', text, annotations: [], logprobs };
}
