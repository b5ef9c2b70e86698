// OCSP for NVIDIA's certificates: what an answer must be before it says anything, and what it says then.

import { describe, expect, it } from 'vitest';
import {
  der,
  explicit,
  integer,
  octetString,
  oid,
  sequence,
} from '../../../backend/tee/simulated/der-writer.ts';
import { GPU_AUTHORITY } from '../../../backend/tee/simulated/gpu-certificates.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { OCSP_MAXIMUM_BYTES, parseOcspResponse } from '../../../shared/evidence/ocsp-response.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyNvidiaGpu } from '../../../shared/verifier/verify-nvidia-gpu.ts';
import { readCertificateStatuses, verifyOcspResponse } from '../../../shared/verifier/verify-ocsp.ts';
import { lengthened } from '../evidence/der-tree.ts';
import { gpuRoot, makeGpu } from './nvidia-fixture.ts';
import {
  type AnswerRecipe,
  byDelegate,
  delegateDer,
  device,
  deviceDer,
  generalized,
  hours,
  issuer,
  issuerDer,
  keys,
  makeAnswer,
  NO_CHECK,
  NONCE,
  OCSP_SIGNING,
  ocspNow,
  STATUS,
  withMore,
} from './ocsp-fixture.ts';

const question = { certificate: device, issuer, nonce: NONCE, now: ocspNow, crypto: webCrypto };
const NULL = { tag: 5, octets: new Uint8Array() };

async function said(answer: Bytes, changes: Partial<typeof question> = {}): Promise<string> {
  const outcome = await verifyOcspResponse(answer, { ...question, ...changes });
  return outcome.ok ? outcome.status : outcome.refusal;
}
function refusalOf(answer: Uint8Array): string {
  try {
    parseOcspResponse(answer);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return `${error.code}: ${error.detail}`;
  }
}

describe('what an answer says', () => {
  it.each([
    ['good', STATUS.good],
    ['revoked', STATUS.revoked()],
    ['revoked', STATUS.revoked(1)],
    ['hold', STATUS.revoked(6)],
    ['unknown', STATUS.unknown],
  ] as const)('%s', async (status, value) => {
    expect(await said(makeAnswer({ statuses: [{ status: value }] }))).toBe(status);
  });
  it('of this certificate, among others', async () => {
    const statuses = [{ serial: 0x1002, status: STATUS.revoked() }, {}, { serial: 0x0101 }];
    expect(await said(makeAnswer({ statuses }))).toBe('good');
    expect(parseOcspResponse(makeAnswer({ statuses })).statuses.map(({ serial }) => serial)).toEqual([
      '1002',
      '1001',
      '101',
    ]);
  });
  it('by the issuer itself, by name or by key', async () => {
    expect(await said(makeAnswer())).toBe('good');
    expect(await said(makeAnswer({ responder: explicit(2, octetString(new Uint8Array(20))) }))).toBe('good');
  });
  it('by one that the issuer certified for it', async () => {
    expect(await said(byDelegate([delegateDer()]))).toBe('good');
    expect(
      await said(byDelegate([delegateDer()], { responder: explicit(2, octetString(new Uint8Array(20))) })),
    ).toBe('good');
  });
  it('without a nonce where none was sent', async () => {
    const answer = makeAnswer({ nonce: 'absent' });
    expect(parseOcspResponse(answer).nonce).toBeUndefined();
    expect((await verifyOcspResponse(answer, { ...question, nonce: undefined })).ok).toBe(true);
  });
});

describe('an answer that says nothing', () => {
  const cases: readonly (readonly [string, string, AnswerRecipe])[] = [
    ['another certificate', 'other-certificate', { statuses: [{ serial: 0x1002 }] }],
    ['another issuer’s name', 'other-certificate', { statuses: [{ nameHash: new Uint8Array(48) }] }],
    ['another issuer’s key', 'other-certificate', { statuses: [{ keyHash: new Uint8Array(48) }] }],
    ['another nonce', 'other-nonce', { nonce: new Uint8Array(32) }],
    ['a shorter nonce', 'other-nonce', { nonce: NONCE.subarray(1) }],
    ['no nonce', 'other-nonce', { nonce: 'absent' }],
    ['not yet', 'not-current', { statuses: [{ thisUpdate: generalized(hours(1)) }] }],
    ['no longer', 'not-current', { statuses: [{ nextUpdate: generalized(hours(-0.5)) }] }],
    ['made in the future', 'not-current', { producedAt: generalized(hours(1)) }],
    ['signed by a stranger', 'signature', { signer: keys.stranger }],
    ['signed by the device', 'signature', { signer: keys.device }],
    ['a stranger’s name', 'unknown-responder', { responder: explicit(1, device.subject) }],
  ];
  it.each(cases)('%s: %s', async (_, refusal, recipe) => {
    expect(await said(makeAnswer(recipe))).toBe(refusal);
  });
  it('holds on both of its ends, to the second', async () => {
    for (const at of [hours(-1), hours(23)]) expect(await said(makeAnswer(), { now: at })).toBe('good');
    for (const at of [hours(-1.001), hours(23.001)])
      expect(await said(makeAnswer(), { now: at })).toBe('not-current');
  });

  const delegates: readonly (readonly [string, Parameters<typeof delegateDer>[0]])[] = [
    ['whom a stranger certified', { signer: keys.stranger }],
    ['of another issuer', { issuer: 'Somebody' }],
    [
      'who may do something else',
      { extensions: [extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))), NO_CHECK] },
    ],
    ['who may do nothing', { extensions: [NO_CHECK] }],
    ['whose own revocation would have to be asked for', { extensions: [OCSP_SIGNING] }],
    ['who is an authority', { extensions: [OCSP_SIGNING, NO_CHECK, ...GPU_AUTHORITY] }],
    ['whose time is over', { notAfter: hours(-1) }],
    ['who has another name', { subject: 'Another' }],
    [
      'whose uses are not read',
      { extensions: [extension('2.5.29.37', false, sequence(octetString(new Uint8Array()))), NO_CHECK] },
    ],
    [
      'whose uses have something behind',
      { extensions: [extension('2.5.29.37', false, withMore(sequence(oid('1.3.6.1.5.5.7.3.9')))), NO_CHECK] },
    ],
  ];
  it.each(delegates)('by a responder %s', async (_, recipe) => {
    expect(await said(byDelegate([delegateDer(recipe)]))).toBe('unknown-responder');
  });
  it('by a responder whose certificate was not sent', async () => {
    expect(await said(byDelegate([]))).toBe('unknown-responder');
    expect(await said(byDelegate([sequence(integer(1))]))).toBe('unknown-responder');
  });
  it('by a delegate’s name and a stranger’s key', async () => {
    expect(await said(byDelegate([delegateDer()], { signer: keys.stranger }))).toBe('signature');
  });
  it('any bit turned', async () => {
    const sound = byDelegate([delegateDer()]);
    for (let bit = 3; bit < sound.length * 8; bit += 29) {
      const flipped = sound.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect((await verifyOcspResponse(flipped, question)).ok, `bit ${bit}`).toBe(false);
    }
  });
});

describe('the form', () => {
  const malformed = (answer: Uint8Array, detail: string) =>
    expect(refusalOf(answer)).toBe(`evidence_ocsp_malformed: ${detail}`);
  const time = new Date('2026-01-01T00:00:00Z');

  it('is read whole', () => {
    const delegate = delegateDer();
    expect(parseOcspResponse(byDelegate([delegate]))).toMatchObject({
      producedAt: hours(-1),
      nonce: NONCE,
      certificates: [delegate],
      statuses: [{ serial: '1001', status: 'good', thisUpdate: hours(-1), nextUpdate: hours(23) }],
    });
  });
  it('is bounded', () => {
    expect(refusalOf(new Uint8Array(OCSP_MAXIMUM_BYTES + 1))).toMatch(/^evidence_too_large/);
    malformed(new Uint8Array(OCSP_MAXIMUM_BYTES), 'unexpected DER tag');
    malformed(new Uint8Array(), 'unexpected DER tag');
  });
  it('has nothing more at the end of any value outside the signed part', () => {
    const all = [...lengthened(makeAnswer(), NULL)];
    expect(all).toHaveLength(3);
    for (const { path, octets } of all)
      expect(refusalOf(octets), path).toMatch(/^evidence_ocsp_malformed: trailing/);
    malformed(makeAnswer({ more: [der(5)] }), 'trailing octets in DER');
    malformed(makeAnswer({ moreSigned: [der(5)] }), 'trailing octets in DER');
    malformed(makeAnswer({ statuses: [{ more: [der(5)] }] }), 'trailing octets in DER');
    malformed(
      makeAnswer({ statuses: [{ nextUpdate: withMore(generalized(time)) }] }),
      'trailing octets in DER',
    );
    malformed(makeAnswer({ statuses: [{ status: STATUS.revoked(1, [der(5)]) }] }), 'trailing octets in DER');
    malformed(makeAnswer({ responder: explicit(1, withMore(issuer.subject)) }), 'trailing octets in DER');
    malformed(
      makeAnswer({ responder: explicit(2, octetString(new Uint8Array(20)), der(5)) }),
      'trailing octets in DER',
    );
    malformed(makeAnswer({ extensions: [extension('1.2.3', false, der(5)), der(5)] }), 'unexpected DER tag');
    const hash = sequence(oid('2.16.840.1.101.3.4.2.2'), der(5), der(5));
    malformed(makeAnswer({ statuses: [{ hash }] }), 'trailing octets in DER');
    const nonce = extension('1.3.6.1.5.5.7.48.1.2', false, withMore(octetString(NONCE)));
    malformed(makeAnswer({ nonce: 'absent', extensions: [nonce] }), 'trailing octets in DER');
  });
  it('is a success of the basic type', () => {
    for (const status of [1, 2, 3, 5, 6])
      malformed(
        makeAnswer({ outerStatus: der(0x0a, Uint8Array.of(status)) }),
        'the responder gave no answer',
      );
    malformed(makeAnswer({ outerStatus: der(0x0a, Uint8Array.of(0, 0)) }), 'the responder gave no answer');
    malformed(makeAnswer({ type: '1.3.6.1.5.5.7.48.1.9' }), 'not a basic answer');
  });
  it('is signed as NVIDIA’s certificates are', () => {
    expect(refusalOf(makeAnswer({ algorithm: sequence(oid('1.2.840.10045.4.3.2')) }))).toBe(
      'evidence_algorithm_unsupported: signature is not ECDSA with SHA-384',
    );
  });
  it('speaks of 1 to 16 certificates, of each once, by SHA-384', () => {
    const statuses = (count: number) =>
      Array.from({ length: count }, (_, serial) => ({ serial: serial + 1 }));
    expect(refusalOf(makeAnswer({ statuses: statuses(16) }))).toBe('accepted');
    malformed(makeAnswer({ statuses: statuses(17) }), 'too many statuses');
    malformed(makeAnswer({ statuses: [] }), 'no status');
    malformed(
      makeAnswer({ statuses: [{}, { status: STATUS.revoked() }] }),
      'two statuses of one certificate',
    );
    expect(refusalOf(makeAnswer({ statuses: [{}, { keyHash: new Uint8Array(48) }] }))).toBe('accepted');
    malformed(makeAnswer({ statuses: [{ hash: sequence(oid('1.3.14.3.2.26')) }] }), 'id in another hash');
    malformed(
      makeAnswer({ statuses: [{ hash: sequence(oid('2.16.840.1.101.3.4.2.2'), der(5, Uint8Array.of(0))) }] }),
      'hash with parameters',
    );
    expect(
      refusalOf(makeAnswer({ statuses: [{ hash: sequence(oid('2.16.840.1.101.3.4.2.2'), der(5)) }] })),
    ).toBe('accepted');
    malformed(makeAnswer({ statuses: [{ nameHash: new Uint8Array(20) }] }), 'hash of another length');
    malformed(makeAnswer({ statuses: [{ keyHash: new Uint8Array(20) }] }), 'hash of another length');
    expect(parseOcspResponse(makeAnswer({ statuses: [{ serial: 0 }] })).statuses[0]?.serial).toBe('0');
  });
  it('knows its statuses and reasons', () => {
    for (const reason of [0, 1, 2, 3, 4, 5, 6, 9, 10])
      expect(refusalOf(makeAnswer({ statuses: [{ status: STATUS.revoked(reason) }] }))).toBe('accepted');
    for (const reason of [7, 8, 11])
      malformed(makeAnswer({ statuses: [{ status: STATUS.revoked(reason) }] }), 'unknown reason');
    const long = der(0xa1, generalized(time), explicit(0, der(0x0a, Uint8Array.of(6, 6))));
    malformed(makeAnswer({ statuses: [{ status: long }] }), 'unknown reason');
    malformed(makeAnswer({ statuses: [{ status: der(0x83) }] }), 'unknown status');
    malformed(makeAnswer({ statuses: [{ status: der(0x80, Uint8Array.of(0)) }] }), 'status with a content');
    malformed(makeAnswer({ statuses: [{ status: der(0x82, Uint8Array.of(0)) }] }), 'status with a content');
  });
  it('says when, in GeneralizedTime, and until when', () => {
    malformed(makeAnswer({ statuses: [{ nextUpdate: 'absent' }] }), 'unexpected DER tag');
    const utc = der(0x17, new TextEncoder().encode('260101000000Z'));
    malformed(makeAnswer({ statuses: [{ thisUpdate: utc }] }), 'not a GeneralizedTime');
    malformed(makeAnswer({ producedAt: utc }), 'not a GeneralizedTime');
  });
  it('has no critical extension, a nonce of 1 to 32 octets, and at most 4 certificates', () => {
    const single = (critical: boolean) => [explicit(1, sequence(extension('1.2.3', critical, der(5))))];
    expect(refusalOf(makeAnswer({ statuses: [{ more: single(false) }] }))).toBe('accepted');
    malformed(makeAnswer({ statuses: [{ more: single(true) }] }), 'unknown critical extension');
    malformed(makeAnswer({ extensions: [extension('1.2.3', true, der(5))] }), 'unknown critical extension');
    for (const length of [1, 32])
      expect(refusalOf(makeAnswer({ nonce: new Uint8Array(length) }))).toBe('accepted');
    for (const length of [0, 33])
      malformed(makeAnswer({ nonce: new Uint8Array(length) }), 'nonce of another length');
    const certificates = (count: number) => Array.from({ length: count }, () => delegateDer());
    expect(refusalOf(makeAnswer({ certificates: certificates(4) }))).toBe('accepted');
    malformed(makeAnswer({ certificates: certificates(5) }), 'too many certificates');
    malformed(
      makeAnswer({ responder: explicit(2, octetString(new Uint8Array(19))) }),
      'key hash of another length',
    );
  });
});

describe('statuses of a device’s chain', () => {
  const facts = { nonce: NONCE, now: ocspNow, crypto: webCrypto };
  const statusOf = async (...answers: readonly Bytes[]) =>
    (await readCertificateStatuses(answers, [deviceDer, issuerDer], facts))(device.serial);

  it('are unknown until a valid answer says something', async () => {
    expect(await statusOf()).toBe('unknown');
    expect(await statusOf(new Uint8Array(), makeAnswer({ signer: keys.stranger }))).toBe('unknown');
    expect(await statusOf(makeAnswer())).toBe('good');
    expect((await readCertificateStatuses([makeAnswer()], [deviceDer, issuerDer], facts))('77')).toBe(
      'unknown',
    );
  });
  it('are as bad as the worst valid answer, in whatever order', async () => {
    const good = makeAnswer();
    for (const [status, value] of [
      ['unknown', STATUS.unknown],
      ['hold', STATUS.revoked(6)],
      ['revoked', STATUS.revoked(1)],
    ] as const) {
      const bad = makeAnswer({ statuses: [{ status: value }] });
      expect(await statusOf(good, bad)).toBe(status);
      expect(await statusOf(bad, good)).toBe(status);
    }
    expect(
      await statusOf(
        makeAnswer({ statuses: [{ status: STATUS.revoked() }] }),
        makeAnswer({ statuses: [{ status: STATUS.revoked(6) }] }),
      ),
    ).toBe('revoked');
  });
  it('do not change with the caller’s octets', async () => {
    const answer = makeAnswer();
    const pending = readCertificateStatuses([answer], [deviceDer, issuerDer], facts);
    answer.fill(0);
    expect((await pending)(device.serial)).toBe('good');
  });
  it.each(['revoked', 'hold'] as const)(
    'evidence_revoked: a GPU with a certificate that is %s',
    async (status) => {
      const log = new StepLog();
      const gpu = verifyNvidiaGpu(log, makeGpu(), {
        nonce: new Uint8Array(32).fill(5),
        trust: { roots: [], hardware: false, simulated: [await gpuRoot()] },
        now: ocspNow,
        crypto: webCrypto,
        statusOf: (serial) => (serial === '2' ? status : 'good'),
      });
      await expect(gpu).rejects.toBeInstanceOf(StoppedVerification);
      expect(log.violations.map(({ code }) => code)).toEqual(['evidence_revoked']);
    },
  );
});
