// The node's adapter on loopback with an engine that answers at once: what is left is sealing and HTTP.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Admission } from '../../backend/adapter/admission.ts';
import type { Pacing } from '../../backend/adapter/answer-request.ts';
import { createAdapter } from '../../backend/adapter/create-adapter.ts';
import { GenerationMemory } from '../../backend/adapter/generation-memory.ts';
import { ReplayMemory } from '../../backend/adapter/replay-memory.ts';
import type { Engine, EngineRequest, EngineResponse } from '../../backend/engine/engine.ts';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { type GatewayKey, generateGatewayKey } from '../../shared/sealing/gateway-key.ts';
import { encodeKeyConfigList } from '../../shared/sealing/key-config.ts';
import type { Suite } from '../../shared/sealing/suite.ts';
import { OUTER_HEADER } from '../../shared/wire/header-names.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import { GATEWAY_PATH } from '../../shared/wire/routes.ts';
import { importTicketKey, makeTicket } from '../../shared/wire/ticket.ts';
import { offerOf } from '../harness/offer.ts';

const ROUTE = 'POST /v1/chat/completions';
const TICKET_LIFE_SECONDS = 3600;
const REPLAY_ENTRIES = 1_000_000;

/** An adapter that listens. */
export interface LoopbackAdapter {
  /** Where sealed requests go. */
  readonly url: string;
  readonly key: GatewayKey;
  /** `application/ohttp-keys`. */
  readonly keyList: Bytes;
  /** What the relay would add: a ticket that admits everything for an hour. */
  readonly headers: Readonly<Record<string, string>>;
  close(): void;
}

/** Starts one on a free port of loopback. `respond` stands for the engine. */
export async function startLoopbackAdapter(options: {
  readonly suites: readonly Suite[];
  readonly respond: (request: EngineRequest) => EngineResponse | Promise<EngineResponse>;
  readonly pacing?: Pacing;
}): Promise<LoopbackAdapter> {
  const random = nodeCryptoProvider.random;
  const key = await generateGatewayKey({ keyId: 1, suites: options.suites, provider: nodeCryptoProvider });
  const ticketKey = new Uint8Array(randomBytes(32));
  const admission = new Admission();
  await admission.renew(ticketKey);
  const keyList = encodeKeyConfigList([key.config]);
  // Of an engine the adapter only uses this.
  const engine = { request: async (request: EngineRequest) => options.respond(request) } as Partial<Engine>;
  const adapter = createAdapter({
    opening: {
      findKey: (keyId) => (keyId === 1 ? { key, coreDigest: 'none' } : undefined),
      replays: new ReplayMemory(REPLAY_ENTRIES, random),
      provider: nodeCryptoProvider,
      random,
      now: () => new Date(),
      onReplayTableFull: () => undefined,
    },
    admission,
    generations: new GenerationMemory(REPLAY_ENTRIES, random),
    engine: engine as Engine,
    offer: offerOf([ROUTE]),
    keyList: () => keyList,
    node: 'none',
    bundle: () => new Uint8Array(0),
    slots: 64,
    ...(options.pacing && { pacing: options.pacing }),
    log: () => undefined,
  });
  const server = createServer(adapter.listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const ticket = await makeTicket(await importTicketKey(ticketKey), {
    account: 'loopback',
    request: 'loopback',
    maxRequestBytes: LIMIT.sealedRequestBytes,
    expires: Math.floor(Date.now() / 1000) + TICKET_LIFE_SECONDS,
  });
  return {
    url: `http://127.0.0.1:${port}${GATEWAY_PATH}`,
    key,
    keyList,
    headers: { [OUTER_HEADER.ticket]: ticket },
    close: () => void server.close(),
  };
}
