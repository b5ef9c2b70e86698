// The whole path in one process: client, an edge that can be told to misbehave, adapters over node:crypto, and an engine of three lines.

import { randomBytes } from 'node:crypto';
import { Admission } from '../../../../backend/adapter/admission.ts';
import { createAdapter } from '../../../../backend/adapter/create-adapter.ts';
import { GenerationMemory } from '../../../../backend/adapter/generation-memory.ts';
import { ReplayMemory } from '../../../../backend/adapter/replay-memory.ts';
import type { Engine, EngineRequest, EngineResponse } from '../../../../backend/engine/engine.ts';
import { type EpochLengths, EpochSchedule } from '../../../../backend/enrolment/epoch-schedule.ts';
import { type Epoch, makeEpoch } from '../../../../backend/enrolment/make-epoch.ts';
import type { Scheduler } from '../../../../backend/enrolment/scheduler.ts';
import { nodeCryptoProvider } from '../../../../backend/keys/node-crypto-provider.ts';
import type { NodeEvent } from '../../../../backend/node-event.ts';
import { createSimulatedTee } from '../../../../backend/tee/simulated/tee.ts';
import { toBase64url } from '../../../../shared/bytes/base64url.ts';
import { sha256 } from '../../../../shared/bytes/digest.ts';
import { type Cloister, createCloister } from '../../../../shared/client/create-cloister.ts';
import { encodeDeployment } from '../../../../shared/manifest/deployment.ts';
import type { SealingProvider } from '../../../../shared/sealing/provider.ts';
import { webCryptoProvider } from '../../../../shared/sealing/webcrypto-provider.ts';
import type { Policy } from '../../../../shared/verifier/policy.ts';
import { splitKeyList } from '../../../../shared/wire/key-list.ts';
import { type PublicErrorCode, publicErrorResponse } from '../../../../shared/wire/public-error.ts';
import { DIRECTORY_PATH, GATEWAY_PATH } from '../../../../shared/wire/routes.ts';
import { importTicketKey, makeTicket } from '../../../../shared/wire/ticket.ts';
import {
  deployment,
  measurement,
  random,
  simulatedNode,
  testPlatform,
  now as verifiedAt,
} from '../../../backend/tee/simulated-node.ts';
import { offerOf } from '../../../harness/offer.ts';

export const ORIGIN = 'https://edge.example';
export const NEVER: Scheduler = { after: () => () => {} };

/** A clock that stands until it is told to run; timers fire on the way, in order. */
export class FakeClock implements Scheduler {
  #milliseconds = 0;
  readonly #timers = new Set<{ readonly at: number; readonly action: () => void }>();

  get now(): Date {
    return new Date(verifiedAt.getTime() + this.#milliseconds);
  }

  after(milliseconds: number, action: () => void): () => void {
    const timer = { at: this.#milliseconds + milliseconds, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  pass(seconds: number): void {
    const end = this.#milliseconds + seconds * 1000;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#milliseconds = Math.max(this.#milliseconds, next.at);
      next.action();
    }
    this.#milliseconds = end;
  }
}

export type Answer = (request: EngineRequest) => Promise<EngineResponse> | EngineResponse;

/** A JSON answer, whole. */
export function json(body: unknown, status = 200): EngineResponse {
  const octets = new TextEncoder().encode(JSON.stringify(body));
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: new ReadableStream({
      start(controller) {
        controller.enqueue(octets);
        controller.close();
      },
    }),
  };
}

/** An engine that answers when `finish` is called, and ends when the request is aborted. */
export function slowAnswer(): { answer: Answer; finish: () => void; began: Promise<void> } {
  let finish = (): void => {};
  let begin = (): void => {};
  const began = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return {
    began,
    finish,
    answer: ({ signal }) =>
      new Promise((resolve, reject) => {
        begin();
        signal?.addEventListener('abort', () => reject(new Error('aborted')));
        void finished.then(() => resolve(json({ slow: true })));
      }),
  };
}

export interface NodeOptions {
  readonly answer?: Answer;
  readonly lengths?: EpochLengths;
  readonly scheduler?: Scheduler;
  readonly now?: () => Date;
  readonly replayEntries?: number;
  readonly provider?: SealingProvider;
}

/** A node with everything real but its engine. */
export async function startNode(options: NodeOptions = {}) {
  const { parts } = await simulatedNode();
  const now = options.now ?? (() => verifiedAt);
  const lengths = options.lengths ?? { seconds: 3600, overlapSeconds: 3600 };
  const provider = options.provider ?? nodeCryptoProvider;
  const tee = createSimulatedTee({ platform: await testPlatform(), measurement });
  const identity = {
    node: random(16),
    role: 'worker' as const,
    receiptPublicKey: random(32),
    manifest: parts.manifest,
    deployment: encodeDeployment(deployment),
    probeDigest: random(32),
  };
  const replays = new ReplayMemory(options.replayEntries ?? 1000, random);
  const generations = new GenerationMemory(1000, random);
  const erased: Epoch[] = [];
  const listeners: (() => void)[] = [];
  const epochs = await EpochSchedule.begin(
    (order) => makeEpoch(identity, { tee, provider, random, now: now(), ...order }),
    lengths,
    {
      onChanged: () => {
        for (const listener of listeners) listener();
      },
      onStarted: () => {},
      onErased: (epoch) => {
        erased.push(epoch);
        for (const key of epoch.keys) replays.forget(key.config.keyId);
        generations.forget(epoch.coreDigest);
      },
    },
    options.scheduler ?? NEVER,
  );
  const admission = new Admission();
  const ticketKey = random(32);
  await admission.renew(ticketKey);
  const events: NodeEvent[] = [];
  const requests: EngineRequest[] = [];
  const engine = {
    async request(request: EngineRequest): Promise<EngineResponse> {
      requests.push(request);
      return (node.answer ?? (() => json({ ok: true })))(request);
    },
  } as Engine;
  const adapter = createAdapter({
    opening: {
      findKey: (keyId) => epochs.find(keyId),
      replays,
      provider,
      random,
      now,
      onReplayTableFull: (keyId) => epochs.rotateAway(keyId),
    },
    admission,
    generations,
    engine,
    offer: offerOf(deployment.routes),
    keyList: () => epochs.current.keyList,
    node: toBase64url(identity.node),
    bundle: () => epochs.current.bundle,
    slots: 4,
    log: (event) => events.push(event),
  });
  const node = {
    id: toBase64url(identity.node),
    answer: options.answer,
    /** What the engine was asked. */
    requests,
    events,
    epochs,
    erased,
    replays,
    generations,
    onChanged: (listener: () => void) => listeners.push(listener),
    /** The adapter for a server of Node's. */
    listener: adapter.listener,
    /** A ticket that admits a request. */
    ticket: async (maxRequestBytes = 1 << 20): Promise<string> =>
      makeTicket(await importTicketKey(ticketKey), {
        account: 'acct',
        request: 'req',
        maxRequestBytes,
        expires: Math.floor(now().getTime() / 1000) + 60,
      }),
    /** POSTs sealed octets as the relay does; `ticket` replaces a good one. */
    async post(
      body: Uint8Array<ArrayBuffer> | ArrayBuffer | ReadableStream<Uint8Array>,
      type: string,
      ticket?: string,
      maxRequestBytes = 1 << 20,
    ): Promise<Response> {
      return adapter.fetch(
        new Request(`http://node${GATEWAY_PATH}`, {
          method: 'POST',
          body,
          headers: {
            'content-type': type,
            'cloister-ticket': ticket ?? (await node.ticket(maxRequestBytes)),
          },
          duplex: 'half',
        } as RequestInit),
      );
    },
  };
  return node;
}

export type TestNode = Awaited<ReturnType<typeof startNode>>;

/** What the edge does with one sealed request instead of forwarding it. */
export type Fault = (forward: () => Promise<Response>, node: TestNode | undefined) => Promise<Response>;

/** An edge that keeps what the nodes registered, routes by key digest, and plays the faults that a test queues. */
export class FakeEdge {
  readonly faults: Fault[] = [];
  readonly calls: string[] = [];
  readonly #nodes = new Map<
    string,
    { node: TestNode; keys: string[]; others: string[]; bundle: Uint8Array<ArrayBuffer> }
  >();

  async register(node: TestNode): Promise<void> {
    const digests = async ({ keyList }: Epoch) =>
      Promise.all(splitKeyList(keyList).map(async ({ config }) => toBase64url(await sha256(config))));
    const { current, others } = node.epochs;
    this.#nodes.set(node.id, {
      node,
      keys: await digests(current),
      others: (await Promise.all(others.map(digests))).flat(),
      bundle: current.bundle,
    });
  }

  remove(node: TestNode): void {
    this.#nodes.delete(node.id);
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const { pathname } = new URL(request.url);
    this.calls.push(`${request.method} ${pathname}`);
    if (pathname === DIRECTORY_PATH)
      return Response.json({
        nodes: [...this.#nodes].map(([node, { keys }]) => ({ node, keys })),
      });
    if (pathname.startsWith(`${DIRECTORY_PATH}/`)) {
      const entry = this.#nodes.get(pathname.slice(DIRECTORY_PATH.length + 1));
      return entry === undefined ? publicErrorResponse('not_found') : new Response(entry.bundle);
    }
    const digest = request.headers.get('cloister-key') ?? '';
    const body = await request.arrayBuffer();
    const type = request.headers.get('content-type') ?? '';
    const entry = [...this.#nodes.values()].find(
      ({ keys, others }) => keys.includes(digest) || others.includes(digest),
    );
    const forward = async (): Promise<Response> => {
      if (this.#nodes.size === 0) return publicErrorResponse('no_node_available');
      if (entry === undefined) return publicErrorResponse('key_unknown');
      return entry.node.post(body, type);
    };
    const fault = this.faults.shift();
    const response = await (fault === undefined ? forward() : fault(forward, entry?.node));
    request.signal.throwIfAborted();
    return response;
  };

  /** Sealed requests seen. */
  get posts(): number {
    return this.calls.filter((call) => call.startsWith('POST')).length;
  }
}

/** The edge answers with a public error and forwards nothing. */
export const refuse =
  (code: PublicErrorCode): Fault =>
  async () =>
    publicErrorResponse(code);

/** The edge forwards, lets the node answer wholly, and then says 502. */
export const loseAnswer: Fault = async (forward) => {
  const response = await forward();
  await response.arrayBuffer();
  return publicErrorResponse('node_unreachable');
};

/** The edge forwards, drops the connection to the node at once, and then says 502. */
export const dropNode: Fault = async (forward) => {
  const response = await forward();
  await response.body?.cancel();
  return publicErrorResponse('node_unreachable');
};

/** No edge there. */
export const reset: Fault = async () => {
  throw new TypeError('fetch failed');
};

export async function testPolicy(): Promise<Policy> {
  return (await simulatedNode()).policy;
}

/** A client of this edge, whose waits take no time and are noted in `waits`. */
export async function connect(
  edge: FakeEdge,
  options: { now?: () => Date; waits?: number[]; provider?: SealingProvider } = {},
): Promise<Cloister> {
  return createCloister({
    baseURL: ORIGIN,
    apiKey: 'sk-test',
    policy: await testPolicy(),
    fetch: edge.fetch,
    now: options.now ?? (() => verifiedAt),
    provider: options.provider ?? webCryptoProvider,
    sleep: async (milliseconds, signal) => {
      signal.throwIfAborted();
      options.waits?.push(milliseconds);
    },
  });
}

/** A chat request, as an SDK would make it. */
export function chat(
  text = randomBytes(6).toString('hex'),
  headers: Record<string, string> = {},
): [string, RequestInit] {
  return [
    `${ORIGIN}/v1/chat/completions`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ messages: [{ role: 'user', content: text }] }),
    },
  ];
}

/** The code of an OpenAI-shaped error. */
export async function codeOf(response: Response): Promise<string | undefined> {
  return ((await response.json()) as { error?: { code?: string } }).error?.code;
}
