import fc from 'fast-check';
import { expect, it } from 'vitest';
import { concat } from '../../../shared/bytes/concat.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { now, simulatedNode } from '../../backend/tee/simulated-node.ts';

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
