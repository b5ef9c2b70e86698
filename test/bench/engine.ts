// The real engine through client, HTTP and adapter, sealed, against the same engine called directly: time to first token and tokens a second.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_PACING, type Pacing } from '../../backend/adapter/answer-request.ts';
import { EngineCadence } from '../../backend/adapter/engine-cadence.ts';
import type { Engine } from '../../backend/engine/engine.ts';
import { startEngine } from '../../backend/engine/start-engine.ts';
import { DEFAULT_MODEL } from '../../backend/engine/weights/model-catalogue.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import { encodeBhttpRequest } from '../../shared/sealing/bhttp-request.ts';
import { decodeBhttpResponse } from '../../shared/sealing/bhttp-response.ts';
import { localProvider } from '../../shared/sealing/local-provider.ts';
import { sealRequest } from '../../shared/sealing/seal-request.ts';
import { HYBRID_SUITE } from '../../shared/sealing/suite.ts';
import { type LoopbackAdapter, startLoopbackAdapter } from './loopback-adapter.ts';
import { type FigureGroup, figure } from './measure.ts';

const PATH = '/v1/chat/completions';
const TURNS = 3;
const TOKENS = 48;
const MODEL_FILE = fileURLToPath(new URL(`../../.cloister/models/${DEFAULT_MODEL.file}`, import.meta.url));

interface Timing {
  /** Milliseconds from the request to its first token. */
  readonly first: number;
  readonly tokensPerSecond: number;
}
type Ask = (body: Bytes) => Promise<ReadableStream<Uint8Array>>;

/**
 * Figures `engine-first-token…` (ms) and `engine-tokens…` (tokens/s): the median of some turns, in which every way takes its own. As a node
 * is configured, and with length hiding off. The edge is not on the way: a worker adds its network's time, whatever the payload.
 */
export const engineFigures: FigureGroup = async function* () {
  if (!existsSync(MODEL_FILE)) {
    yield { name: 'engine', skipped: 'no model here; `npm run fetch-model` gets it' };
    return;
  }
  // The engine's own handles do not keep a process alive.
  const alive = setInterval(() => undefined, 1000);
  const runFolder = mkdtempSync(join(tmpdir(), 'bench-engine-'));
  const engine = await startEngine({
    driver: 'landlock',
    model: { id: DEFAULT_MODEL.id, path: MODEL_FILE, sha256: DEFAULT_MODEL.sha256 },
    threads: 1,
    sequences: 1,
    runFolder,
    random: (octets) => new Uint8Array(randomBytes(octets)),
  });
  const respond = engine.request.bind(engine);
  const start = (pacing: Pacing) => startLoopbackAdapter({ suites: [HYBRID_SUITE], respond, pacing });
  const hidden = await start({ ...DEFAULT_PACING, engineCadence: new EngineCadence() });
  const open = await start({ ...DEFAULT_PACING, padding: undefined });
  try {
    const ways = { direct: directly(engine), hidden: sealedBy(hidden), open: sealedBy(open) };
    const timings: Record<keyof typeof ways, Timing[]> = { direct: [], hidden: [], open: [] };
    for (let turn = -1; turn < TURNS; turn++)
      for (const way of ['direct', 'hidden', 'open'] as const) {
        const timing = await time(ways[way], turn);
        // The first turn warms up.
        if (turn >= 0) timings[way].push(timing);
      }
    const first = (way: keyof typeof ways) => median(timings[way].map((timing) => timing.first));
    const rate = (way: keyof typeof ways) => median(timings[way].map((timing) => timing.tokensPerSecond));
    yield figure('engine-first-token', first('hidden'), 'ms', first('direct'));
    yield figure('engine-tokens', rate('hidden'), 'tokens/s', rate('direct'));
    yield figure('engine-first-token-lengths-shown', first('open'), 'ms', first('direct'));
    yield figure('engine-tokens-lengths-shown', rate('open'), 'tokens/s', rate('direct'));
  } finally {
    hidden.close();
    open.close();
    await engine.stop();
    clearInterval(alive);
    rmSync(runFolder, { recursive: true });
  }
};

function directly(engine: Engine): Ask {
  return async (body) => {
    const headers = { 'content-type': 'application/json' };
    return (await engine.request({ method: 'POST', path: PATH, headers, body })).body;
  };
}

function sealedBy(adapter: LoopbackAdapter): Ask {
  return async (body) => {
    const plaintext = encodeBhttpRequest({
      method: 'POST',
      scheme: 'https',
      authority: 'cloister.invalid',
      path: PATH,
      headers: [['content-type', 'application/json']],
      body,
    });
    const { config } = adapter.key;
    const exchange = await sealRequest({ config, suite: HYBRID_SUITE, plaintext, provider: localProvider });
    const response = await fetch(adapter.url, {
      method: 'POST',
      headers: { ...adapter.headers, 'content-type': exchange.contentType },
      body: await new Response(exchange.body).arrayBuffer(),
    });
    if (response.body === null) throw new Error('no answer');
    return (await decodeBhttpResponse(exchange.openResponse(response.body), { maxHeaderBytes: 4096 })).body;
  };
}

async function time(ask: Ask, turn: number): Promise<Timing> {
  const question = `Write a long story about the number ${turn + 100}.`;
  const request = {
    model: DEFAULT_MODEL.id,
    messages: [{ role: 'user', content: question }],
    stream: true,
    max_tokens: TOKENS,
    temperature: 0,
  };
  const began = performance.now();
  let first = 0;
  let last = 0;
  let tokens = 0;
  let rest = '';
  const decoder = new TextDecoder();
  for await (const piece of await ask(toUtf8(JSON.stringify(request)))) {
    const now = performance.now();
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    const heard = lines.filter((line) => /"content":"[^"]/.test(line)).length;
    if (heard === 0) continue;
    if (tokens === 0) first = now;
    tokens += heard;
    last = now;
  }
  if (tokens < 2) throw new Error('no tokens');
  return { first: first - began, tokensPerSecond: ((tokens - 1) * 1000) / (last - first) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
