// Starts the launcher in a child and hands it its order.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { SeccompArchitecture } from './compile-seccomp.ts';
import { LAUNCH_READY, type LaunchOrder, launch } from './launch.ts';
import { syscallTable } from './native-calls.ts';
import type { Profile } from './profile.ts';
import { SandboxError } from './sandbox-error.ts';
import type { EngineExit } from './sandboxed-engine.ts';

const TIME_LIMIT_MS = 20_000;

/** What every launch on this machine has in common. */
export interface LaunchSite {
  readonly architecture: SeccompArchitecture;
  /** Node and koffi as the sandbox's user can reach them. */
  readonly node: string;
  readonly koffi: string;
  /** The user and group to drop to; absent where the caller is unprivileged already. */
  readonly user: number | undefined;
}

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
  become(profile: Profile, argv: readonly string[], env: Readonly<Record<string, string>>): Promise<void>;
  /** Ends the child and everything that it started. */
  kill(): void;
}

/**
 * Starts Node with an empty environment and nothing of the program. The child leads a session and a process group of its
 * own, which the profile lets nobody leave: one signal ends them all.
 * @param channel the descriptor that the program finds as number 3
 */
export function spawnLauncher(site: LaunchSite, channel: number | 'ignore'): Launcher {
  const child = spawn(site.node, ['--no-warnings', '-e', `(${launch.toString()})()`], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', channel, 'pipe'],
    // libuv empties the supplementary groups before it changes to another user
    ...(site.user === undefined ? {} : { uid: site.user, gid: site.user }),
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
  return {
    pid,
    stdin: child.stdin as Writable,
    stdout: child.stdout as Readable,
    stderr: child.stderr as Readable,
    exited,
    become: (profile, argv, env) => giveOrder(child, makeOrder(site, profile, argv, env)),
    kill: () => killGroup(pid),
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
  return {
    koffi: site.koffi,
    syscalls: syscallTable(site.architecture),
    parent: process.pid,
    limits: profile.limits,
    landlock: profile.landlock ?? null,
    seccomp: profile.seccomp === undefined ? null : Buffer.from(profile.seccomp).toString('base64'),
    argv,
    env,
  };
}

// The launcher's end closes at execve, or with its death. Only its one word, and nothing after it, is success.
async function giveOrder(child: ChildProcess, order: LaunchOrder): Promise<void> {
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
  if (answer === LAUNCH_READY) return;
  const step = answer.replace(LAUNCH_READY, '') || 'an unknown step';
  throw new SandboxError('sandbox_start_failed', `the launcher ended at ${step}`);
}
