// `node test/bench/profile-adapter.ts`: where the adapter's time goes for each sealed request, by area, from V8's own samples.

import { once } from 'node:events';
import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { startSealedTarget } from './adapter.ts';

/** First match counts: the innermost function of a sample, then its callers outwards, until one belongs to an area. */
const AREAS: readonly (readonly [area: string, pattern: RegExp])[] = [
  ['garbage collection', /^\(garbage collector\)/],
  ['sockets: the write of the answer', /^(writev|writeUtf8String|writeLatin1String|writeBuffer) /],
  ['KEM: decapsulation and X25519', /node-hybrid-kem|node-x25519/],
  ['HMAC, HKDF, key schedule', /node-hkdf|nm\/hpke/],
  ['AES-GCM', /node-crypto-provider/],
  ['admission ticket', /adapter\/admission|wire\/ticket|base64url/],
  ['request: reading JSON, limits, dialects', /adapter\/(limits|dialects)/],
  ['sealing: framing, binary HTTP', /shared\/sealing/],
  ['adapter', /backend\/adapter/],
  ['HTTP: parser, requests, responses', /node:_http|node:net|stream_base|internal\/streams/],
  ['web streams', /webstreams|undici/],
];

interface Frame {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

const target = await startSealedTarget();
const sender = new Worker(fileURLToPath(new URL('./adapter.ts', import.meta.url)), {
  workerData: { send: target },
});
await once(sender, 'message');
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: 200 });
await session.post('Profiler.start');
const before = process.threadCpuUsage();
sender.postMessage('go');
const [requests] = (await once(sender, 'message')) as [number];
const { user, system } = process.threadCpuUsage(before);
const { profile } = await session.post('Profiler.stop');
const frames = profile.nodes as readonly Frame[];
const parents = new Map(frames.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id])));
const byId = new Map(frames.map((frame) => [frame.id, frame]));
const spent = new Map<string, number>();
let total = 0;
(profile.samples ?? []).forEach((id, i) => {
  const area = areaOf(id);
  if (area === undefined) return;
  const microseconds = profile.timeDeltas?.[i] ?? 0;
  total += microseconds;
  spent.set(area, (spent.get(area) ?? 0) + microseconds);
});
process.stdout.write(`${((user + system) / requests).toFixed(0)} µs of processor time a request\n`);
for (const [area, microseconds] of [...spent].sort((a, b) => b[1] - a[1]))
  process.stdout.write(`${((100 * microseconds) / total).toFixed(1).padStart(6)} %  ${area}\n`);
process.exit(0);

/** Undefined for waiting. */
function areaOf(id: number): string | undefined {
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
    const frame = byId.get(at)?.callFrame;
    if (frame?.functionName === '(idle)') return undefined;
    const name = `${frame?.functionName} ${frame?.url.replace(/.*node_modules\//, 'nm/')}`;
    const found = AREAS.find(([, pattern]) => pattern.test(name));
    if (found !== undefined) return found[0];
  }
  return 'the rest of the runtime';
}
