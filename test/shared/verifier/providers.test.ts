// The two providers of primitives against each other, also on what is wrong.

import { expect, it } from 'vitest';
import { concat } from '../../../shared/bytes/concat.ts';
import { parseSnpReport } from '../../../shared/evidence/snp-report.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import { nobleCrypto } from '../../../shared/verifier/noble-crypto.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { now, simulatedNode, snpEvidenceOf } from '../../backend/tee/simulated-node.ts';
import { flipBit as flip } from './nvidia-fixture.ts';

it('WebCrypto and noble agree about P-384, also on what is wrong', async () => {
  const evidence = snpEvidenceOf((await simulatedNode()).parts);
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
