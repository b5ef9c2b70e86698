import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseBundle, type SnpEvidence } from '../../../shared/evidence/bundle.ts';
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
  await writeFile(join(folder, 'stale-crl.json'), (await describeNode(owner, { fault: 'stale-crl' })).bundle);
  const { node, ...rest } = JSON.parse(new TextDecoder().decode((await describeNode(owner)).bundle));
  const { crl: _, ...bare } = node.evidence[0];
  await writeFile(
    join(folder, 'no-crl.json'),
    JSON.stringify({ ...rest, node: { ...node, evidence: [bare] } }),
  );
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
    ['stale-crl.json', 3, 'evidence_crl_not_valid_now'],
    ['no-crl.json', 3, 'evidence_collateral_absent'],
  ])('refuses %s with exit %i', async (file, exit, refusal) => {
    const table = await run('verify', join(folder, file), '--policy', policyFile);
    expect(table.code).toBe(exit);
    expect(table.out).toContain(refusal);
    const json = await run('verify', join(folder, file), '--policy', policyFile, '--json');
    expect(json.code).toBe(exit);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, code: refusal });
  });

  test('keeps the raw evidence, and what was kept verifies as of then and at no other time', async () => {
    const kept = join(folder, 'kept');
    const first = await run('verify', join(folder, 'good.json'), '--policy', policyFile, '--save', kept);
    expect(first.code).toBe(0);
    const { verified_at: at } = JSON.parse(await readFile(join(kept, 'context.json'), 'utf8'));
    const bundle = join(kept, 'bundle.json');
    expect(await readFile(bundle)).toEqual(await readFile(join(folder, 'good.json')));
    const { report } = parseBundle(new Uint8Array(await readFile(bundle))).node.evidence[0] as SnpEvidence;
    expect(new Uint8Array(await readFile(join(kept, 'parts/node/evidence/0/report.bin')))).toEqual(report);
    expect(await readFile(join(kept, 'parts/node/core.json'), 'utf8')).toMatch(/^{"version":1,/);
    expect(await readFile(join(kept, 'parts/result.jwt'), 'utf8')).toMatch(/^eyJ/);
    const again = await run('verify', bundle, '--policy', policyFile, '--at', at, '--json');
    expect(again.code).toBe(0);
    const later = await run(
      'verify',
      bundle,
      '--policy',
      policyFile,
      '--at',
      '2099-01-01T00:00:00Z',
      '--json',
    );
    expect(later.code).not.toBe(0);
    expect(JSON.parse(later.out)).toMatchObject({ ok: false });
    const nonce = 'A'.repeat(43);
    const fresh = await run('verify', bundle, '--policy', policyFile, '--at', at, '--nonce', nonce, '--json');
    expect(fresh.code).toBe(4);
    expect(JSON.parse(fresh.out)).toMatchObject({ code: 'evidence_freshness_kind' });
  });

  test.each([
    [['verify']],
    [['verify', 'x.json']],
    [['verify', 'x.json', '--policy', '{"version":1}']],
    [['verify', 'x.json', '--at', 'yesterday']],
    [['verify', 'http://127.0.0.1:1', '--at', '2027-01-01T00:00:00Z']],
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
