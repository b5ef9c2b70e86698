// A request that was really sealed and opened, answered by a scripted engine on a clock that jumps.

import { type AnswerOutcome, answerRequest, type Pacing } from '../../../backend/adapter/answer-request.ts';
import type { InnerRequest, OpenedRequest } from '../../../backend/adapter/open-request.ts';
import type { PaddingPolicy } from '../../../backend/adapter/padding-policy.ts';
import type { Engine } from '../../../backend/engine/engine.ts';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { decodeBhttpResponse } from '../../../shared/sealing/bhttp-response.ts';
import type { GatewayKey } from '../../../shared/sealing/gateway-key.ts';
import { sealRequest } from '../../../shared/sealing/seal-request.ts';
import { X25519_SUITE } from '../../../shared/sealing/suite.ts';
import type { VirtualClock } from '../../bench/length-hiding/virtual-clock.ts';
import { offerOf } from '../../harness/offer.ts';
import { receive } from '../../shared/sealing/harness/exchanges.ts';
import { collect, drain, streamOf } from '../../shared/sealing/harness/streams.ts';

export const ROUTE = 'POST /v1/chat/completions';
const INNER: InnerRequest = {
  method: 'POST',
  path: '/v1/chat/completions',
  headers: [],
  body: toUtf8('{}'),
};

/** What the engine does: its head after a while, then pieces, each after a while, then its end or its death. */
export interface EngineScript {
  readonly headAt?: number;
  readonly contentType?: string;
  readonly pieces: readonly { readonly after: number; readonly octets: Uint8Array }[];
  readonly dies?: unknown;
}

/** What went over the wire, when, and what the client made of it. */
export interface Exchange {
  readonly sealed: readonly { readonly at: number; readonly octets: Bytes }[];
  /** Octets of plaintext of each sealed piece: all but the nonce in front and the final chunk. */
  readonly sizes: readonly number[];
  readonly outcome: AnswerOutcome;
  readonly interims: readonly number[];
  readonly status: number;
  readonly body: Bytes;
  /** Why the answer is not whole. */
  readonly error: unknown;
}

/** An engine on the clock. `read` counts the octets that were asked of it. */
export function scriptedEngine(script: EngineScript, clock: VirtualClock): Engine & { read: number } {
  const engine = {
    read: 0,
    request: async ({ signal }: { signal?: AbortSignal }) => {
      await clock.until(clock.now() + (script.headAt ?? 0));
      const left = [...script.pieces];
      const body = new ReadableStream<Bytes>(
        {
          async pull(controller) {
            const next = left.shift();
            if (next !== undefined) await clock.until(clock.now() + next.after, signal);
            if (signal?.aborted) controller.error(new Error('engine aborted'));
            else if (next !== undefined) {
              engine.read += next.octets.length;
              controller.enqueue(next.octets.slice() as Bytes);
            } else if (script.dies !== undefined) controller.error(script.dies);
            else controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      return { status: 200, headers: { 'content-type': script.contentType ?? 'text/event-stream' }, body };
    },
  };
  return engine as unknown as Engine & { read: number };
}

/** Opens a request and answers it; `pulled` is called before each piece is asked for. */
export async function exchange(
  key: GatewayKey,
  script: EngineScript,
  padding: PaddingPolicy | undefined,
  clock: VirtualClock,
  options: {
    route?: string;
    inner?: Partial<InnerRequest>;
    signal?: AbortSignal;
    pulled?: (piece: number) => Promise<void>;
  } = {},
): Promise<Exchange> {
  const sealedRequest = await sealRequest({
    config: key.config,
    suite: X25519_SUITE,
    plaintext: Uint8Array.of(1),
    provider: nodeCryptoProvider,
  });
  const received = await receive(key, await collect(sealedRequest.body));
  const opened = {
    inner: { ...INNER, ...options.inner },
    sealer: received.respond(nodeCryptoProvider.random),
    refusal: undefined,
  } as unknown as OpenedRequest;
  const outcome: AnswerOutcome = { status: 0, outcome: 'complete' };
  const pacing: Pacing = { padding, clock };
  const signal = options.signal ?? new AbortController().signal;
  const sealed: { at: number; octets: Bytes }[] = [];
  const answer = async (): Promise<unknown> => {
    const pieces = answerRequest(
      opened,
      scriptedEngine(script, clock),
      offerOf([options.route ?? ROUTE]),
      signal,
      outcome,
      pacing,
    );
    try {
      for (;;) {
        await options.pulled?.(sealed.length);
        const { done, value } = await pieces.next();
        if (done) return undefined;
        sealed.push({ at: clock.now(), octets: value });
      }
    } catch (error) {
      return error;
    }
  };
  const failure = await clock.run(answer());
  const interims: number[] = [];
  const opening = decodeBhttpResponse(
    sealedRequest.openResponse(streamOf(...sealed.map(({ octets }) => octets))),
    {
      maxHeaderBytes: 32_768,
      onInformational: (status) => interims.push(status),
    },
  );
  const decoded = await opening.catch(() => undefined);
  const body = decoded === undefined ? undefined : await drain(decoded.body);
  return {
    sealed,
    sizes: sealed.slice(1, -1).map(({ octets }) => octets.length - 18),
    outcome,
    interims,
    status: decoded?.status ?? 0,
    body: body?.octets ?? new Uint8Array(0),
    error: failure ?? body?.error,
  };
}
