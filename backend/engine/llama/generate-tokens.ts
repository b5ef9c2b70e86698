// Generates text token by token after a prompt of tokens, and can say how likely each was: what the chat interface of the library cannot.

import type { LlamaGrammar, Token } from 'node-llama-cpp';
import type { AnswerPiece } from './answer-piece.ts';
import type { LoadedModel } from './load-model.ts';
import { rankTokens, type TokenLogprob } from './rank-tokens.ts';
import { type SamplingDefaults, samplerOptions, tokenBias } from './sampler-options.ts';
import type { SamplingRequest } from './sampling-request.ts';
import type { SequenceSlot } from './sequence-slot.ts';
import { StopCutter } from './stop-cutter.ts';
import { TokenText } from './token-text.ts';

/** What to generate after which prompt. */
export interface TokenTask {
  readonly prompt: readonly Token[];
  readonly maxTokens: number;
  /** The number of the choice: each has a seed of its own. */
  readonly choice: number;
  readonly stop: readonly string[];
  readonly grammar?: LlamaGrammar;
  /** Alternatives to report for each token; undefined: nothing is reported. */
  readonly logprobs?: number | undefined;
  /** Asked with the text so far: whether it is whole. */
  readonly isWhole?: (text: string) => boolean;
}

/** How it ended. */
export interface TokenEnd {
  readonly finishReason: 'stop' | 'length';
  /** Tokens generated; the one that ends an answer is not among them. */
  readonly tokens: number;
  readonly cachedTokens: number;
}

/**
 * Generates until the model ends its answer, a stop string comes, the text is whole, or `maxTokens` are there. Probabilities are those
 * after temperature, cuts and biases, as the library has them; at temperature 0 without the others the model's own.
 * @throws the signal's reason when aborted; anything else is the engine's own failure.
 */
export async function generateTokens(
  loaded: LoadedModel,
  slot: SequenceSlot,
  request: SamplingRequest,
  defaults: SamplingDefaults,
  task: TokenTask,
  signal: AbortSignal,
  onPiece: (piece: AnswerPiece) => void,
): Promise<TokenEnd> {
  const { library, model } = loaded;
  const { prompt, grammar, logprobs } = task;
  const cachedTokens = await slot.read(prompt, signal);
  const last = prompt.slice(prompt.length - 1);
  const generated: Token[] = [];
  const text = new TokenText(model, prompt);
  const cutter = new StopCutter(task.stop);
  const measured = new MeasuredText(onPiece);
  const state = grammar && new library.LlamaGrammarEvaluationState({ model, grammar });
  const steps = slot.sequence.evaluateWithMetadata(
    [...last],
    { probabilities: logprobs !== undefined },
    {
      ...samplerOptions(request, defaults, task.choice),
      ...tokenBias(loaded, request),
      ...repeatPenalty(request, generated),
      ...(state !== undefined && { grammarEvaluationState: state }),
    },
  );
  let whole = '';
  let finishReason: TokenEnd['finishReason'] = 'stop';
  for await (const step of steps) {
    signal.throwIfAborted();
    const { token } = step;
    const { probabilities } = step as { readonly probabilities?: ReadonlyMap<Token, number> };
    generated.push(token);
    const piece = text.push(token);
    if (logprobs !== undefined && probabilities !== undefined)
      measured.token(rankTokens(model, token, probabilities, logprobs), piece.length);
    measured.text(cutter.push(piece));
    if (cutter.stopped) break;
    if (task.isWhole !== undefined && piece !== '') {
      whole += piece;
      if (task.isWhole(whole)) break;
    }
    if (generated.length >= task.maxTokens) {
      finishReason = 'length';
      break;
    }
  }
  measured.text(cutter.push(text.end()) + cutter.end());
  measured.end();
  return { finishReason, tokens: generated.length, cachedTokens };
}

/** Sends the measures of tokens along with the text that they became, and none for text that a stop string cut off. */
class MeasuredText {
  readonly #onPiece: (piece: AnswerPiece) => void;
  #waiting: TokenLogprob[] = [];
  /** Characters generated, and characters sent. */
  #made = 0;
  #sent = 0;
  constructor(onPiece: (piece: AnswerPiece) => void) {
    this.#onPiece = onPiece;
  }

  token(measure: Omit<TokenLogprob, 'offset'>, length: number): void {
    this.#waiting.push({ ...measure, offset: this.#made });
    this.#made += length;
  }

  text(text: string): void {
    if (text === '') return;
    this.#sent += text.length;
    this.#onPiece({ kind: 'content', text, ...this.#release() });
  }

  end(): void {
    // tokens that became no text
    const { tokens } = this.#release(true);
    if (tokens !== undefined) this.#onPiece({ kind: 'content', text: '', tokens });
  }

  #release(atEnd = false): { tokens?: readonly TokenLogprob[] } {
    const tokens = this.#waiting.filter(
      ({ offset }) => offset < this.#sent || (atEnd && this.#sent === this.#made),
    );
    this.#waiting = this.#waiting.slice(tokens.length);
    return tokens.length === 0 ? {} : { tokens };
  }
}

function repeatPenalty({ presencePenalty, frequencyPenalty }: SamplingRequest, generated: Token[]) {
  if (presencePenalty === 0 && frequencyPenalty === 0) return {};
  const punishTokens = () => generated;
  return { repeatPenalty: { penalty: 1, presencePenalty, frequencyPenalty, punishTokens } };
}
