// Looks at processes from outside: who descends from whom, and whether somebody is still alive.

import { readdirSync, readFileSync } from 'node:fs';

/** A process, told apart from a later one with the same number. */
export interface SeenProcess {
  readonly pid: number;
  /** Kernel start time in clock ticks since boot. */
  readonly started: string;
  readonly commandLine: string;
}

/** All living descendants of a process, itself included. */
export function processTree(ancestor: number): SeenProcess[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? fieldsOf(Number(name))?.[1] : undefined;
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const found = new Set([ancestor]);
  for (let size = 0; size !== found.size; ) {
    size = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found].flatMap((pid) => {
    const started = fieldsOf(pid)?.[19];
    return started === undefined ? [] : [{ pid, started, commandLine: commandLineOf(pid) }];
  });
}

/** Whether it still runs; a zombie that waits for its parent does not. */
export function isAlive({ pid, started }: SeenProcess): boolean {
  const fields = fieldsOf(pid);
  return fields?.[19] === started && fields[0] !== 'Z';
}

// From field 3 of /proc/<pid>/stat on: the command name before it may hold anything.
function fieldsOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
