// Runs the probe under every driver of this machine and writes what came of each attempt as the table of docs/sandbox.md.

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { allocateUser } from '../../../../backend/engine/sandbox/allocate-user.ts';
import { loadNativeCalls, locateKoffi } from '../../../../backend/engine/sandbox/native-calls.ts';
import { profileInput, readyDriver } from '../../../../backend/engine/sandbox/plan-sandbox.ts';
import { buildProfile } from '../../../../backend/engine/sandbox/profile.ts';
import { listAttempts, openAttempts, runProbe } from '../../../../backend/engine/sandbox/run-probe.ts';
import type {
  Driver,
  ProbeReport,
  SandboxedProgram,
} from '../../../../backend/engine/sandbox/sandboxed-engine.ts';
import { architecture } from './machine.ts';

export const DOCUMENT = new URL('../../../../docs/sandbox.md', import.meta.url);
const BEGIN = '<!-- escape table: begin -->';
const END = '<!-- escape table: end -->';
const DRIVERS: readonly Driver[] = ['landlock', 'bubblewrap', 'gvisor', 'none'];

/** The attempts that a document's table lists, in its order: id and guarantee. */
export function readTable(document: string): string[] {
  const table = document.slice(document.indexOf(BEGIN), document.indexOf(END));
  return [...table.matchAll(/^\| `([a-z0-9_-]+)` \| ([a-z-]+) \|/gm)].map(
    ([, id, breaks]) => `${id} ${breaks}`,
  );
}

/** The same for what a probe tries on x64, where it tries most. */
export function attemptsOfProbe(): string[] {
  return listAttempts('x64').map(({ id, breaks }) => `${id} ${breaks}`);
}

async function probe(driver: Driver): Promise<ProbeReport> {
  const koffi = locateKoffi(architecture);
  const call = loadNativeCalls(koffi);
  const user = process.getuid?.() === 0 ? await allocateUser() : undefined;
  const program: SandboxedProgram = {
    argv: [process.execPath],
    env: { HOME: '/' },
    readOnly: [process.execPath],
    limits: { memoryBytes: 1 << 30, processes: 512, openFiles: 256 },
  };
  const ready = readyDriver(driver, call);
  const profile = buildProfile(
    profileInput(ready, program, program.readOnly, architecture, user !== undefined),
  );
  const site = { architecture, node: process.execPath, koffi, user: user?.id, call };
  try {
    return await runProbe(profile, { site, random: (octets) => randomBytes(octets), env: program.env });
  } finally {
    user?.release();
  }
}

async function main(): Promise<void> {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const reports = new Map<Driver, ProbeReport>();
  for (const driver of DRIVERS) {
    try {
      reports.set(driver, await probe(driver));
    } catch (error) {
      say(`${driver}: not run: ${(error as Error).message}`);
    }
  }
  const cell = (driver: Driver, id: string): string => {
    const result = reports.get(driver)?.results.find((one) => one.id === id);
    return result === undefined ? 'not run' : result.blocked ? result.detail : '**open**';
  };
  const attempts = listAttempts(architecture);
  const rows = attempts.map(
    ({ id, breaks }) =>
      `| \`${id}\` | ${breaks} | ${DRIVERS.map((driver) => cell(driver, id)).join(' | ')} |`,
  );
  for (const { id } of attempts)
    for (const driver of reports.keys()) say(`${id.padEnd(30)} ${driver.padEnd(12)} ${cell(driver, id)}`);
  const sums = [...reports].map(([driver, report]) => {
    const open = report.results.filter(({ blocked }) => !blocked).length;
    return `${driver}: ${report.results.length} attempts, ${open} open`;
  });
  for (const sum of sums) say(sum);
  const table = [
    BEGIN,
    `| attempt | breaks | ${DRIVERS.join(' | ')} |`,
    `| --- | --- | ${DRIVERS.map(() => '---').join(' | ')} |`,
    ...rows,
    '',
    ...sums.map((sum) => `- ${sum}`),
    END,
  ].join('\n');
  const document = readFileSync(DOCUMENT, 'utf8');
  // a machine that lacks a driver must not empty its column
  if (process.argv.includes('--write') && reports.size === DRIVERS.length)
    writeFileSync(
      DOCUMENT,
      document.slice(0, document.indexOf(BEGIN)) + table + document.slice(document.indexOf(END) + END.length),
    );
  const leaky = [...reports].filter(
    ([driver, report]) => driver !== 'none' && openAttempts(report).length > 0,
  );
  process.exitCode = leaky.length === 0 && reports.size > 1 ? 0 : 1;
}

if (import.meta.main) await main();
