// A secret in the prompt and in the answer: searched for in every octet that the edge had and in every file that was written.

import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FOLDER } from '../../deploy/local/folders.ts';
import { BROTLI, DISGUISES, findSecret } from '../harness/find-secret.ts';
import { RecordingProxy } from '../harness/recording-proxy.ts';
import { runEdge } from '../harness/run-edge.ts';
import { MODEL, startWholeSystem, until, type WholeSystem } from '../harness/whole-system.ts';

const LARGEST_FILE_OCTETS = 64 * 1024 * 1024;
/** Packages and history: nothing that runs may write there, and it is large. Their newest files are looked for all the same. */
const SKIPPED = new Set(['node_modules', '.git']);

const secretIn = (place: string) => `${place}-${randomBytes(12).toString('hex')}-Zq9`;
const PROMPT = secretIn('prompt');
const ANSWER = secretIn('answer');
const CANARY = secretIn('canary');

let system: WholeSystem;
let startedAt: number;

beforeAll(async () => {
  startedAt = Date.now();
  system = await startWholeSystem();
  await askWithSecrets();
}, 60_000);
afterAll(() => system?.stop());

/** Streamed and whole, on both nodes: the prompt holds one secret, and a schema forces the other into the answer. */
async function askWithSecrets(): Promise<void> {
  for (const node of system.nodes)
    for (const stream of [true, false]) {
      const cloister = system.clientOf(node);
      const openai = new OpenAI({ baseURL: cloister.baseURL, apiKey: 'unused', fetch: cloister.fetch });
      const asked = {
        model: MODEL,
        messages: [{ role: 'user' as const, content: `Keep this: ${PROMPT}` }],
        response_format: {
          type: 'json_schema' as const,
          json_schema: { name: 'kept', schema: { type: 'object', properties: { kept: { const: ANSWER } } } },
        },
      };
      let text = '';
      if (stream)
        for await (const event of await openai.chat.completions.create({ ...asked, stream }))
          text += event.choices[0]?.delta.content ?? '';
      else {
        const whole = await openai.chat.completions.create({ ...asked, stream });
        text = whole.choices[0]?.message.content ?? '';
      }
      expect(text).toContain(ANSWER);
    }
}

/** Every octet that crossed the edge's border, by direction. */
const crossings = (): [string, Buffer][] => [
  ['received from clients and nodes', system.front.up],
  ['sent to clients and nodes', system.front.down],
  ...system.nodes.flatMap(({ hop }, index): [string, Buffer][] => [
    [`sent to node ${index}`, hop.up],
    [`received from node ${index}`, hop.down],
  ]),
];

/** Regular files below a folder that changed since `since`. */
async function filesUnder(folder: string, since: number): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) found.push(...(await filesUnder(path, since)));
    else if (entry.isFile()) {
      const state = await stat(path).catch(() => undefined);
      if (state && state.mtimeMs >= since - 1_000 && state.size <= LARGEST_FILE_OCTETS) found.push(path);
    }
  }
  return found;
}

/** Files that a process holds open, deleted and memory-only ones too: nothing may hide where no path leads. */
async function openFilesOf(pid: number): Promise<[string, Buffer][]> {
  const found: [string, Buffer][] = [];
  for (const number of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const path = `/proc/${pid}/fd/${number}`;
    try {
      const target = readlinkSync(path);
      const { size } = await stat(path);
      if (!/^\/(?!dev\/|proc\/|sys\/)|^\/memfd:/.test(target) || size > LARGEST_FILE_OCTETS) continue;
      found.push([target, readFileSync(path)]);
    } catch {
      // Closed meanwhile, or not readable as a file.
    }
  }
  return found;
}

/** Which of the files hold a secret, with the form that it has there. */
async function search(paths: readonly string[], secret: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const octets = await readFile(path).catch(() => Buffer.alloc(0));
    found.push(...findSecret(octets, secret).map((form) => `${form}: ${path}`));
  }
  return found;
}

const WRITABLE_PLACES = [tmpdir(), '/tmp', '/var/tmp', '/dev/shm', FOLDER.root];

describe.each([
  ['prompt', PROMPT],
  ['answer', ANSWER],
])('the secret in the %s', (_, secret) => {
  test('is in no octet that the edge received or sent', () => {
    for (const [name, octets] of crossings()) {
      expect(octets.length, name).toBeGreaterThan(1_000);
      expect(findSecret(octets, secret), name).toEqual([]);
    }
  });

  test('is in nothing that the edge logged', () => {
    expect(system.edge.printed().toString()).toContain('"route":"gateway"');
    expect(findSecret(system.edge.printed(), secret)).toEqual([]);
  });

  test('is in nothing that the edge stored', async () => {
    const stored = await filesUnder(system.edgeFolder, 0);
    expect(stored.join()).toMatch(/\.sqlite/);
    expect(await search(stored, secret)).toEqual([]);
  });

  test('is in nothing that the nodes logged', () => {
    const lines = system.nodes.map(({ events }) => JSON.stringify(events)).join('\n');
    expect(lines).toContain('request_answered');
    expect(findSecret(Buffer.from(lines), secret)).toEqual([]);
  });

  test('is in no file written since the start, nor in one that node or engine holds open', async () => {
    const places = [...new Set(WRITABLE_PLACES)];
    const written = (await Promise.all(places.map((place) => filesUnder(place, startedAt)))).flat();
    expect(written.some((path) => path.startsWith(system.folder))).toBe(true);
    expect(await search(written, secret)).toEqual([]);
    for (const { pid, enginePid } of system.nodes)
      for (const process of [pid, enginePid])
        for (const [name, octets] of await openFilesOf(process))
          expect(findSecret(octets, secret), name).toEqual([]);
  });
});

// A search that finds nothing proves something only when it finds what was planted, in each disguise and each place.
describe('the same search finds a canary', () => {
  const disguises = [...DISGUISES, BROTLI];

  test.each(disguises.map((disguise) => [disguise.name, disguise] as const))(
    'that crosses the border of the edge as %s',
    async (name, { apply }) => {
      const planted = apply(CANARY);
      await fetch(`${system.origin}/v1/chat/completions`, { method: 'POST', body: new Uint8Array(planted) });
      await until(() => findSecret(system.front.up, CANARY).includes(name));
      const answering = createServer((_, response) => response.end(planted)).listen(0, '127.0.0.1');
      const proxy = await RecordingProxy.start();
      try {
        await until(() => answering.listening);
        proxy.targetPort = (answering.address() as AddressInfo).port;
        await (await fetch(proxy.origin)).arrayBuffer();
        expect(findSecret(proxy.down, CANARY)).toContain(name);
      } finally {
        await proxy.close();
        answering.closeAllConnections();
        answering.close();
      }
    },
  );

  test('that a Worker logs, or keeps in its Durable Object', async () => {
    const stateFolder = join(system.folder, 'careless');
    const careless = await runEdge({ source: CARELESS_WORKER, bindings: {}, stateFolder });
    try {
      for (const { name, isText, apply } of DISGUISES) {
        const planted = apply(CANARY);
        const log = isText ? '?log' : '';
        await fetch(`http://127.0.0.1:${careless.port}/${log}`, {
          method: 'POST',
          body: new Uint8Array(planted),
        });
        if (isText) await until(() => findSecret(careless.printed(), CANARY).includes(name));
        const stored = (await search(await filesUnder(stateFolder, startedAt), CANARY)).join('\n');
        expect(stored).toContain(`${name}: `);
      }
    } finally {
      await careless.stop();
    }
  });

  test('in a file, wherever a node could write one', async () => {
    const places = [system.folder, join(system.folder, 'node-0'), tmpdir(), '/var/tmp', FOLDER.root];
    for (const place of places) {
      const folder = join(place, `.cloister-canary-${process.pid}`);
      await mkdir(folder);
      try {
        for (const [index, { apply }] of disguises.entries())
          await writeFile(join(folder, `${index}`), apply(CANARY));
        const found = (await search(await filesUnder(place, startedAt), CANARY)).join('\n');
        for (const [index, { name }] of disguises.entries())
          expect(found).toContain(`${name}: ${join(folder, `${index}`)}`);
      } finally {
        await rm(folder, { recursive: true });
      }
    }
  });
});

const CARELESS_WORKER = `
import { DurableObject } from 'cloudflare:workers';
export class Pool extends DurableObject {
  keep(octets) {
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS kept (octets BLOB)');
    this.ctx.storage.sql.exec('INSERT INTO kept VALUES (?)', octets);
  }
}
export default {
  async fetch(request, env) {
    const octets = await request.arrayBuffer();
    if (request.url.endsWith('?log')) console.log(new TextDecoder().decode(octets));
    await env.POOL.getByName('pool').keep(octets);
    return new Response();
  },
};`;
