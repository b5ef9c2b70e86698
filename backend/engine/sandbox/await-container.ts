// Waits until the program in a gVisor container runs, and makes sure that its kernel is not the host's.

import type { ChildProcess } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { isOwn } from './adopt-bubblewrapped.ts';
import { containerRootNames, type GvisorBundle, type GvisorPlan } from './gvisor-bundle.ts';
import { LAUNCH_READY } from './launch.ts';
import { pinSocket } from './pin-socket.ts';
import { SandboxError } from './sandbox-error.ts';
import type { EngineExit } from './sandboxed-engine.ts';
import type { Purpose, Started } from './spawn-launcher.ts';

const TIME_LIMIT_MS = 30_000;
const KNOWN_STEP = /^[a-z]{1,12}:\d{1,5}$/;

/**
 * The launcher inside says its word on standard error, before the program exists.
 * @throws SandboxError `sandbox_start_failed` naming the step where it ended
 */
export async function awaitContainer(
  container: GvisorBundle,
  plan: GvisorPlan,
  child: ChildProcess,
  exited: Promise<EngineExit>,
  purpose: Purpose,
): Promise<Started> {
  const word = await firstWord(child, exited);
  if (word !== LAUNCH_READY) {
    const step = KNOWN_STEP.test(word) ? word : 'an unknown step';
    throw new SandboxError('sandbox_start_failed', `the launcher in gVisor ended at ${step}`);
  }
  const refuse = (what: string) =>
    new SandboxError('sandbox_start_failed', `the container of gVisor ${what}`);
  const pid = container.sandboxPid();
  if (pid === undefined) throw refuse('is gone');
  if (!isConfined(pid, plan.binary)) throw refuse('is not confined on the host');
  const own = {
    rootNames: containerRootNames(plan),
    network: isOwn(pid, 'net'),
    processes: isOwn(pid, 'pid'),
    kernel: true,
  };
  if (purpose === 'probe') return { pid, own, release: () => {} };
  const pinned = pinSocket(container.socketPath);
  if (pinned === undefined) throw refuse('has no socket');
  return { pid, own, socketPath: pinned.path, release: pinned.release };
}

// What runs under that id is runsc's kernel: its program file, a filter of its own, and not uid 0.
function isConfined(pid: number, binary: string): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const has = (field: string, value: RegExp) =>
      new RegExp(`^${field}:\\s+${value.source}`, 'm').test(status);
    return (
      readlinkSync(`/proc/${pid}/exe`) === binary &&
      has('Seccomp', /2$/) &&
      has('NoNewPrivs', /1$/) &&
      has('Uid', /[1-9]/)
    );
  } catch {
    return false;
  }
}

function firstWord(child: ChildProcess, exited: Promise<EngineExit>): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const timer = setTimeout(() => resolve(text), TIME_LIMIT_MS);
    const done = () => {
      clearTimeout(timer);
      child.stderr?.off('data', read);
      resolve(text.startsWith(LAUNCH_READY) ? LAUNCH_READY : text.trim());
    };
    const read = (piece: Buffer) => {
      text += piece.toString('latin1');
      if (text.startsWith(LAUNCH_READY)) done();
    };
    child.stderr?.on('data', read);
    void exited.then(done);
  });
}
