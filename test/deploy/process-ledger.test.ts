import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endLeftovers, ProcessLedger } from '../../deploy/local/process-ledger.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function sleeper(): { pid: number; ended: Promise<unknown> } {
  const child = spawn('sleep', ['30'], { stdio: 'ignore' });
  return { pid: child.pid ?? 0, ended: new Promise((resolve) => child.on('exit', resolve)) };
}

describe('the ledger of processes', () => {
  test('ends what a dead run left, and only that', async () => {
    const { pid, ended } = sleeper();
    new ProcessLedger(folder).add(pid);
    const [name] = readdirSync(folder);
    const path = join(folder, name as string);
    // The run's own process: one that no longer exists.
    const entries = JSON.parse(readFileSync(path, 'utf8'));
    entries[0] = { pid: 2 ** 22 + 1, started: '1' };
    writeFileSync(path, JSON.stringify(entries));
    expect(await endLeftovers(folder)).toBe(1);
    await ended;
    expect(readdirSync(folder)).toEqual([]);
  });

  test('leaves the processes of a run that lives', async () => {
    const { pid } = sleeper();
    new ProcessLedger(folder).add(pid);
    expect(await endLeftovers(folder)).toBe(0);
    process.kill(pid, 'SIGKILL');
  });

  test('leaves a process whose pid was recycled', async () => {
    const { pid } = sleeper();
    const entries = [
      { pid: 2 ** 22 + 1, started: '1' },
      { pid, started: 'another time' },
    ];
    writeFileSync(join(folder, 'x.json'), JSON.stringify(entries));
    expect(await endLeftovers(folder)).toBe(0);
    expect(() => process.kill(pid, 0)).not.toThrow();
    process.kill(pid, 'SIGKILL');
  });
});
