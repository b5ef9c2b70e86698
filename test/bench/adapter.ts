// Sealed requests through the adapter with an engine that answers at once, over HTTP on loopback.

import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { serve } from '@hono/node-server';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import { encodeBhttpRequest } from '../../shared/sealing/bhttp-request.ts';
import { sealRequest } from '../../shared/sealing/seal-request.ts';
import { HYBRID_SUITE } from '../../shared/sealing/suite.ts';
import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';
import { startLoopbackAdapter } from './loopback-adapter.ts';
import { type FigureGroup, figure } from './measure.ts';

const REQUESTS = 3000;
const WARM_UP = 500;
const AT_ONCE = 16;
const QUESTION = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(600) }] });
const ANSWER = toUtf8(JSON.stringify({ choices: [{ message: { content: 'y'.repeat(600) } }] }));

interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Figure `adapter-requests`: requests each second that the adapter's thread had a processor. Its floor is an HTTP
 * server in its place that reads as much and answers as much, unsealed.
 */
export const adapterFigures: FigureGroup = async function* () {
  const sealed = await busySecondsPerRequest('sealed');
  const plain = await busySecondsPerRequest('plain');
  yield figure('adapter-requests', 1 / sealed, 'requests/s', 1 / plain);
};

async function busySecondsPerRequest(kind: 'sealed' | 'plain'): Promise<number> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: kind });
  try {
    const [{ target, bodies }] = (await once(worker, 'message')) as [{ target: Target; bodies: Bytes[] }];
    await send(target, bodies.slice(0, WARM_UP));
    const before = await busyMicroseconds(worker);
    await send(target, bodies.slice(WARM_UP));
    return ((await busyMicroseconds(worker)) - before) / 1e6 / REQUESTS;
  } finally {
    await worker.terminate();
  }
}

async function busyMicroseconds(worker: Worker): Promise<number> {
  worker.postMessage('busy?');
  const [microseconds] = (await once(worker, 'message')) as [number];
  return microseconds;
}

async function send({ url, headers }: Target, bodies: readonly Bytes[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const left = [...bodies];
  const one = async (): Promise<void> => {
    for (let body = left.pop(); body !== undefined; body = left.pop()) {
      const outgoing = request(url, {
        agent,
        method: 'POST',
        headers: { ...headers, 'content-length': body.length },
      });
      outgoing.end(body);
      const [response] = await once(outgoing, 'response');
      if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
      response.resume();
      await once(response, 'end');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  agent.destroy();
}

/** An adapter that listens in this thread, and requests sealed for it. */
export async function startSealedTarget(): Promise<{ target: Target; bodies: Bytes[] }> {
  const adapter = await startLoopbackAdapter({
    suites: [HYBRID_SUITE],
    respond: () => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: oncePlain(ANSWER.slice()),
    }),
  });
  const bodies = await sealMany(adapter.key.config);
  const headers = { ...adapter.headers, 'content-type': MEDIA_TYPE.chunkedRequest };
  return { target: { url: adapter.url, headers }, bodies };
}

/** A body that is there at once, as the engine's client gives it, and not around a web Response, which would be measured too. */
function oncePlain(octets: Bytes): ReadableStream<Bytes> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(octets);
      controller.close();
    },
  });
}

async function sealMany(config: Parameters<typeof sealRequest>[0]['config']): Promise<Bytes[]> {
  const plaintext = encodeBhttpRequest({
    method: 'POST',
    scheme: 'https',
    authority: 'cloister.invalid',
    path: '/v1/chat/completions',
    headers: [['content-type', 'application/json']],
    body: toUtf8(QUESTION),
    paddedLength: 1024,
  });
  const bodies: Bytes[] = [];
  for (let i = 0; i < WARM_UP + REQUESTS; i++) {
    const { body } = await sealRequest({
      config,
      suite: HYBRID_SUITE,
      plaintext,
      provider: nodeCryptoProvider,
    });
    bodies.push(new Uint8Array(await new Response(body).arrayBuffer()));
  }
  return bodies;
}

async function servePlain(): Promise<void> {
  const server = serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (incoming: Request) => {
      await incoming.arrayBuffer();
      return new Response(new Response(ANSWER.slice()).body);
    },
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a port was asked for');
  const body = new Uint8Array(2200);
  const bodies = Array.from({ length: WARM_UP + REQUESTS }, () => body);
  parentPort?.postMessage({ target: { url: `http://127.0.0.1:${address.port}/`, headers: {} }, bodies });
}

/** Sends from a thread of its own: what warms up at once, the rest when told. */
async function sendFor({ target, bodies }: { target: Target; bodies: Bytes[] }): Promise<void> {
  await send(target, bodies.slice(0, WARM_UP));
  parentPort?.postMessage('warm');
  if (parentPort !== null) await once(parentPort, 'message');
  await send(target, bodies.slice(WARM_UP));
  parentPort?.postMessage(bodies.length - WARM_UP);
}

if (!isMainThread) {
  if (typeof workerData === 'object') await sendFor(workerData.send);
  else {
    if (workerData === 'sealed') parentPort?.postMessage(await startSealedTarget());
    else await servePlain();
    parentPort?.on('message', () => {
      const { user, system } = process.threadCpuUsage();
      parentPort?.postMessage(user + system);
    });
  }
}
