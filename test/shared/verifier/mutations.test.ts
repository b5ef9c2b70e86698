import fc from 'fast-check';
import { expect, it } from 'vitest';
import { concat } from '../../../shared/bytes/concat.ts';
import { encodeBundle, type SnpEvidence } from '../../../shared/evidence/bundle.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseSnpReport } from '../../../shared/evidence/snp-report.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import { nobleCrypto } from '../../../shared/verifier/noble-crypto.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { verifySnpChain } from '../../../shared/verifier/verify-snp-chain.ts';
import { verifySnpReport } from '../../../shared/verifier/verify-snp-report.ts';
import { now, simulatedNode, snpEvidenceOf, testPlatform } from '../../backend/tee/simulated-node.ts';

/** Every n-th bit; n is odd, so that all positions within an octet come up. */
const REPORT_STRIDE = 7;
const CERTIFICATE_STRIDE = 61;
const STATEMENT_STRIDE = 61;

async function soundEvidence(): Promise<SnpEvidence> {
  return snpEvidenceOf((await simulatedNode()).parts);
}

function flip(octets: Uint8Array, bit: number): Uint8Array<ArrayBuffer> {
  const copy = concat(octets);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}

it('refuses a report with any bit flipped', async () => {
  const evidence = await soundEvidence();
  const { rootSpkiSha256 } = await testPlatform();
  const trust = { roots: PINNED_ROOTS, hardware: false, simulated: [rootSpkiSha256] };
  const chain = await verifySnpChain(new StepLog(), evidence, trust, now, webCrypto);
  await verifySnpReport(new StepLog(), evidence.report, chain, webCrypto);
  let refused = 0;
  let tried = 0;
  for (let bit = 0; bit < evidence.report.length * 8; bit += REPORT_STRIDE) {
    tried++;
    const log = new StepLog();
    await verifySnpReport(log, flip(evidence.report, bit), chain, webCrypto).catch((error: unknown) => {
      if (!(error instanceof StoppedVerification)) throw error;
      if (log.violations[0]?.code.startsWith('evidence_')) refused++;
    });
  }
  expect(refused).toBe(tried);
});

it('refuses certificates and revocation lists with a bit flipped', async () => {
  const { parts, policy } = await simulatedNode();
  const evidence = await soundEvidence();
  const variants: SnpEvidence[] = [];
  const every = (octets: Uint8Array, put: (flipped: Uint8Array<ArrayBuffer>) => SnpEvidence) => {
    for (let bit = 0; bit < octets.length * 8; bit += CERTIFICATE_STRIDE)
      variants.push(put(flip(octets, bit)));
  };
  const { leaf } = evidence;
  every(leaf.certificate, (certificate) => ({ ...evidence, leaf: { ...leaf, certificate } }));
  every(evidence.ask, (ask) => ({ ...evidence, ask }));
  every(evidence.ark, (ark) => ({ ...evidence, ark }));
  every(evidence.crl, (crl) => ({ ...evidence, crl }));
  for (const variant of variants) {
    const bundle = encodeBundle({ ...parts, node: { ...parts.node, evidence: [variant] } });
    const verification = await verifyBundle(bundle, policy, { now });
    expect(verification.ok ? 'accepted' : verification.failure.code).toMatch(
      /^evidence_(certificate|crl|algorithm|root|chain|too|revoked|tcb|product|chip|signing)/,
    );
  }
  expect(variants.length).toBeGreaterThan(600);
});

it('refuses a statement or a manifest with a bit flipped', async () => {
  const { parts, policy } = await simulatedNode();
  const { statement } = parts.node;
  for (let bit = 0; bit < statement.length * 8; bit += STATEMENT_STRIDE) {
    const node = { ...parts.node, statement: flip(statement, bit) };
    const verification = await verifyBundle(encodeBundle({ ...parts, node }), policy, { now });
    expect(verification.ok ? 'accepted' : verification.failure.code).toMatch(
      /^evidence_(statement|core|binding)/,
    );
  }
  for (let bit = 0; bit < parts.manifest.length * 8; bit += STATEMENT_STRIDE) {
    const changed = { ...parts, manifest: flip(parts.manifest, bit) };
    const verification = await verifyBundle(encodeBundle(changed), policy, { now });
    expect(verification.ok ? 'accepted' : verification.failure.code).toBe('policy_manifest_pin');
  }
});

it('answers a cut or lengthened bundle with a refusal', async () => {
  const { bundle, policy } = await simulatedNode();
  for (let length = 0; length < bundle.length; length += 97)
    expect(await verifyBundle(bundle.subarray(0, length), policy, { now })).toMatchObject({
      failure: { code: 'evidence_bundle_malformed' },
    });
  expect(await verifyBundle(concat(bundle, Uint8Array.of(0x7d)), policy, { now })).toMatchObject({
    ok: false,
  });
});

it('answers any octets in place of a certificate or list with a typed error', () => {
  const typed = (parse: (octets: Uint8Array) => unknown) =>
    fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
      expect(() => parse(octets)).toThrow(EvidenceError);
    });
  fc.assert(typed(parseCertificate), { numRuns: 500 });
  fc.assert(typed(parseCrl), { numRuns: 500 });
  expect(() => parseCertificate(new Uint8Array(16 * 1024 + 1))).toThrow('evidence_too_large');
  expect(() => parseCrl(new Uint8Array(256 * 1024 + 1))).toThrow('evidence_too_large');
});

it('WebCrypto and noble agree about P-384, also on what is wrong', async () => {
  const evidence = await soundEvidence();
  const { publicKey } = parseCertificate(evidence.leaf.certificate);
  if (publicKey.kind !== 'p384') throw new Error('not P-384');
  const { signature, signed } = parseSnpReport(evidence.report);
  const order =
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;
  const s = BigInt(`0x${Buffer.from(signature.subarray(48)).toString('hex')}`);
  const mirrored = concat(
    signature.subarray(0, 48),
    Buffer.from((order - s).toString(16).padStart(96, '0'), 'hex'),
  );
  const tooLarge = concat(signature.subarray(0, 48), Buffer.from(order.toString(16), 'hex'));
  const cases: readonly (readonly [
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>,
    boolean,
  ])[] = [
    [publicKey.point, signature, signed, true],
    [publicKey.point, mirrored, signed, true],
    [publicKey.point, flip(signature, 5), signed, false],
    [publicKey.point, signature, flip(signed, 999), false],
    [publicKey.point, new Uint8Array(96), signed, false],
    [publicKey.point, tooLarge, signed, false],
    [publicKey.point, signature.subarray(0, 95), signed, false],
    [flip(publicKey.point, 100), signature, signed, false],
    [new Uint8Array(97), signature, signed, false],
    [new Uint8Array(), signature, signed, false],
  ];
  for (const [point, candidate, message, expected] of cases) {
    expect(await webCrypto.verifyEcdsaP384(point, candidate, message)).toBe(expected);
    expect(await nobleCrypto.verifyEcdsaP384(point, candidate, message)).toBe(expected);
  }
});

it('accepts the sound bundle with either provider', async () => {
  const { bundle, policy } = await simulatedNode();
  for (const crypto of [webCrypto, nobleCrypto])
    expect((await verifyBundle(bundle, policy, { now, crypto })).ok).toBe(true);
});
