// Remembers the processes of a start, so that the next start can end what a killed parent left behind, and nothing else.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

interface Entry {
  readonly pid: number;
  /** Kernel start time in clock ticks since boot: a recycled pid has another one. */
  readonly started: string;
}

/** A file per run under a folder; an entry names a process by pid and start time, so a recycled pid is never touched. */
export class ProcessLedger {
  readonly #path: string;
  readonly #entries: Entry[] = [];

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#path = join(folder, `${process.pid}.json`);
    this.add(process.pid);
  }

  /** Records a process that this run started. */
  add(pid: number): void {
    const started = startTime(pid);
    if (started === undefined) return;
    this.#entries.push({ pid, started });
    writeFileSync(this.#path, JSON.stringify(this.#entries), { mode: 0o600 });
  }

  /** Records every living descendant of this process: wrangler does not tell the pids of its workerd. */
  async addDescendants(): Promise<void> {
    for (const pid of await descendants(process.pid))
      if (!this.#entries.some((entry) => entry.pid === pid)) this.add(pid);
  }

  /** The run ended by itself: nothing is left to remember. */
  close(): void {
    rmSync(this.#path, { force: true });
  }
}

/** Ends what earlier runs left: runs whose own process is gone. Returns how many processes were ended. */
export async function endLeftovers(folder: string): Promise<number> {
  let ended = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    let entries: Entry[];
    try {
      entries = JSON.parse(readFileSync(path, 'utf8')) as Entry[];
    } catch {
      rmSync(path, { force: true });
      continue;
    }
    const [owner, ...children] = entries;
    if (owner !== undefined && isSame(owner)) continue;
    for (const child of children) {
      if (!isSame(child)) continue;
      process.kill(child.pid, 'SIGKILL');
      ended++;
    }
    rmSync(path, { force: true });
  }
  return ended;
}

function isSame({ pid, started }: Entry): boolean {
  return startTime(pid) === started;
}

// Field 22 of /proc/<pid>/stat; the command name, field 2, may hold spaces and parentheses, so count from its end.
function startTime(pid: number): string | undefined {
  return statFields(pid)?.[19];
}

function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

async function descendants(ancestor: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = statFields(Number(name))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const found = new Set([ancestor]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [pid, parent] of parents) {
      if (found.has(parent) && !found.has(pid)) {
        found.add(pid);
        grew = true;
      }
    }
  }
  found.delete(ancestor);
  return [...found];
}
