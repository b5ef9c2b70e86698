// Thirteen defences, each taken out of the verifier's source in turn: the attack that it stops must then get through, and no other way.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { attacks as stopped } from './attacks.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, `.cloister/mutation/hand-${process.pid}`);

/** Attack, file, what stands there, what stands there without the defence. */
const DEFENCES: readonly (readonly [string, string, string, string])[] = [
  ['a report signed by another key', 'verify-snp-report.ts', 'return holds\n      ?', 'return true\n      ?'],
  ['an intermediate that AMD revoked', 'verify-snp-revocation.ts', 'list.revoked.has(ask.serial)', 'false'],
  [
    'a revocation list of last year',
    'verify-snp-revocation.ts',
    'now < list.thisUpdate || now > list.nextUpdate',
    'false',
  ],
  [
    'an empty revocation list by the attacker',
    'verify-snp-revocation.ts',
    '(await crypto.verifyRsaPss(ark.spki, list.signature, list.tbs))',
    'true',
  ],
  ['a report of another chip', 'verify-snp-report.ts', 'equalBytes(report.chipId, expected)', 'true'],
  ['a key of other firmware', 'verify-snp-report.ts', 'tcbEqual(value.reported, extensions.tcb)', 'true'],
  ['a leaf by another intermediate', 'verify-snp-chain.ts', 'holds[index] !== true', 'false'],
  [
    'a guest under debug',
    'judge-tdx.ts',
    "group === 0n,\n      'policy_debug'",
    "true,\n      'policy_debug'",
  ],
  [
    'an attestation key of the attacker’s own',
    'verify-tdx-quote.ts',
    'equalBytes(expected, qeReport.reportData)',
    'true',
  ],
  ['a revoked PCK', 'verify-tdx-revocation.ts', 'pckList.revoked.has(serial)', 'false'],
  [
    'TCB info of another family',
    'verify-tdx-collateral.ts',
    'equalBytes(tcbInfo.fmspc, extensions.fmspc)',
    'true',
  ],
  [
    'a GPU’s answer to another question',
    'verify-nvidia-gpu.ts',
    'equalBytes(report.requestNonce, nonce)',
    'true',
  ],
  [
    'an OCSP answer by a stranger',
    'verify-ocsp.ts',
    '(await isSigned(signer, read.signature, read.tbs, crypto))',
    'true',
  ],
];

/** The attacks in a bundle in which one piece of one file is another. */
async function attacksWithout(file: string, find: string, put: string): Promise<typeof stopped> {
  const path = join(root, 'shared/verifier', file);
  const source = readFileSync(path, 'utf8');
  expect(source.split(find), `${file} has the defence once`).toHaveLength(2);
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, `${DEFENCES.findIndex((one) => one[2] === find)}.mjs`);
  await build({
    entryPoints: [fileURLToPath(new URL('./attacks.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile,
    logLevel: 'error',
    plugins: [
      {
        name: 'without-a-defence',
        setup: ({ onLoad }) =>
          onLoad({ filter: new RegExp(`${file.replaceAll('.', '\\.')}$`) }, (args) =>
            args.path === path ? { contents: source.replace(find, () => put), loader: 'ts' } : undefined,
          ),
      },
    ],
  });
  return ((await import(pathToFileURL(outfile).href)) as { readonly attacks: typeof stopped }).attacks;
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(DEFENCES)('%s', (attack, file, find, put) => {
  it('is stopped', async () => {
    expect(await stopped[attack]?.()).toBe(false);
  });
  it(`gets through without its defence in ${file}`, async () => {
    const open = await attacksWithout(file, find, put);
    expect(await open[attack]?.()).toBe(true);
  });
});
