// A sequence of the context and whose prompts its memory holds: nothing of one salt is ever found by another.

import type { LlamaContextSequence, Token } from 'node-llama-cpp';

/** What a salt's prompts may stay for, without a further request of it. */
const KEPT_MILLISECONDS = 5 * 60_000;
// One uninterruptible step of reading a prompt: under a second on one slow core (90 tokens/s), as fast as larger ones.
const PREFILL_TOKENS = 64;

/** One sequence. Used by one request at a time. */
export class SequenceSlot {
  readonly sequence: LlamaContextSequence;
  #salt: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  constructor(sequence: LlamaContextSequence) {
    this.sequence = sequence;
  }

  /** Whether a request with this salt may find here what an earlier one left. */
  holds(salt: string | undefined): boolean {
    return salt !== undefined && salt === this.#salt;
  }

  /** Begins a request: unless it has the salt of the one before, it finds an empty memory. */
  async enter(salt: string | undefined): Promise<void> {
    clearTimeout(this.#timer);
    const kept = this.holds(salt);
    this.#salt = undefined;
    if (!kept) await this.sequence.clearHistory();
  }

  /** Ends a request. Without a salt nothing of it stays; with one it stays for requests of the same salt, and not for long. */
  async leave(salt: string | undefined): Promise<void> {
    if (salt === undefined) return this.sequence.clearHistory();
    this.#salt = salt;
    this.#timer = setTimeout(() => {
      this.#salt = undefined;
      void this.sequence.clearHistory();
    }, KEPT_MILLISECONDS).unref();
  }

  /**
   * Reads a prompt but for its last token, from which generating starts, and keeps what the memory holds of its beginning. The library
   * reads a prompt in one go that no signal interrupts (20 s for 1600 tokens on one core) and that lets nobody else's answer proceed, so it is
   * read here, in steps.
   * @returns how many tokens were there already
   */
  async read(prompt: readonly Token[], signal: AbortSignal): Promise<number> {
    const { sequence } = this;
    const last = prompt.length - 1;
    signal.throwIfAborted();
    if (sequence.nextTokenIndex > 0) await sequence.adaptStateToTokens(prompt.slice(0, last), false);
    const found = sequence.nextTokenIndex;
    for (let start = found; start < last; start += PREFILL_TOKENS) {
      signal.throwIfAborted();
      await sequence.evaluateWithoutGeneratingNewTokens(
        prompt.slice(start, Math.min(start + PREFILL_TOKENS, last)),
      );
    }
    return found;
  }
}
