// The one sealed route, whatever carries it: from a call to the pieces of its sealed answer, or to a refusal before anything was started.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { OctetSource } from '../../shared/sealing/octet-reader.ts';
import { INNER_HEADER, OUTER_HEADER } from '../../shared/wire/header-names.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import { sealedRequestType } from '../../shared/wire/media-types.ts';
import type { Engine, EngineRequest, EngineResponse, Tenant } from '../engine/engine.ts';
import type { EngineService } from '../engine/engine-service.ts';
import { type LogEvent, roundUpToPowerOfTwo } from '../node-event.ts';
import type { Admission } from './admission.ts';
import { type AnswerOutcome, answerRequest, type Pacing } from './answer-request.ts';
import type { Offer } from './dialects/translation.ts';
import type { Claim, GenerationMemory } from './generation-memory.ts';
import { headerValue, type OpenedRequest, type Opening, openRequest } from './open-request.ts';
import { Refusal } from './refusal.ts';

/** What the route is made of. */
export interface SealedRouteParts {
  readonly opening: Opening;
  readonly admission: Admission;
  readonly generations: GenerationMemory;
  /** Where `isAccepting` is false, requests are refused unsealed, before they are opened: nothing was started. */
  readonly engine: Answering;
  /** The attested surface, and what the engine is. */
  readonly offer: Offer;
  /** Most requests answered at once; the load header is relative to it. */
  readonly slots: number;
  /** What is hidden of the length and rhythm of answers; DEFAULT_PACING when absent. */
  readonly pacing?: Pacing;
  readonly log: LogEvent;
}

/** What the adapter uses of an engine. */
export type Answering = Pick<Engine, 'request'> & Partial<Pick<EngineService, 'isAccepting'>>;

/** A request as its transport has it. Absent headers are undefined or null. */
export interface SealedCall {
  readonly contentType: string | null | undefined;
  readonly contentLength: string | null | undefined;
  readonly ticket: string | null | undefined;
  readonly body: OctetSource | undefined;
}

/** An answer that goes out with status 200. Whoever sends it either reads `next` to its end or calls `cancel`. */
export interface SealedAnswer {
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The next octets to send; undefined after the last. Rejects when the answer is cut: no final chunk was sealed, so whatever the
   * transport makes of it, the client sees a truncated answer.
   */
  next(): Promise<Bytes | undefined>;
  /** Nobody reads on: the engine stops. Without effect after the end. */
  cancel(): void;
}

/**
 * The route as a function.
 * @returns one that gives the answer to a call, or throws Refusal (and logs it) when the answer must be an unsealed error
 */
export function makeSealedRoute(parts: SealedRouteParts): (call: SealedCall) => Promise<SealedAnswer> {
  let inFlight = 0;

  return async (call) => {
    try {
      return await open(call);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal('internal_error');
      parts.log({ event: 'request_refused', code: refusal.code, sealed: false });
      throw refusal;
    }
  };

  async function open({ contentType, contentLength, ticket, body }: SealedCall): Promise<SealedAnswer> {
    const type = sealedRequestType(contentType ?? null);
    if (type === undefined || body === undefined) throw new Refusal('unsealed_request');
    const { maxRequestBytes, account } = await parts.admission.check(
      ticket ?? undefined,
      parts.opening.now(),
    );
    if (parts.engine.isAccepting === false) throw new Refusal('no_node_available');
    const limit = Math.min(maxRequestBytes, LIMIT.sealedRequestBytes);
    if (Number(contentLength ?? 0) > limit) throw new Refusal('request_too_large');
    return answer(await openRequest(type, body, parts.opening, limit), account);
  }

  function answer(received: OpenedRequest, account: string): SealedAnswer {
    const { opened, claim } = claimGeneration(received);
    const started = performance.now();
    const outcome: AnswerOutcome = { status: 0, outcome: 'complete' };
    const gone = new AbortController();
    const engine = noteAnswer(parts.engine, tenantOf(opened, account));
    const pieces = answerRequest(opened, engine, parts.offer, gone.signal, outcome, parts.pacing);
    let sealedOctets = 0;
    let finished = false;
    inFlight++;
    const finish = (): void => {
      if (finished) return;
      finished = true;
      inFlight--;
      // A refusal, a crash or a lost client before the engine's first word leaves nothing that could have been delivered.
      if (engine.hasAnswered) claim?.answered();
      else claim?.released();
      const milliseconds = Math.round(performance.now() - started);
      parts.log({
        event: 'request_answered',
        ...outcome,
        milliseconds,
        sealedOctets: roundUpToPowerOfTwo(sealedOctets),
      });
    };
    return {
      headers: {
        'content-type': opened.sealer.contentType,
        'cache-control': 'no-store',
        [OUTER_HEADER.incremental]: '?1',
        [OUTER_HEADER.load]: String(Math.round((100 * inFlight) / parts.slots)),
      },
      async next() {
        try {
          const { done, value } = await pieces.next();
          if (!done) {
            sealedOctets += value.length;
            return value;
          }
          finish();
          return undefined;
        } catch (error) {
          finish();
          throw error;
        }
      },
      cancel() {
        if (finished) return;
        outcome.outcome = 'client_gone';
        gone.abort();
        finish();
      },
    };
  }

  // One generation for each sealed idempotency key; a repeat is refused inside the seal.
  function claimGeneration(opened: OpenedRequest): { opened: OpenedRequest; claim: Claim | undefined } {
    if (opened.refusal !== undefined) return { opened, claim: undefined };
    try {
      return { opened, claim: parts.generations.claim(opened.epoch, opened.inner) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { opened: { ...opened, refusal: error }, claim: undefined };
    }
  }
}

function tenantOf({ inner }: OpenedRequest, account: string): Tenant {
  const session = headerValue(inner.headers, INNER_HEADER.session);
  return { account, ...(session !== undefined && { session }) };
}

/** The engine for one request of `tenant`, which tells whether it began an answer; an error status is none. */
function noteAnswer(engine: Answering, tenant: Tenant): Answering & { readonly hasAnswered: boolean } {
  let hasAnswered = false;
  return {
    get hasAnswered() {
      return hasAnswered;
    },
    async request(request: EngineRequest): Promise<EngineResponse> {
      const response = await engine.request({ ...request, tenant });
      hasAnswered ||= response.status < 400;
      return response;
    },
  };
}
