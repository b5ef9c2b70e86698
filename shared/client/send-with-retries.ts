// Sends one request until it is answered or nothing safe is left to try: which failures mean what is said here, once.

import { type PlainRequest, type SealedFetchOptions, sealedFetch } from './sealed-fetch.ts';
import type { VerifiedNode, VerifiedSession } from './verified-session.ts';

/** On a response whose request may have run on two nodes: the first never said that it had not, and then left the directory. */
export const DUPLICATE_POSSIBLE = 'cloister-duplicate-possible';

/** A request that was not started is resealed to another verified node this many times. */
const RESEALS = 2;
/** A node with another core than the verified one is verified anew once; twice in a row it does not mean well. */
const REVERIFICATIONS = 1;
/** Waits before each further attempt on a node of which nobody knows whether it began. */
const SAME_NODE_WAITS_MILLISECONDS = [250, 1000, 4000];
/** A node cancels what it runs for a connection that was lost within a second; longer than this it runs for someone else. */
const IN_PROGRESS_WAITS = 5;
const LONGEST_WAIT_MILLISECONDS = 10_000;
/** How often a request may go to another node after it may have begun on one. */
const MOVES = 2;

/** Waits; rejects with the signal's reason when that aborts. */
export type Sleep = (milliseconds: number, signal: AbortSignal) => Promise<void>;

/** How a request ended, and where it was last. */
export interface Ending {
  readonly response: Response;
  readonly node: VerifiedNode;
  /** False when it may be running or may have run, and asking again has to be under the same key and on the same node. */
  readonly settled: boolean;
}

/** Where a request goes and what it is sealed with. */
export interface Sending {
  readonly session: VerifiedSession;
  readonly sealing: SealedFetchOptions;
  readonly sleep: Sleep;
  /** A node of which an earlier call did not learn whether it began this very request. */
  readonly startedMaybeOn: VerifiedNode | undefined;
  /** Told whenever the request goes to a node, so that a throw leaves behind where it was last. */
  readonly onNode: (node: VerifiedNode) => void;
}

/**
 * The rules: unsealed 421 and 503 mean "not started": another verified node. After 502, 504, `replay_detected`, a reset or a silent end
 * before the first octet nobody knows: the same node again with the same sealed idempotency key, which it starts once. Another node only
 * when the directory has dropped the first, at most twice, and marked. Ends: every branch that goes on spends from a finite budget.
 * @throws as `sealedFetch` and `VerifiedSession.node`.
 */
export async function sendWithRetries(request: PlainRequest, sending: Sending): Promise<Ending> {
  const { session, sealing, sleep, onNode } = sending;
  const { signal } = request;
  let node = sending.startedMaybeOn ?? (await unlessAborted(session.node(), signal));
  let maybeStarted = sending.startedMaybeOn !== undefined;
  let moved = 0;
  let resealed = 0;
  let reverified = 0;
  let retried = 0;
  let waited = 0;

  for (;;) {
    signal.throwIfAborted();
    onNode(node);
    const outcome = await sealedFetch(request, node, sealing);
    switch (outcome.kind) {
      case 'answered':
        return end(outcome.response, true);

      case 'mismatch':
        if (reverified++ === REVERIFICATIONS) return end(outcome.response, !maybeStarted);
        await discard(outcome.response);
        session.drop(node);
        node = await unlessAborted(maybeStarted ? session.reverify(node) : session.node(), signal);
        break;

      case 'in_progress':
        // On a first attempt it is the caller's own key that is in use, and the caller's to wait for.
        if (!maybeStarted || waited++ === IN_PROGRESS_WAITS) return end(outcome.response, false);
        await discard(outcome.response);
        await sleep(Math.min(outcome.retryAfterMilliseconds, LONGEST_WAIT_MILLISECONDS), signal);
        break;

      case 'not_started':
        session.drop(node);
        if (!maybeStarted) {
          if (resealed++ === RESEALS) return end(outcome.response, true);
          await discard(outcome.response);
          node = await unlessAborted(session.node(), signal);
          break;
        }
        if (!(await stayOrMove())) return end(outcome.response, false);
        await discard(outcome.response);
        break;

      case 'unknown':
        // New requests go elsewhere meanwhile; this one may not.
        session.drop(node);
        maybeStarted = true;
        if (!(await stayOrMove())) return end(outcome.end(), false);
        break;
    }
  }

  /** Prepares the next attempt: on the same node, or on another when the directory has dropped it. False when none is left. */
  async function stayOrMove(): Promise<boolean> {
    const wait = SAME_NODE_WAITS_MILLISECONDS[retried++];
    if (wait === undefined) return false;
    await sleep(wait, signal);
    const now = await unlessAborted(whereIs(node), signal);
    if (now !== undefined) {
      node = now;
      return true;
    }
    if (moved === MOVES) return false;
    moved++;
    retried = 0;
    maybeStarted = false;
    node = await unlessAborted(session.node(), signal);
    return true;
  }

  /** Undefined only when the directory answered and does not list it. */
  async function whereIs(last: VerifiedNode): Promise<VerifiedNode | undefined> {
    try {
      return await session.relocate(last);
    } catch {
      return last;
    }
  }

  function end(response: Response, settled: boolean): Ending {
    if (moved > 0) response.headers.set(DUPLICATE_POSSIBLE, 'true');
    return { response, node, settled };
  }
}

/** The default: the runtime's timer. */
export const sleepByTimer: Sleep = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', abort, { once: true });
  });

// A verification is shared by many requests, so one that is aborted stops waiting and does not stop it.
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}
