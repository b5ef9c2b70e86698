// Ends an engine's process group when the adapter is gone, however it went.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { GvisorBundle } from './gvisor-bundle.ts';
import { SandboxError } from './sandbox-error.ts';

const SHELL = '/bin/sh';

/**
 * The engine itself dies with its parent (PR_SET_PDEATHSIG), but the kernel does not pass that on to its children. So a
 * shell outside the sandbox waits for the end of its standard input, which comes with the adapter's death, and kills the
 * group, which the profile lets nobody leave.
 * @param container what else to end: gVisor's kernel is in no group of ours
 * @returns a function that ends the watch
 * @throws SandboxError `sandbox_unavailable` without /bin/sh
 */
export function watchParent(group: number, container?: GvisorBundle['ending']): () => void {
  if (!existsSync(SHELL))
    throw new SandboxError(
      'sandbox_unavailable',
      `${SHELL} is missing: it ends the engine's children with the adapter`,
    );
  const line = container === undefined ? '' : `; ${container.line}`;
  const words = [String(group), ...(container?.words ?? [])];
  const shell = spawn(SHELL, ['-c', `read -r never; kill -9 "-$0"${line}`, ...words], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  return () => {
    shell.kill('SIGKILL');
  };
}
