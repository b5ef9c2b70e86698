import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { judgeVector } from './judges.ts';
import { NODE_JUDGES } from './node-judges.ts';
import { openVectorFolder, type VectorEntry, vectorFolderPath } from './vector.ts';

const path = vectorFolderPath();
const vectors = path === undefined ? [] : openVectorFolder(path).vectors;
const program = fileURLToPath(new URL('./run.ts', import.meta.url));

function run(folder: string): { readonly status: number | null; readonly lines: readonly string[] } {
  const { status, stdout } = spawnSync(process.execPath, [program], {
    env: { ...process.env, CLOISTER_VECTORS: folder },
    encoding: 'utf8',
  });
  return { status, lines: stdout.trimEnd().split('\n') };
}

describe.skipIf(path === undefined)('captured evidence (skipped where the vectors are absent)', () => {
  for (const vector of vectors)
    it.skipIf(!Object.hasOwn(NODE_JUDGES, vector.kind))(`${vector.name} (${vector.kind})`, async () => {
      const { result, wrong } = await judgeVector(vector, NODE_JUDGES);
      expect(wrong).toEqual([]);
      expect(result).toBe('passed');
    });

  it('judges by the evidence: other names change nothing, another expectation fails', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cloister-vectors-'));
    try {
      const chosen = vectors
        .filter(({ kind }) => kind === 'trust-anchors' || kind === 'tdx-quote')
        .slice(0, 4);
      for (const { files } of chosen)
        for (const file of files) cpSync(join(path ?? '', file.path), join(folder, file.path));
      const entries: VectorEntry[] = chosen.map(({ name: _, file: __, folder: ___, ...entry }, index) => ({
        ...entry,
        name: `vector-${index}`,
      }));
      writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ vectors: entries }));
      expect(run(folder)).toMatchObject({ status: 0 });
      expect(run(folder).lines.at(-1)).toBe('4 passed, 0 failed, 0 skipped');

      const swapped = entries.map((entry) => ({
        ...entry,
        expected: { ...entry.expected, crypto: 'invalid', tcb: undefined },
      }));
      const unknown = { name: 'new', kind: 'of-tomorrow', files: [], expected: {} };
      writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ vectors: [...swapped, unknown] }));
      const { status, lines } = run(folder);
      expect(status).toBe(1);
      expect(lines.at(-1)).toBe('0 passed, 4 failed, 1 skipped');
      expect(lines).toContain('skipped  new: nobody judges of-tomorrow yet');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

it('without a folder, a named one is a failure', () => {
  expect(run(join(tmpdir(), 'no-such-folder'))).toMatchObject({ status: 1 });
});
