// A plain GET of one file, with time-outs that make an unreachable source cost seconds.

import { SourceError } from './model-error.ts';

const HEAD_MILLISECONDS = 5000;
const STALL_MILLISECONDS = 30_000;

/**
 * The file's octets as they come. Redirects are followed: nothing about the source is trusted, the digest decides.
 * @throws SourceError `unreachable` when there is no answer within 5 s or a pause of 30 s, `refused` on any status but 200;
 * the signal's reason.
 */
export async function* getFile(
  url: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), HEAD_MILLISECONDS);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, stalled.signal]) });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new SourceError('refused', `answered with status ${response.status}`);
    }
    for await (const piece of response.body) {
      clearTimeout(timer);
      timer = setTimeout(() => stalled.abort(), STALL_MILLISECONDS);
      yield piece;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof SourceError) throw error;
    throw new SourceError(
      'unreachable',
      stalled.signal.aborted ? 'no answer in time' : 'could not be reached',
    );
  } finally {
    clearTimeout(timer);
  }
}
