import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { AzureTdxEvidence } from '../../../shared/evidence/azure-evidence.ts';
import { encodeBundle, parseBundle } from '../../../shared/evidence/bundle.ts';
import { quoteDataOf } from '../../../shared/evidence/node-statement.ts';
import type { AzureTdxReferenceValue } from '../../../shared/manifest/azure-reference-value.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { now, simulatedNode } from '../../backend/tee/simulated-node.ts';
import { writeQuote } from './azure-fixture.ts';
import { flipBit } from './nvidia-fixture.ts';
import { soundTdxReference, tdxEvidence, tdxRoots } from './tdx-platform.ts';

const ak = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const pcrs = [4, 7, 11].map((value) => new Uint8Array(32).fill(value));
const wanted: AzureTdxReferenceValue = {
  tee: 'azure-tdx',
  td: soundTdxReference,
  secure_boot: 'required',
  pcrs: [{ index: 4, digests: [toHex(pcrs[0] as Bytes)] }],
};

interface Changes {
  readonly secureBoot?: boolean;
  readonly reportData?: Bytes;
  readonly extraData?: Bytes;
  readonly signer?: KeyObject;
  readonly attributes?: bigint;
  readonly runtime?: (octets: Bytes) => Bytes;
  readonly wanted?: Partial<AzureTdxReferenceValue>;
}

async function codes(changes: Changes = {}): Promise<readonly string[]> {
  const { parts, policy } = await simulatedNode({
    manifest: { reference_values: { worker: [{ ...wanted, ...changes.wanted }] } },
  });
  const { n, e } = ak.export({ format: 'jwk' });
  const runtime = toUtf8(
    JSON.stringify({
      keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }],
      'vm-configuration': { 'secure-boot': changes.secureBoot ?? true },
      'user-data': '00'.repeat(64),
    }),
  );
  const reportData = changes.reportData ?? concat(await sha256(runtime), new Uint8Array(32));
  const tdAttributes = changes.attributes === undefined ? {} : { tdAttributes: changes.attributes };
  const extraData = changes.extraData ?? (await quoteDataOf(parts.node.statement));
  const message = writeQuote(extraData, await sha256(concat(...pcrs)));
  const key = { key: changes.signer ?? ak, padding: constants.RSA_PKCS1_PADDING };
  const evidence: AzureTdxEvidence = {
    kind: 'azure-tdx',
    runtimeData: changes.runtime?.(runtime) ?? runtime,
    quote: { message, signature: new Uint8Array(sign('sha256', message, key)), pcrs },
    td: tdxEvidence({ report: { reportData, ...tdAttributes } }),
  };
  const bundle = encodeBundle({ ...parts, node: { ...parts.node, evidence: [evidence] } });
  expect(parseBundle(bundle).node.evidence).toEqual([evidence]);
  const hardware = { ...policy, roots: { hardware: true, simulated: [] } };
  const verification = await verifyBundle(bundle, hardware, { now, roots: tdxRoots });
  return verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
}

describe('an Azure confidential VM on TDX', () => {
  it('is verified', async () => {
    expect(await codes()).toEqual([]);
  });
  const cases: readonly (readonly [string, Changes, readonly string[]])[] = [
    ['a quote over other runtime data', { reportData: new Uint8Array(64) }, ['evidence_runtime_data']],
    [
      'runtime data with a bit turned',
      { runtime: (octets) => flipBit(octets, octets.length * 8 - 24) },
      ['evidence_runtime_data'],
    ],
    ['runtime data that are none', { runtime: () => toUtf8('[]') }, ['evidence_hcl_malformed']],
    ['another vTPM', { signer: stranger }, ['evidence_tpm_quote_signature']],
    ['another statement', { extraData: new Uint8Array(32) }, ['evidence_binding']],
    ['a guest under debug', { attributes: (1n << 28n) | 1n }, ['policy_debug']],
    ['secure boot off', { secureBoot: false }, ['policy_secure_boot']],
    ['another guest', { wanted: { pcrs: [{ index: 4, digests: ['00'.repeat(32)] }] } }, ['policy_pcrs']],
  ];
  for (const [what, changes, expected] of cases)
    it(`${expected.join(', ')}: ${what}`, async () => {
      expect(await codes(changes)).toEqual(expected);
    });
});
