// The fuzzer itself: it counts branches, it finds a bug that was planted, and every parser withstands a short run from its corpus.

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readCorpus } from './corpus-file.ts';
import { fuzzTarget } from './fuzz-target.ts';
import { instrument, loadInstrumented } from './instrument.ts';
import { TARGETS } from './target-list.ts';

const load = (name: string) =>
  loadInstrumented(fileURLToPath(new URL(`./targets/${name}.ts`, import.meta.url)));

describe('instrumenting', () => {
  it.each([
    ['if (a) b();', 1],
    ['if (a) b(); else c();', 2],
    ['x = a ? b : c;', 2],
    ['x = (a && b) || c;', 2],
    ['for (const x of y) f(x);', 1],
    ['while (a) b();', 1],
    ['f = (x) => x;', 1],
    ['try { a(); } catch { b(); }', 1],
    ['switch (a) { case 1: b(); break; default: c(); }', 2],
    ['if (a) for (;;) if (b) c();', 3],
  ])('counts the branches of %s', (source, branches) => {
    const marked = instrument(source);
    expect(marked.match(/__b\(/g)).toHaveLength(branches);
    expect(() => new Function('a', 'b', 'c', 'd', 'f', 'x', 'y', '__b', marked)).not.toThrow();
  });
});

describe('the fuzzer', () => {
  it('finds a planted bug by coverage', async () => {
    const target = await load('planted-bug');
    const options = { executions: 500_000, seed: 7, seeds: [], words: [], maxOctets: 64 };
    const report = await fuzzTarget(target, options);
    expect(report.crash?.error).toMatchObject({ message: 'the planted bug: read beyond the end' });
  });

  it('does not find it blind', async () => {
    const target = await load('planted-bug');
    // The same runs, with a coverage that never shows anything.
    const blind = { ...target, coverage: { ...target.coverage } };
    const options = { executions: 100_000, seed: 7, seeds: [], words: [], maxOctets: 64 };
    expect((await fuzzTarget(blind, options)).crash).toBeUndefined();
  });
});

describe.each(TARGETS)('$name', (entry) => {
  it('withstands its corpus and a short run', async () => {
    const target = await load(entry.name);
    const seeds = readCorpus(entry.name);
    const report = await fuzzTarget(target, { ...entry, executions: seeds.length + 2000, seed: 1, seeds });
    expect(report.crash).toBeUndefined();
    expect(report.edges).toBeGreaterThan(3);
  });
});
