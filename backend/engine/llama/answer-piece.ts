// What an answer is made of, as it comes, and how it ends: the same for every way of generating.

import type { TokenLogprob } from './rank-tokens.ts';

/** A piece of one choice. */
export type AnswerPiece =
  | {
      readonly kind: 'content';
      readonly text: string;
      /** What is known of the tokens that became this text, where it was asked for. */
      readonly tokens?: readonly TokenLogprob[];
    }
  | { readonly kind: 'reasoning'; readonly text: string }
  | {
      readonly kind: 'call';
      /** Number of the call within the answer. */
      readonly index: number;
      /** With the call's first piece. */
      readonly begins?: { readonly id: string; readonly name: string };
      /** Of the arguments' JSON. */
      readonly text: string;
    };

/** How a choice ended. Token counts are of this request alone; the prompt counts in full. */
export interface AnswerEnd {
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Tokens of the prompt that were read for an earlier request of the same cache salt. */
  readonly cachedTokens: number;
}

/** An id for a new call: `call_` and 24 random characters. */
export function newCallId(): string {
  return `call_${crypto.randomUUID().replaceAll('-', '').slice(0, 24)}`;
}
