import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeNode } from '../../harness/hostile-edge.ts';
import { writeTinyOwnerFiles } from '../../harness/whole-system.ts';

const CLI = fileURLToPath(new URL('../../../shared/cli/cloister.ts', import.meta.url));

let folder: string;
let policyFile: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-cli-'));
  policyFile = join(folder, 'policy.json');
  const owner = await writeTinyOwnerFiles(folder, new Date());
  await writeFile(policyFile, JSON.stringify(owner.policy));
  await writeFile(join(folder, 'good.json'), (await describeNode(owner)).bundle);
  await writeFile(join(folder, 'debug.json'), (await describeNode(owner, { fault: 'debug' })).bundle);
  await writeFile(
    join(folder, 'forged.json'),
    (await describeNode(owner, { fault: 'forged-report' })).bundle,
  );
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH ?? '' } });
    let out = '';
    let err = '';
    child.stdout.on('data', (data) => {
      out += data;
    });
    child.stderr.on('data', (data) => {
      err += data;
    });
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

describe('cloister verify', () => {
  test('shows every step and says simulated, exit 0', async () => {
    const { code, out } = await run('verify', join(folder, 'good.json'), '--policy', policyFile);
    expect(code).toBe(0);
    expect(out).toContain('snp.report-signature');
    expect(out).toContain('SIMULATED');
    expect(out).not.toContain('Verified until');
  });

  test('prints one JSON object a node', async () => {
    const { code, out } = await run('verify', join(folder, 'good.json'), '--policy', policyFile, '--json');
    expect(code).toBe(0);
    expect(out.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(out)).toMatchObject({ ok: true, assurance: 'simulated' });
  });

  test.each([
    ['debug.json', 5, 'policy_debug'],
    ['forged.json', 4, 'evidence_report_signature'],
  ])('refuses %s with exit %i', async (file, exit, refusal) => {
    const table = await run('verify', join(folder, file), '--policy', policyFile);
    expect(table.code).toBe(exit);
    expect(table.out).toContain(refusal);
    const json = await run('verify', join(folder, file), '--policy', policyFile, '--json');
    expect(json.code).toBe(exit);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, code: refusal });
  });

  test.each([
    [['verify']],
    [['verify', 'x.json']],
    [['verify', 'x.json', '--policy', '{"version":1}']],
    [['verfy']],
    [['verify', '--polcy', 'x']],
    [['proxy', 'http://127.0.0.1:1', '--policy', '{}']],
  ])('says what is wrong with %j on stderr, exit 2', async (args) => {
    const { code, out, err } = await run(...args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(/^cloister: /);
  });

  test('an edge that does not answer is exit 1', async () => {
    const { code, err } = await run('verify', 'http://127.0.0.1:9', '--policy', policyFile);
    expect(code).toBe(1);
    expect(err).toContain('The edge does not answer');
  });
});
