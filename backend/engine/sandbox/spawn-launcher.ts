// Starts the launcher in a child and hands it its order.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import { adoptBubblewrapped } from './adopt-bubblewrapped.ts';
import { awaitContainer } from './await-container.ts';
import { BUBBLEWRAP_DESCRIPTORS, bubblewrapOptions } from './bubblewrap-line.ts';
import type { SeccompArchitecture } from './compile-seccomp.ts';
import {
  CHANNEL_SOCKET,
  type GvisorBundle,
  type GvisorPlan,
  layOutContainer,
  ORDER_PLACE,
} from './gvisor-bundle.ts';
import { LAUNCH_READY, type LaunchOrder, launch } from './launch.ts';
import { type NativeCall, syscallTable } from './native-calls.ts';
import type { Profile } from './profile.ts';
import { SandboxError } from './sandbox-error.ts';
import type { Driver, EngineExit } from './sandboxed-engine.ts';

const COMPLAINT_OCTETS = 1024;
const TIME_LIMIT_MS = 20_000;
const LAUNCH_TEXT = `(${launch.toString()})()`;

/** What every launch on this machine has in common. */
export interface LaunchSite {
  readonly architecture: SeccompArchitecture;
  /** Node and koffi as the sandbox's user can reach them. */
  readonly node: string;
  readonly koffi: string;
  /** The user and group to drop to; absent where the caller is unprivileged already. */
  readonly user: number | undefined;
  readonly call: NativeCall;
}

/** What the host made sure that the program has to itself: the probe may then find it open. */
export interface OwnWorld {
  /** Names in a root that was made for it; empty where the root is the host's. */
  readonly rootNames: readonly string[];
  /** A network namespace with nothing but loopback in it. */
  readonly network: boolean;
  /** Process ids that are not the host's. */
  readonly processes: boolean;
  /** System calls are answered by a kernel that is not the host's. */
  readonly kernel: boolean;
}

/** A program that runs. */
export interface Started {
  /** The program as the host sees it; under gVisor the container's kernel. */
  readonly pid: number;
  readonly own: OwnWorld;
  /** The socket to dial, where it is not the inherited one; a descriptor of this process holds it until `release`. */
  readonly socketPath?: string;
  release(): void;
}

/** Nothing of its own. */
export const NOTHING_OWN: OwnWorld = { rootNames: [], network: false, processes: false, kernel: false };

/** A launcher that waits for its order. */
export interface Launcher {
  readonly pid: number;
  /** Its end tells the program that the adapter is gone. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<EngineExit>;
  /**
   * Confines the child and makes it the program; resolves once the program runs.
   * @throws SandboxError `sandbox_start_failed` naming the step and the errno.
   */
  become(
    profile: Profile,
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    purpose: Purpose,
  ): Promise<Started>;
  /** Ends the child and everything that it started, as far as a signal can. */
  kill(): void;
  /** Ends all of it and removes what it needed on the host. */
  end(): Promise<void>;
}

/** An engine answers on the channel; a probe answers on its standard output and needs none. */
export type Purpose = 'engine' | 'probe';

/** Tells whoever watches over the adapter's death what else must be ended. */
export interface LauncherOptions {
  readonly driver: Driver;
  readonly onContainer?: (ending: GvisorBundle['ending']) => void;
}

/**
 * Starts Node with an empty environment and nothing of the program. The child leads a session and a process group of its
 * own, which the profile lets nobody leave: one signal ends them all.
 * @param channel the descriptor that the program finds as number 3
 */
export function spawnLauncher(
  site: LaunchSite,
  channel: number | 'ignore',
  { driver, onContainer }: LauncherOptions,
): Launcher {
  // runsc drops to another user by itself, and needs to be root for that
  const user = driver === 'gvisor' ? undefined : site.user;
  const child = spawn(site.node, ['--no-warnings', '-e', LAUNCH_TEXT], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', channel, 'pipe'],
    // libuv empties the supplementary groups before it changes to another user
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  const exited = new Promise<EngineExit>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const { pid } = child;
  if (pid === undefined)
    throw new SandboxError('sandbox_start_failed', 'Node could not be started for the sandbox');
  // what its children still hold after it
  void exited.then(() => killGroup(pid));
  // a child that is gone closes its ends; its exit tells the story
  child.stdin?.on('error', () => {});
  let container: GvisorBundle | undefined;
  let release = (): void => {};
  const kill = () => killGroup(pid);
  return {
    pid,
    stdin: child.stdin as Writable,
    stdout: child.stdout as Readable,
    stderr: child.stderr as Readable,
    exited,
    async become(profile, argv, env, purpose) {
      let started: Started;
      if (profile.gvisor !== undefined) {
        const inner = makeInnerOrder(site, profile, argv, env);
        const args = [site.node, '--no-warnings', '-e', LAUNCH_TEXT, ORDER_PLACE];
        container = layOutContainer(
          withLauncher(profile.gvisor, site),
          args,
          JSON.stringify(inner),
          site.call,
          syscallTable(site.architecture),
        );
        onContainer?.(container.ending);
        await giveOrder(child, outerOrder(site, container.argv));
        started = await awaitContainer(container, profile.gvisor, child, exited, purpose);
      } else {
        const listening = listenForComplaint(child);
        try {
          const told = await giveOrder(child, makeOrder(site, profile, argv, env));
          started =
            profile.bubblewrap === undefined
              ? { pid, own: NOTHING_OWN, release: () => {} }
              : await adoptBubblewrapped(told, profile, exited, purpose, listening.complaint);
        } finally {
          listening.stop();
        }
      }
      release = started.release;
      return started;
    },
    kill,
    async end() {
      kill();
      await container?.end();
      await exited;
      release();
    },
  };
}

// Until the program runs, standard error is bubblewrap's: one line of its own says why it could not set the sandbox up. Nothing else
// of that stream is ever kept.
function listenForComplaint(child: ChildProcess): {
  readonly complaint: () => string | undefined;
  readonly stop: () => void;
} {
  let said = '';
  const listen = (piece: Buffer): void => {
    said = (said + piece.toString('latin1')).slice(0, COMPLAINT_OCTETS);
  };
  child.stderr?.on('data', listen);
  return {
    complaint: () => /^bwrap: [ -~]{1,200}$/m.exec(said)?.[0],
    stop: () => void child.stderr?.off('data', listen),
  };
}

/** Sends SIGKILL to a process group; one that is gone is fine. */
export function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // no such group
  }
}

function makeOrder(
  site: LaunchSite,
  profile: Profile,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): LaunchOrder {
  const filter = profile.seccomp === undefined ? null : Buffer.from(profile.seccomp).toString('base64');
  const order: LaunchOrder = {
    ...outerOrder(site, argv),
    limits: profile.limits,
    landlock: profile.landlock ?? null,
    seccomp: filter,
    env,
  };
  const line = profile.bubblewrap;
  if (line === undefined) return order;
  // bubblewrap gets an empty environment of its own, and its options where no process list shows them
  const options = Buffer.from(
    bubblewrapOptions(line, env)
      .map((option) => `${option}\0`)
      .join(''),
  );
  return {
    ...order,
    seccomp: null,
    files: [
      { descriptor: BUBBLEWRAP_DESCRIPTORS.filter, octets: filter ?? '' },
      { descriptor: BUBBLEWRAP_DESCRIPTORS.options, octets: options.toString('base64') },
    ],
    keepLine: true,
    argv: [line.binary, '--args', String(BUBBLEWRAP_DESCRIPTORS.options), '--', ...argv],
    env: {},
  };
}

// For the launcher inside a container: the same confinement, within a kernel of its own, and the channel that it binds itself.
function makeInnerOrder(
  site: LaunchSite,
  profile: Profile,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): LaunchOrder {
  return { ...makeOrder(site, profile, argv, env), parent: null, listen: CHANNEL_SOCKET };
}

// The launcher inside needs Node and koffi, whatever the program is; declared already where it is Node.
function withLauncher(plan: GvisorPlan, site: LaunchSite): GvisorPlan {
  const added = [site.node, site.koffi]
    .filter((path) => plan.places.every(({ target }) => target !== path))
    .map((path) => ({ source: path, target: path }));
  return { ...plan, places: [...plan.places, ...added] };
}

// Nothing laid on: for a program that confines by itself.
function outerOrder(site: LaunchSite, argv: readonly string[]): LaunchOrder {
  return {
    koffi: site.koffi,
    syscalls: syscallTable(site.architecture),
    parent: process.pid,
    listen: null,
    files: [],
    keepLine: false,
    limits: [],
    landlock: null,
    seccomp: null,
    argv,
    env: {},
  };
}

// The launcher's end closes at execve, or with its death. Only its one word, and what bubblewrap says after it, is success.
async function giveOrder(child: ChildProcess, order: LaunchOrder): Promise<string> {
  const line = child.stdio[4] as Duplex;
  let answer = '';
  const ended = new Promise<void>((resolve) => {
    line.on('data', (piece: Buffer) => {
      answer += piece.toString('latin1');
    });
    line.once('close', resolve);
    line.once('error', () => resolve());
  });
  const timer = setTimeout(() => line.destroy(), TIME_LIMIT_MS);
  line.end(JSON.stringify(order));
  await ended;
  clearTimeout(timer);
  const said = answer.startsWith(LAUNCH_READY) ? answer.slice(LAUNCH_READY.length) : undefined;
  if (said !== undefined && (order.keepLine ? /^\s*\{/.test(said) : said === '')) return said;
  const step = answer.replace(LAUNCH_READY, '') || 'an unknown step';
  throw new SandboxError('sandbox_start_failed', `the launcher ended at ${step}`);
}
