// `npm run test:fuzz -- [--executions N] [--seed N] [--save] [target …]`: parsers against inputs that coverage leads.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { readCorpus, readVectorSeeds, writeCorpus } from './corpus-file.ts';
import { type FuzzReport, fuzzTarget } from './fuzz-target.ts';
import { loadInstrumented } from './instrument.ts';
import { TARGETS } from './target-list.ts';

/** What a run without options does: seconds, for every change. */
const DEFAULT_EXECUTIONS = '20000';
/** Kept inputs beyond this many or this long stay out of the repository. */
const MOST_KEPT = 200;
const LONGEST_KEPT = 512;

const { values, positionals } = parseArgs({
  options: {
    executions: { type: 'string', default: DEFAULT_EXECUTIONS },
    seed: { type: 'string', default: String(Date.now() >>> 0) },
    save: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
// Most inputs are refused by an error; writing its stack takes longer than parsing.
Error.stackTraceLimit = 0;
const executions = Number(values.executions);
const seed = Number(values.seed);

for (const entry of TARGETS) {
  if (positionals.length > 0 && !positionals.includes(entry.name)) continue;
  const target = await loadInstrumented(
    fileURLToPath(new URL(`./targets/${entry.name}.ts`, import.meta.url)),
  );
  const kept = readCorpus(entry.name);
  // What goes into the repository grows from nothing: vectors are other people's files.
  const borrowed = values.save ? [] : readVectorSeeds(entry.vectors ?? [], entry.maxOctets);
  const started = performance.now();
  const report = await fuzzTarget(target, { ...entry, executions, seed, seeds: [...kept, ...borrowed] });
  tell(entry.name, report, (performance.now() - started) / 1000);
  if (values.save && report.crash === undefined)
    writeCorpus(entry.name, report.corpus.filter((input) => input.length <= LONGEST_KEPT).slice(-MOST_KEPT));
}

function tell(name: string, report: FuzzReport, seconds: number): void {
  const rate = Math.round(report.executions / seconds);
  process.stdout.write(
    `${report.crash === undefined ? 'ok     ' : 'FAILED '} ${name.padEnd(18)} ${report.executions} executions, ` +
      `${rate}/s, ${report.edges} edges, ${report.corpus.length} inputs, seed ${seed}\n`,
  );
  if (report.crash === undefined) return;
  const { input, error } = report.crash;
  process.stdout.write(`  ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}\n`);
  process.stdout.write(`  input ${toBase64url(new Uint8Array(input))}\n`);
  process.exitCode = 1;
}
