import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type ListenOptions } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  loadNativeCalls,
  locateKoffi,
  syscallTable,
} from '../../../../backend/engine/sandbox/native-calls.ts';
import { type DriverName, PRIVATE_SOCKET } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';
import { startInSandbox } from '../../../../backend/engine/sandbox/start-in-sandbox.ts';
import { askEngine, eventually } from './echo-engine.ts';
import { type HostileTargets, hostileProgram } from './hostile-engine.ts';
import { architecture, drivers, hasLandlock } from './machine.ts';

const PLACES = ['/tmp', '/var/tmp', '/dev/shm', '/run', '/var/log', '/home'];
const SEARCH_OCTETS = 1 << 20;
const HOSTILE_SEGMENT = 0x434c4f49;

/** Everything on the host that the engine could have left the secret in or sent it to. */
interface Host {
  readonly targets: HostileTargets;
  readonly secret: string;
  readonly runFolder: string;
  /** Where the secret, in any of the encodings, turned up. */
  find(): string[];
  /** How often anything reached a listener, whatever it said. */
  contacts(): number;
  /** Makes the engine the owner of the canary, who may set its times. */
  giveTo(pid: number): void;
  remove(): Promise<void>;
}

let host: Host;
beforeEach(async () => {
  host = await layOutHost();
});
afterEach(() => host.remove());

async function layOutHost(): Promise<Host> {
  const secret = randomBytes(48).toString('hex');
  const folder = mkdtempSync('/tmp/cloister-hostile-');
  const runFolder = mkdtempSync('/tmp/cloister-run-');
  chmodSync(folder, 0o777);
  writeFileSync(join(folder, 'canary'), 'canary');
  chmodSync(join(folder, 'canary'), 0o666);
  const canary = () => {
    const { mode, mtimeMs, ctimeMs, size } = statSync(join(folder, 'canary'));
    return JSON.stringify([mode, mtimeMs, ctimeMs, size]);
  };
  let before = canary();
  const heard: Buffer[] = [];
  let contacts = 0;
  const listen = async (where: ListenOptions) => {
    const server = createServer((socket) => {
      contacts++;
      socket.on('data', (piece: Buffer) => heard.push(piece)).on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(where, resolve));
    return server;
  };
  const name = `cloister-hostile-${secret.slice(0, 16)}`;
  const servers = await Promise.all([
    listen({ host: '127.0.0.1', port: 0 }),
    listen({ path: join(folder, 'stream.sock') }),
    listen({ path: `\0${name}` }),
  ]);
  chmodSync(join(folder, 'stream.sock'), 0o777);
  const udp = createSocket('udp4', (piece) => {
    contacts++;
    heard.push(piece);
  });
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  const n = syscallTable(architecture);
  const koffi = locateKoffi(architecture);
  const call = loadNativeCalls(koffi);
  const address = servers[0].address();
  const needles = [
    secret.slice(0, 32),
    Buffer.from(secret).toString('base64').slice(0, 40),
    [...secret].reverse().join('').slice(0, 32),
  ];
  const holds = (octets: Buffer | string) => needles.some((needle) => octets.includes(needle));
  return {
    secret,
    runFolder,
    targets: {
      koffi,
      tcpPort: typeof address === 'object' && address !== null ? address.port : 0,
      udpPort: udp.address().port,
      streamSocket: join(folder, 'stream.sock'),
      abstractSocket: name,
      folder,
      syscalls: [n.add_key, n.shmget, n.shmat, n.memfd_create, n.socket, n.exit_group],
    },
    contacts: () => contacts,
    giveTo(pid) {
      if (process.getuid?.() !== 0) return;
      const [, user = '0'] = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
      // gVisor's engine is 65534 in a kernel of its own
      chownSync(join(folder, 'canary'), Number(user) || 65534, Number(user) || 65534);
      before = canary();
    },
    find() {
      const found: string[] = [];
      if (heard.some(holds)) found.push('a listener');
      if (canary() !== before) found.push('the canary’s metadata');
      for (const place of PLACES) searchFolder(place, holds, found);
      for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
        for (const part of ['cmdline', 'environ', 'comm'])
          if (holds(readQuietly(`/proc/${pid}/${part}`))) found.push(`process ${part}`);
      }
      if (holds(readQuietly('/proc/keys'))) found.push('the keyring');
      if (call(n.shmget, HOSTILE_SEGMENT, 0, 0) >= 0) found.push('shared memory');
      return found;
    },
    async remove() {
      const segment = call(n.shmget, HOSTILE_SEGMENT, 0, 0);
      if (segment >= 0) call(n.shmctl, segment, 0, 0);
      udp.close();
      for (const server of servers) server.close();
      for (const place of PLACES.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory()))
        for (const entry of readdirSync(place))
          if (entry.startsWith('cloister-hostile'))
            rmSync(join(place, entry), { recursive: true, force: true });
      rmSync('/run/lock/cloister-hostile', { force: true });
      for (const entry of readdirSync('/run/lock', { withFileTypes: true }))
        if (entry.name.startsWith('cloister-hostile'))
          rmSync(join('/run/lock', entry.name), { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
      rmSync(runFolder, { recursive: true, force: true });
    },
  };
}

function readQuietly(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

// Names, targets of links, and contents that this test's time may have written: old files cannot hold a new secret.
function searchFolder(
  folder: string,
  holds: (octets: Buffer | string) => boolean,
  found: string[],
  depth = 0,
): void {
  let entries: ReturnType<typeof listFolder>;
  try {
    entries = listFolder(folder);
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (holds(entry.name)) found.push('a name');
    if (stats.isSymbolicLink() && holds(readlinkSync(path))) found.push('a link');
    const fresh = Date.now() - stats.ctimeMs < 120_000;
    if (stats.isFile() && fresh && stats.size < SEARCH_OCTETS && holds(readQuietly(path)))
      found.push('a file');
    if (stats.isDirectory() && fresh && depth < 1) searchFolder(path, holds, found, depth + 1);
  }
}

function listFolder(folder: string) {
  return readdirSync(folder, { withFileTypes: true });
}

async function letLoose(driver: DriverName, socket = '') {
  let dropped = 0;
  const engine = await startInSandbox(driver, hostileProgram(host.targets, socket), {
    runFolder: host.runFolder,
    random: (octets) => randomBytes(octets),
    onOutputDropped: (_, octets) => {
      dropped += octets;
    },
  });
  try {
    host.giveTo(engine.pid);
    const tries = JSON.parse(await askEngine(engine.socketPath, host.secret)) as Record<string, string>;
    await askEngine(engine.socketPath, 'leave').catch(() => {});
    const exit = await engine.exited;
    return { tries, dropped, exit };
  } finally {
    await engine.stop();
  }
}

const cases = drivers.flatMap(({ driver, missing }) => [
  [`${driver}${missing}`, driver, missing, ''] as const,
  ...(driver === 'bubblewrap'
    ? [[`${driver}, private socket${missing}`, driver, missing, PRIVATE_SOCKET] as const]
    : []),
]);

describe('an engine that wants to tell somebody', () => {
  it('would be found out: the search finds what is planted', async () => {
    const planted = spawn('/bin/sh', ['-c', 'read -r never', 'sh', host.secret], {
      env: { SECRET: host.secret },
    });
    writeFileSync(`/dev/shm/cloister-hostile-planted`, `x${host.secret}`);
    writeFileSync(join(host.targets.folder, host.secret.slice(0, 40)), '');
    try {
      await eventually(() => host.find().includes('process cmdline'), 2000);
      expect(host.find()).toEqual(
        expect.arrayContaining(['a name', 'a file', 'process cmdline', 'process environ']),
      );
    } finally {
      planted.kill('SIGKILL');
    }
  });

  it.skipIf(!hasLandlock)('tells everybody without a sandbox', { timeout: 60_000 }, async () => {
    const { tries } = await letLoose('none');
    expect(tries).toMatchObject({
      tcp: 'done',
      unix: 'done',
      abstract: 'done',
      udp: 'done',
      append: 'done',
      times: 'done',
    });
    expect(tries).toMatchObject({
      keyring: 'done',
      'shared memory': 'done',
      shell: 'done',
      'file in /dev/shm': 'done',
    });
    expect(host.contacts()).toBeGreaterThan(3);
    expect(host.find()).toEqual(
      expect.arrayContaining(['a listener', 'a name', 'a link', 'a file', 'shared memory']),
    );
  });

  for (const [title, driver, missing, socket] of cases)
    it.skipIf(missing !== '')(`tells nobody under ${title}`, { timeout: 60_000 }, async () => {
      const { tries, dropped, exit } = await letLoose(driver, socket);
      // it said the secret on stdout and stderr: read, counted and dropped
      expect(dropped).toBeGreaterThanOrEqual(2 * host.secret.length);
      expect(exit.code).toBe(0x41);
      expect(host.contacts()).toBe(0);
      expect(host.find()).toEqual([]);
      // a report that cannot be written is no error of Node's; the search looks for it
      const harmless = /^(logs|title|core|\/dev\/stdout|\/proc\/self\/fd\/1)$/;
      const got = Object.entries(tries).filter(
        ([name, outcome]) => outcome === 'done' && !harmless.test(name),
      );
      // in memory that its sandbox alone has, gone with it
      expect(got.filter(([name]) => !/in \/run\/engine$/.test(name))).toEqual([]);
    });
});
