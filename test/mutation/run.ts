// `npm run test:mutation [-- file …]`: Stryker changes the verifier, one piece at a time, and asks whether a test notices.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vectorsFolder } from '../harness/vectors.ts';
import { TARGETS } from './targets.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const output = join(root, '.cloister/mutation');
const tool = join(output, 'tool');
const stryker = join(tool, 'node_modules/@stryker-mutator/core/bin/stryker.js');

interface Mutant {
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly status: string;
  readonly location: { readonly start: { readonly line: number; readonly column: number } };
}
interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly Mutant[] }>>;
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.keys(TARGETS).some((file) => matches(file, name)));
if (unknown !== undefined) {
  process.stderr.write(`no such file: ${unknown}; test/mutation/targets.ts lists them\n`);
  process.exit(2);
}
if (!existsSync(stryker)) {
  process.stdout.write('installing Stryker into .cloister/mutation/tool\n');
  mkdirSync(tool, { recursive: true });
  for (const name of ['package.json', 'package-lock.json', '.npmrc'])
    copyFileSync(join(root, 'test/mutation', name), join(tool, name));
  execFileSync('npm', ['ci'], { cwd: tool, stdio: 'inherit' });
}

const total = { killed: 0, all: 0 };
for (const [file, tests] of Object.entries(TARGETS)) {
  if (wanted.length > 0 && !wanted.some((name) => matches(file, name))) continue;
  if (!existsSync(join(root, file))) continue;
  const mutants = mutate(file, tests);
  if (mutants === undefined) {
    process.stdout.write(`${file}: Stryker did not run\n`);
    process.exitCode = 1;
    continue;
  }
  const counted = mutants.filter(({ status }) => status !== 'Ignored' && status !== 'CompileError');
  const survivors = counted.filter(({ status }) => status === 'Survived' || status === 'NoCoverage');
  total.killed += counted.length - survivors.length;
  total.all += counted.length;
  process.stdout.write(`${file}: ${share(counted.length - survivors.length, counted.length)}\n`);
  for (const { location, mutatorName, replacement } of survivors)
    process.stdout.write(
      `  ${location.start.line}:${location.start.column} ${mutatorName}: ${replacement}\n`,
    );
}
process.stdout.write(`in all: ${share(total.killed, total.all)}\n`);

function matches(file: string, name: string): boolean {
  return file === name || basename(file) === name || basename(file, '.ts') === name;
}

function share(killed: number, all: number): string {
  return `${killed} of ${all} killed, ${all === 0 ? '100.0' : ((100 * killed) / all).toFixed(1)} %`;
}

function mutate(file: string, tests: readonly string[]): readonly Mutant[] | undefined {
  const name = file.replaceAll('/', '-').replace('.ts', '');
  const report = join(output, `${name}.json`);
  const config = join(output, `${name}.config.json`);
  writeFileSync(
    config,
    JSON.stringify({
      mutate: [file],
      testRunner: 'vitest',
      vitest: { configFile: 'test/mutation/vitest.config.ts', related: false },
      plugins: ['@stryker-mutator/vitest-runner', './test/mutation/words-for-people.js'],
      ignorers: ['words-for-people'],
      ignorePatterns: ['.*', 'docs'],
      // Stryker would rewrite tsconfig.json with TypeScript's old programming interface, which TypeScript 7 lacks.
      tsconfigFile: 'absent.json',
      disableTypeChecks: false,
      tempDirName: '.cloister/stryker',
      cleanTempDir: 'always',
      // Fixtures are made while test files load, so nearly every mutant counts as static: which test meets it is not known.
      coverageAnalysis: 'off',
      concurrency: 1,
      timeoutMS: 4000,
      timeoutFactor: 2,
      reporters: ['json'],
      jsonReporter: { fileName: report },
      logLevel: 'warn',
    }),
  );
  try {
    execFileSync('nice', ['-n', '15', process.execPath, stryker, 'run', config], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        CLOISTER_VECTORS: vectorsFolder,
        CLOISTER_MUTATION_TESTS: JSON.stringify(tests.filter((test) => existsSync(join(root, test)))),
      },
    });
  } catch {
    return undefined;
  }
  const { files } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  return Object.values(files).flatMap(({ mutants }) => mutants);
}
