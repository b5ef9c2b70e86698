// gVisor's container: the folder on the host with root, description and channel, and its end.

import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { NativeCall, SyscallNumbers } from './native-calls.ts';
import { SandboxError } from './sandbox-error.ts';
import { isAlive, makeOwnedFolder, sweepLeftovers } from './sweep-leftovers.ts';
import type { Place, SystemPlaces } from './system-places.ts';

/** What the description is made from. */
export interface GvisorPlan {
  readonly binary: string;
  /** runsc's own options. */
  readonly options: readonly string[];
  readonly system: SystemPlaces;
  readonly places: readonly Place[];
  /** Options of the channel's own file system. */
  readonly channel: string;
}

/** A container that was laid out. */
export interface GvisorBundle {
  /** Command line that runs it. */
  readonly argv: readonly string[];
  /** The socket, where the host sees it. */
  readonly socketPath: string;
  /** A shell line that ends and removes it; `"$1"` is runsc and `"$2"` the folder. */
  readonly ending: { readonly line: string; readonly words: readonly string[] };
  /** The process on the host that is the container's kernel; absent while there is none. */
  sandboxPid(): number | undefined;
  /** Ends the container, whatever state it is in, and removes all of it. */
  end(): Promise<void>;
}

/** Where the container sees the channel's folder, its socket and the launcher's order. */
export const CHANNEL_FOLDER = '/channel';
export const CHANNEL_SOCKET = `${CHANNEL_FOLDER}/engine.sock`;
export const ORDER_PLACE = '/order.json';

const PARENT = '/var/tmp';
const PREFIX = 'cloister-gvisor-';
const NOBODY = 65534;
const ID = 'engine';
// MS_NOSUID, MS_NODEV, MS_NOEXEC
const MOUNT_FLAGS = 2 | 4 | 8;
const MNT_DETACH = 2;
// runsc leaves its sandbox alive when it is killed itself: only delete ends that
const ENDING = [
  '"$1" --root "$2/state" delete -force engine',
  'umount -l "$2/channel"',
  'rm -rf --one-file-system "$2"',
].join('; ');

/**
 * The fixed part: platform ptrace (the one that Debian's runsc has and that needs nothing of the host), no network, and the
 * host's Unix sockets for making one only. The channel's file system holds two inodes, its own root and the socket: nothing
 * else can be left there.
 */
export function planGvisor(binary: string, system: SystemPlaces, declared: readonly string[]): GvisorPlan {
  return {
    binary,
    options: ['--platform=ptrace', '--network=none', '--host-uds=create', '--ignore-cgroups'],
    system,
    places: [...system.places, ...declared.map((path) => ({ source: path, target: path }))],
    channel: `size=4k,nr_inodes=2,mode=0700,uid=${NOBODY},gid=${NOBODY}`,
  };
}

/** The OCI description (runtime-spec config.json). Nothing in it is secret; the environment is the launcher's to set. */
export function describeContainer(
  plan: GvisorPlan,
  args: readonly string[],
  folder: string,
): Readonly<Record<string, unknown>> {
  const none: readonly string[] = [];
  const empty = (destination: string) => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['ro', 'noexec', 'nosuid', 'nodev', 'size=4k'],
  });
  return {
    ociVersion: '1.0.2',
    root: { path: 'root', readonly: true },
    hostname: 'engine',
    process: {
      terminal: false,
      user: { uid: NOBODY, gid: NOBODY },
      args,
      env: ['HOME=/'],
      cwd: '/',
      noNewPrivileges: true,
      capabilities: { bounding: none, effective: none, inheritable: none, permitted: none, ambient: none },
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['ro'] },
      // runsc would mount writable ones by itself
      empty('/tmp'),
      empty('/dev/shm'),
      ...[...plan.places, { source: join(folder, 'order.json'), target: ORDER_PLACE }].map(
        ({ source, target }) => ({ destination: target, type: 'bind', source, options: ['ro', 'rbind'] }),
      ),
      {
        destination: CHANNEL_FOLDER,
        type: 'bind',
        source: join(folder, 'channel'),
        options: ['rw', 'noexec'],
      },
    ],
    linux: { namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  };
}

/** Names in the root of such a container: what the probe may find there. */
export function containerRootNames(plan: GvisorPlan): string[] {
  const paths = [...plan.places.map(({ target }) => target), ...plan.system.links.map(({ path }) => path)];
  const names = paths.map((path) => path.split('/')[1] ?? '');
  return [...new Set([...names, 'channel', 'dev', 'order.json', 'proc', 'sys', 'tmp'])].sort();
}

/**
 * Lays a container out in a folder of its own, after removing those of adapters that are gone.
 * @param args the command line inside. @param order what lies at {@link ORDER_PLACE}
 * @throws SandboxError `sandbox_unavailable` where the channel's file system cannot be mounted
 */
export function layOutContainer(
  plan: GvisorPlan,
  args: readonly string[],
  order: string,
  call: NativeCall,
  n: SyscallNumbers,
): GvisorBundle {
  sweepContainers(plan.binary);
  const folder = makeOwnedFolder(PARENT, PREFIX);
  chmodSync(folder, 0o711);
  const text = (value: string) => new TextEncoder().encode(`${value}\0`);
  const channel = join(folder, 'channel');
  const removeFolder = () => {
    call(n.umount2, text(channel), MNT_DETACH);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    mkdirSync(channel);
    const mounted = call(
      n.mount,
      text('none'),
      text(channel),
      text('tmpfs'),
      MOUNT_FLAGS,
      text(plan.channel),
    );
    if (mounted < 0)
      throw new SandboxError(
        'sandbox_unavailable',
        'the channel of gVisor cannot be mounted: give the adapter CAP_SYS_ADMIN, or use bubblewrap or landlock',
      );
    layOutRoot(plan, join(folder, 'root'));
    writeFileSync(join(folder, 'order.json'), order, { mode: 0o400 });
    chownSync(join(folder, 'order.json'), NOBODY, NOBODY);
    writeFileSync(join(folder, 'config.json'), JSON.stringify(describeContainer(plan, args, folder)));
  } catch (error) {
    removeFolder();
    throw error;
  }
  const runsc = [plan.binary, '--root', join(folder, 'state')];
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    const child = spawn('/bin/sh', ['-c', ENDING, 'sh', plan.binary, folder], {
      env: {},
      cwd: '/',
      stdio: 'ignore',
    });
    await new Promise<void>((resolve) => {
      child.once('error', () => resolve());
      child.once('exit', () => resolve());
    });
    removeFolder();
  };
  return {
    argv: [...runsc, ...plan.options, 'run', '--bundle', folder, ID],
    socketPath: join(channel, 'engine.sock'),
    ending: { line: ENDING, words: [plan.binary, folder] },
    sandboxPid() {
      const asked = spawnSync(plan.binary, [...runsc.slice(1), 'state', ID], { env: {}, encoding: 'utf8' });
      try {
        const { pid } = JSON.parse(asked.stdout) as { readonly pid?: unknown };
        return typeof pid === 'number' && pid > 0 ? pid : undefined;
      } catch {
        return undefined;
      }
    },
    end() {
      ended ??= end();
      return ended;
    },
  };
}

// The root holds mount points only, each as a file or a folder like what is mounted there.
function layOutRoot(plan: GvisorPlan, root: string): void {
  for (const name of ['channel', 'dev/shm', 'proc', 'sys', 'tmp'])
    mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, ORDER_PLACE), '');
  for (const { source, target } of plan.places) {
    const point = join(root, target);
    mkdirSync(dirname(point), { recursive: true });
    if (statSync(source).isDirectory()) mkdirSync(point, { recursive: true });
    else writeFileSync(point, '');
  }
  for (const { path, to } of plan.system.links) symlinkSync(to, join(root, path));
  // past the umask: the container's user must get through
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  chmodSync(root, 0o755);
}

function sweepContainers(binary: string): void {
  for (const name of readdirSync(PARENT)) {
    const owner = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN;
    const folder = join(PARENT, name);
    if (Number.isNaN(owner) || isAlive(owner) || lstatSync(folder, { throwIfNoEntry: false })?.uid !== 0)
      continue;
    spawnSync('/bin/sh', ['-c', ENDING, 'sh', binary, folder], { env: {}, cwd: '/', stdio: 'ignore' });
  }
  sweepLeftovers(PARENT, PREFIX);
}
