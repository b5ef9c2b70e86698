// The node's HTTP face: one sealed route, the key list, liveness. Everything else answers that it takes sealed requests only.

import { Hono } from 'hono';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { INNER_HEADER, OUTER_HEADER } from '../../shared/wire/header-names.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import { MEDIA_TYPE, sealedRequestType } from '../../shared/wire/media-types.ts';
import { publicErrorResponse } from '../../shared/wire/public-error.ts';
import { DIRECTORY_PATH, GATEWAY_PATH, HEALTH_PATH, INFERENCE_PREFIX } from '../../shared/wire/routes.ts';
import type { Engine, EngineRequest, EngineResponse, Tenant } from '../engine/engine.ts';
import type { EngineService } from '../engine/engine-service.ts';
import { type LogEvent, roundUpToPowerOfTwo } from '../node-event.ts';
import type { Admission } from './admission.ts';
import { type AnswerOutcome, answerRequest, type Pacing } from './answer-request.ts';
import type { Offer } from './dialects/translation.ts';
import type { Claim, GenerationMemory } from './generation-memory.ts';
import { headerValue, type OpenedRequest, type Opening, openRequest } from './open-request.ts';
import { Refusal } from './refusal.ts';

/** What the adapter is made of. */
export interface AdapterParts {
  readonly opening: Opening;
  readonly admission: Admission;
  readonly generations: GenerationMemory;
  /** Where `isAccepting` is false, requests are refused unsealed, before they are opened: nothing was started. */
  readonly engine: Answering;
  /** The attested surface, and what the engine is. */
  readonly offer: Offer;
  /** The current `application/ohttp-keys` list. */
  readonly keyList: () => Bytes;
  /** base64url node id. */
  readonly node: string;
  /** The current attestation bundle. */
  readonly bundle: () => Bytes;
  /** Most requests answered at once; the load header is relative to it. */
  readonly slots: number;
  /** What is hidden of the length and rhythm of answers; DEFAULT_PACING when absent. */
  readonly pacing?: Pacing;
  readonly log: LogEvent;
}

type Answering = Pick<Engine, 'request'> & Partial<Pick<EngineService, 'isAccepting'>>;

interface ClaimedRequest {
  readonly opened: OpenedRequest;
  readonly claim: Claim | undefined;
  /** The account handle of its ticket. */
  readonly account: string;
}

/** The adapter as a Hono app; it starts no server and reads no clock of its own. */
export function createAdapter(parts: AdapterParts): Hono {
  const app = new Hono();
  let inFlight = 0;

  const isAccepting = (): boolean => parts.engine.isAccepting !== false;

  app.get(HEALTH_PATH, (c) =>
    isAccepting() ? c.json({ status: 'ok' }) : c.json({ status: 'unavailable' }, 503),
  );

  app.get(
    GATEWAY_PATH,
    () => new Response(parts.keyList(), { headers: { 'content-type': MEDIA_TYPE.keys } }),
  );

  // Evidence is public; a node hands out its own, so that it can be verified without a directory.
  app.get(`${DIRECTORY_PATH}/:node`, (c) => {
    if (c.req.param('node') !== parts.node) return publicErrorResponse('not_found');
    return new Response(parts.bundle(), {
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    });
  });

  app.post(GATEWAY_PATH, async (c) => {
    const request = c.req.raw;
    const type = sealedRequestType(request.headers.get('content-type'));
    try {
      if (type === undefined || request.body === null) throw new Refusal('unsealed_request');
      const ticket = request.headers.get(OUTER_HEADER.ticket) ?? undefined;
      const { maxRequestBytes, account } = await parts.admission.check(ticket, parts.opening.now());
      if (!isAccepting()) throw new Refusal('no_node_available');
      const limit = Math.min(maxRequestBytes, LIMIT.sealedRequestBytes);
      if (Number(request.headers.get('content-length') ?? 0) > limit) throw new Refusal('request_too_large');
      return answer(claim(await openRequest(type, request.body, parts.opening, limit), account));
    } catch (error) {
      const code = error instanceof Refusal ? error.code : 'internal_error';
      parts.log({ event: 'request_refused', code, sealed: false });
      return publicErrorResponse(code);
    }
  });

  app.all(`${INFERENCE_PREFIX}*`, () => publicErrorResponse('unsealed_request'));
  app.notFound(() => publicErrorResponse('not_found'));
  app.onError(() => publicErrorResponse('internal_error'));
  return app;

  // One generation for each sealed idempotency key; a repeat is refused inside the seal.
  function claim(opened: OpenedRequest, account: string): ClaimedRequest {
    if (opened.refusal !== undefined) return { opened, account, claim: undefined };
    try {
      return { opened, account, claim: parts.generations.claim(opened.epoch, opened.inner) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { opened: { ...opened, refusal: error }, account, claim: undefined };
    }
  }

  function answer({ opened, claim, account }: ClaimedRequest): Response {
    const started = performance.now();
    const outcome: AnswerOutcome = { status: 0, outcome: 'complete' };
    const gone = new AbortController();
    const engine = noteAnswer(parts.engine, tenantOf(opened, account));
    const pieces = answerRequest(opened, engine, parts.offer, gone.signal, outcome, parts.pacing);
    let sealedOctets = 0;
    inFlight++;
    const finish = (): void => {
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
    let finished = false;
    const once = (): void => {
      if (finished) return;
      finished = true;
      finish();
    };
    const body = new ReadableStream<Bytes>({
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (done) {
            once();
            controller.close();
          } else {
            sealedOctets += value.length;
            controller.enqueue(value);
          }
        } catch (error) {
          // No final chunk was sealed, so whatever the transport makes of this, the client sees a truncated answer.
          once();
          controller.error(error);
        }
      },
      cancel() {
        outcome.outcome = 'client_gone';
        gone.abort();
        once();
      },
    });
    return new Response(body, {
      headers: {
        'content-type': opened.sealer.contentType,
        'cache-control': 'no-store',
        [OUTER_HEADER.incremental]: '?1',
        [OUTER_HEADER.load]: String(Math.round((100 * inFlight) / parts.slots)),
      },
    });
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
    ...engine,
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
