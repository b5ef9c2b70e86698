// Asks the kernel, from outside, whether a process is confined.

import { readFileSync } from 'node:fs';
import { SandboxError } from './sandbox-error.ts';

/**
 * Checks `/proc/<pid>/status` (proc_pid_status(5)) of a program that has just started: a system call filter, no new
 * privileges, no capability, not uid 0. Landlock does not show there; the probe shows it.
 * @throws SandboxError `sandbox_start_failed` naming the field
 */
export function checkConfinement(pid: number): void {
  const status = new Map<string, string>();
  for (const line of readStatus(pid).split('\n')) {
    const [name = '', value = ''] = line.split(':\t');
    status.set(name, value.trim());
  }
  const demand = (field: string, holds: (value: string) => boolean) => {
    if (!holds(status.get(field) ?? ''))
      throw new SandboxError('sandbox_start_failed', `the started program is not confined: ${field}`);
  };
  // SECCOMP_MODE_FILTER
  demand('Seccomp', (value) => value === '2');
  demand('NoNewPrivs', (value) => value === '1');
  for (const field of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) demand(field, (value) => /^0+$/.test(value));
  // real, effective, saved, file system
  for (const field of ['Uid', 'Gid'])
    demand(field, (value) => value !== '' && !value.split(/\s+/).includes('0'));
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    throw new SandboxError('sandbox_start_failed', 'the started program is gone, or /proc is not mounted');
  }
}
