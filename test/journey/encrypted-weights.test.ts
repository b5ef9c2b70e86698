// A node whose weights reach it encrypted: it answers, and nothing of the weights or their key is on a disk, in a log or in a process's view.

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, readlinkSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isInMemory } from '../../backend/engine/weights/memory-folder.ts';
import { FOLDER } from '../../deploy/local/folders.ts';
import { startNode } from '../../deploy/local/start-node.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { formatWeightKey } from '../../shared/weights/weight-key.ts';
import { findSecret } from '../harness/find-secret.ts';
import { processTree } from '../harness/process-tree.ts';
import { makeRandomModel } from '../harness/random-model.ts';
import { MODEL, startWholeSystem, until, type WholeSystem } from '../harness/whole-system.ts';
import { seal } from '../shared/weights/in-memory.ts';

const random = (octets: number): Bytes => new Uint8Array(randomBytes(octets));
const CANARY = `weights-${randomBytes(16).toString('hex')}-Zq9`;
/** Files up to this size are searched for every disguise, larger ones for the canary as it is. */
const DISGUISED_OCTETS = 1 << 20;
const SKIPPED = new Set(['node_modules', '.git', 'target']);
const SHM = '/dev/shm';
const without = isInMemory(SHM) ? '' : ' (skipped: no tmpfs on /dev/shm)';

// Behind the last tensor, where llama.cpp maps it and does not look.
const model = Buffer.concat([makeRandomModel(), Buffer.from(CANARY)]);
const sha256 = createHash('sha256').update(model).digest('hex');
const key = random(32);
const keyText = formatWeightKey(key);
/** The key as text is searched for by its random part. */
const KEY = keyText.trim().slice(-43);

let folder: string;
let system: WholeSystem;
let startedAt: number;

beforeAll(async () => {
  if (without !== '') return;
  startedAt = Date.now();
  folder = await mkdtemp(join(tmpdir(), 'cloister-weights-'));
  const path = join(folder, 'tiny.gguf.sealed');
  await writeFile(path, await seal(model, key, { chunkOctets: 1 << 16 }));
  system = await startWholeSystem({ nodes: 1, weights: { path, sha256, bytes: model.length, key: keyText } });
}, 60_000);
afterAll(async () => {
  await system?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

/** Regular files below a folder, on file systems that are not memory, changed since the start. */
async function filesOnDisk(place: string): Promise<string[]> {
  if (isInMemory(place)) return [];
  const found: string[] = [];
  for (const entry of await readdir(place, { withFileTypes: true }).catch(() => [])) {
    const path = join(place, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) found.push(...(await filesOnDisk(path)));
    else if (entry.isFile()) {
      const state = await stat(path).catch(() => undefined);
      if (state && state.mtimeMs >= startedAt - 1_000) found.push(path);
    }
  }
  return found;
}

async function holds(path: string, secret: string): Promise<boolean> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size <= DISGUISED_OCTETS)
    return findSecret(await readFile(path).catch(() => Buffer.alloc(0)), secret).length > 0;
  let before = Buffer.alloc(0);
  for await (const piece of createReadStream(path)) {
    const window = Buffer.concat([before, piece as Buffer]);
    if (window.includes(secret)) return true;
    before = window.subarray(-secret.length);
  }
  return false;
}

async function search(paths: readonly string[], secret: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) if (await holds(path, secret)) found.push(path);
  return found;
}

const PLACES = [...new Set([tmpdir(), '/tmp', '/var/tmp', FOLDER.root])];
const everywhere = async () => (await Promise.all(PLACES.map(filesOnDisk))).flat();

/** Command lines and environments of every process of this machine. */
async function processViews(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
}

/** What node and engine, and whatever they started, hold open that is a file of a disk, deleted ones too. */
async function openOnDisk(): Promise<string[]> {
  const found: string[] = [];
  for (const { pid } of processTree(system.nodes[0]?.pid ?? 0))
    for (const number of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const path = `/proc/${pid}/fd/${number}`;
      try {
        if (/^\/(?!dev\/|proc\/|sys\/)/.test(readlinkSync(path)) && !isInMemory(path)) found.push(path);
      } catch {
        // closed meanwhile
      }
    }
  return found;
}

describe.skipIf(without !== '')(`weights that only the node can open${without}`, () => {
  test('answer', async () => {
    const cloister = system.client();
    const openai = new OpenAI({ baseURL: cloister.baseURL, apiKey: 'unused', fetch: cloister.fetch });
    const answer = await openai.chat.completions.create({
      model: MODEL,
      messages: [{ role: 'user', content: 'Hello' }],
      max_completion_tokens: 8,
    });
    expect(answer.choices[0]?.message.content).toMatch(/w\d+/);
    const { key: node } = await cloister.verify();
    expect(node.deployment.model).toEqual({
      id: MODEL,
      sha256,
      bytes: model.length,
      encrypted: { key: 'model-weights' },
    });
  });

  test('are in memory, whole, and that is what the engine has mapped', async () => {
    const [node] = system.nodes;
    const mapped = new Set<string>();
    for (const { pid } of processTree(node?.pid ?? 0)) {
      const maps = await readFile(`/proc/${pid}/maps`, 'utf8').catch(() => '');
      for (const line of maps.split('\n'))
        if (line.includes('.gguf')) mapped.add(line.split(/\s+/).at(-1) ?? '');
    }
    expect(mapped.size).toBe(1);
    const [path = ''] = mapped;
    // As the engine sees it: the same path, in its own root or in the host's.
    expect(path).toMatch(/\/cloister-weights-\d+-\d+-\w+\/[0-9a-f]{32}\.gguf$/);
    expect(isInMemory(path)).toBe(true);
    expect((await readFile(path)).equals(model)).toBe(true);
    expect(await holds(path, CANARY)).toBe(true);
  });

  test.each([
    ['a canary in them', CANARY],
    ['their key', KEY],
  ])(
    '%s is in no file on disk, nor in one that node or engine holds open',
    async (_, secret) => {
      const written = await everywhere();
      // Where /tmp is memory, what the system writes there is no file on disk.
      expect(written.some((path) => path.startsWith(system.folder))).toBe(!isInMemory(system.folder));
      expect(await search([...written, ...(await openOnDisk())], secret)).toEqual([]);
    },
    60_000,
  );

  test.each([
    ['a canary in them', CANARY],
    ['their key', KEY],
  ])('%s is in no log, command line or environment', async (_, secret) => {
    const log = JSON.stringify(system.nodes.map(({ events }) => events));
    expect(log).toContain('weights_in_memory');
    expect(findSecret(Buffer.from(log), secret)).toEqual([]);
    expect(findSecret(system.edge.printed(), secret)).toEqual([]);
    expect(await search(await processViews(), secret)).toEqual([]);
  });

  test('the same search finds what is planted', async () => {
    const planted = `planted-${randomBytes(12).toString('hex')}`;
    for (const place of [tmpdir(), '/var/tmp'].filter((one) => !isInMemory(one))) {
      // Small and large, so that both ways of searching are shown to find.
      const paths = [0, 3 << 20].map((padding) => join(place, `cloister-planted-${process.pid}-${padding}`));
      try {
        for (const [index, path] of paths.entries())
          await writeFile(path, Buffer.concat([Buffer.alloc(index * (3 << 20)), Buffer.from(planted)]));
        expect((await search(await filesOnDisk(place), planted)).sort()).toEqual(paths.sort());
      } finally {
        for (const path of paths) await rm(path, { force: true });
      }
    }
    for (const [args, env] of [
      [['-e', 'setTimeout(() => {}, 20000)', planted], {}],
      [['-e', 'setTimeout(() => {}, 20000)'], { PLANTED: planted }],
    ] as const) {
      const child = spawn(process.execPath, [...args], { env });
      try {
        const views = async () => (await processViews()).filter((path) => path.includes(`/${child.pid}/`));
        // Right after the fork it still looks like its parent.
        await until(async () => (await search(await views(), planted)).length > 0);
      } finally {
        child.kill('SIGKILL');
      }
    }
  }, 60_000);

  test('that were changed on the way start no engine', async () => {
    const config = JSON.parse(await readFile(join(system.folder, 'node-0.json'), 'utf8'));
    const sealed = await readFile(join(folder, 'tiny.gguf.sealed'));
    sealed[sealed.length - 100] = (sealed.at(-100) as number) ^ 1;
    const path = join(folder, 'flipped.sealed');
    await writeFile(path, sealed);
    const configPath = join(folder, 'flipped.json');
    const listen = { host: '127.0.0.1', port: 0 };
    const changed = { ...config, listen, model_path: path, run_folder: join(folder, 'run') };
    await writeFile(configPath, JSON.stringify(changed));
    const seen: string[] = [];
    const node = startNode(configPath, ({ event }) => seen.push(event), keyText);
    await expect(node.once('engine_ready')).rejects.toMatchObject({ code: 'weights_chunk_forged' });
    expect(await node.exited).toBe(1);
    expect(seen).not.toContain('weights_in_memory');
    expect((await readdir(SHM)).filter((name) => name.startsWith(`cloister-weights-${node.pid}-`))).toEqual(
      [],
    );
  });

  test('are gone from memory when the node has stopped', async () => {
    const [node] = system.nodes;
    const left = async () =>
      (await readdir(SHM)).filter((name) => name.startsWith(`cloister-weights-${node?.pid}-`));
    expect(await left()).toHaveLength(1);
    await node?.stop();
    expect(await left()).toEqual([]);
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain(`cloister-weights-${node?.pid}-`);
  });
});
