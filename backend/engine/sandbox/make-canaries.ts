// Lays out, on the host, what the probe must not be able to reach, and looks afterwards whether it did.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { release } from 'node:os';
import { join } from 'node:path';
import { syscallTable } from './native-calls.ts';
import type { Canaries } from './probe.ts';
import type { ProbeResult } from './sandboxed-engine.ts';
import type { LaunchSite } from './spawn-launcher.ts';
import { makeOwnedFolder, sweepEmptyFiles, sweepLeftovers } from './sweep-leftovers.ts';

// Everybody may enter /tmp, so that only the sandbox stands between the probe and the canaries.
const CANARY_PARENT = '/tmp';
const CANARY_PREFIX = 'cloister-canary-';
const MARK_PREFIX = 'cloister-probe-';
const IPC_RMID = 0;
const IPC_CREAT_FOR_ALL = 0o1666;

/** What the host itself judges after the probe: contacts at its sockets, changes to its files, the end of its process. */
export const HOST_ATTEMPTS = [
  { id: 'host-saw-contact', breaks: 'network' },
  { id: 'host-saw-change', breaks: 'persistent-writes' },
  { id: 'host-lost-process', breaks: 'host-processes' },
] as const;

/** Folders of the host where a probe in a sandbox with a root of its own may leave its mark, which must not appear here. */
const MARK_FOLDERS = ['/tmp', '/var/tmp', '/dev/shm', '/run', '/run/lock', '/root', '/'];

/** The name that a probe gives to what it leaves: like every name of ours it tells whose process it was. */
export function markName(adapter: number, nonce: string): string {
  return `${MARK_PREFIX}${adapter}-${nonce.slice(0, 16)}`;
}

/** Canaries of one probe run. */
export interface CanaryNest {
  readonly canaries: Canaries;
  /** What the host itself saw: contacts at its sockets, changes to its files. */
  inspect(): readonly ProbeResult[];
  /** Removes all of it. */
  remove(): Promise<void>;
}

/** Makes the canaries. `nonce` is hex and unique to the run. */
export async function makeCanaries(nonce: string, site: LaunchSite): Promise<CanaryNest> {
  const { call } = site;
  sweepLeftovers(CANARY_PARENT, CANARY_PREFIX);
  for (const place of MARK_FOLDERS) sweepEmptyFiles(place, MARK_PREFIX);
  const folder = makeOwnedFolder(CANARY_PARENT, CANARY_PREFIX);
  chmodSync(folder, 0o777);
  const at = (name: string) => join(folder, name);
  for (const name of ['file', 'spare', 'victim']) writeForAll(at(name), nonce, 0o666);
  writeForAll(at('program'), '#!/bin/sh\nexit 0\n', 0o777);

  let contacts = 0;
  const servers: Server[] = [];
  const listen = async (where: ListenOptions): Promise<number> => {
    const server = createServer((socket) => {
      contacts++;
      socket.destroy();
    });
    const listening = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(where, () => resolve(true));
    });
    if (!listening) return 0;
    servers.push(server);
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  const abstractSocket = `cloister-canary-${nonce.slice(0, 32)}`;
  const [tcpPort, tcp6Port] = await Promise.all([
    listen({ host: '127.0.0.1', port: 0 }),
    listen({ host: '::1', port: 0 }),
    listen({ path: at('stream.sock') }),
    listen({ path: `\0${abstractSocket}` }),
  ]);
  chmodSync(at('stream.sock'), 0o777);
  const udp = createSocket('udp4', () => {
    contacts++;
  });
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));

  // Node has no datagram Unix sockets and no SysV memory
  const n = syscallTable(site.architecture);
  const datagram = call(n.socket, 1, 2, 0);
  const address = new TextEncoder().encode(`\x01\0${at('datagram.sock')}\0`);
  call(n.bind, datagram, address, address.length);
  chmodSync(at('datagram.sock'), 0o777);
  const segment = call(n.shmget, 0, 4096, IPC_CREAT_FOR_ALL);
  // destroyed with its last attachment, which is ours: it cannot outlive this process
  const attached = call(n.shmat, segment, 0, 0);
  call(n.shmctl, segment, IPC_RMID, 0);

  const bystander = spawn('/bin/sh', ['-c', 'read -r never'], {
    cwd: '/',
    env: { CANARY: nonce },
    stdio: ['pipe', 'ignore', 'ignore'],
    ...(site.user === undefined ? {} : { uid: site.user, gid: site.user }),
  });
  bystander.on('error', () => {});
  bystander.stdin.on('error', () => {});

  const before = describeFolder(folder);
  const datagramArrived = () => call(n.recvfrom, datagram, new Uint8Array(16), 16, 0x40) >= 0;
  return {
    canaries: {
      nonce,
      folder,
      file: at('file'),
      program: at('program'),
      streamSocket: at('stream.sock'),
      datagramSocket: at('datagram.sock'),
      abstractSocket,
      tcpPort,
      tcp6Port,
      udpPort: udp.address().port,
      nameServer: getServers().find((server) => /^[\d.]+$/.test(server)) ?? '127.0.0.53',
      process: bystander.pid ?? 0,
      adapter: process.pid,
      segment,
      kernel: release(),
      bootId: readBootId(),
    },
    inspect() {
      const contacted = contacts > 0 || datagramArrived();
      const changed = describeFolder(folder) !== before;
      // a process that is gone cannot be reached, and would let an open sandbox look closed
      const harmed =
        bystander.exitCode !== null || bystander.signalCode !== null || bystander.pid === undefined;
      const left = findMarks(nonce).length > 0;
      const seen = [contacted, changed || left, harmed];
      return HOST_ATTEMPTS.map((attempt, index) => ({
        ...attempt,
        blocked: seen[index] === false,
        detail: seen[index] === false ? 'absent' : 'open',
      }));
    },
    async remove() {
      bystander.kill('SIGKILL');
      call(n.shmdt, attached);
      call(n.close, datagram);
      await Promise.all([
        ...servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
        new Promise<void>((resolve) => udp.close(() => resolve())),
      ]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function findMarks(nonce: string): string[] {
  return MARK_FOLDERS.map((folder) => join(folder, markName(process.pid, nonce))).filter((path) =>
    existsSync(path),
  );
}

function writeForAll(path: string, content: string, mode: number): void {
  writeFileSync(path, content);
  // past the umask
  chmodSync(path, mode);
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

// Names, modes, times and contents: a change by any of the write attempts shows, even one that it undid.
function describeFolder(folder: string): string {
  const entries = readdirSync(folder).sort();
  return JSON.stringify([
    statSync(folder).mtimeMs,
    entries.map((name) => {
      const stats = statSync(join(folder, name));
      const content = stats.isFile() ? readFileSync(join(folder, name), 'latin1') : '';
      return [name, stats.mode, stats.mtimeMs, stats.ctimeMs, stats.nlink, content];
    }),
  ]);
}
