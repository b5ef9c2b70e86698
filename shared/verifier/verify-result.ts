// The attestation result beside the evidence: signed by a service that was verified, young, about this node, and nothing but good.

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { equalBytes } from '../bytes/equal.ts';
import { formatInstant } from '../bytes/instant.ts';
import {
  type AttestationResult,
  parseResult,
  RESULT_LIFE_SECONDS,
  readResultHeader,
} from '../evidence/attestation-result.ts';
import { EvidenceError } from '../evidence/evidence-error.ts';
import { compare, type StepLog } from './step.ts';
import type { GenuineNode } from './verify-node.ts';

/** The service's clock may be this far ahead of the reader's. */
const CLOCK_SKEW_SECONDS = 60;

/**
 * Takes the steps `result.header` `result.signature` `result.form` `result.validity` `result.subject` `result.devices`, stopping at the
 * first failure, and `result.status`.
 */
export async function verifyResult(
  log: StepLog,
  jws: string,
  facts: {
    readonly node: GenuineNode;
    /** The service's signing key, from its verified core: Ed25519, 32 octets. */
    readonly serviceKey: Bytes;
    readonly manifestHash: Bytes;
    readonly now: Date;
  },
): Promise<AttestationResult> {
  const { node, serviceKey, manifestHash, now } = facts;
  await log.must('result.header', 'The attestation result is a token of its own kind', () => {
    const [header = ''] = jws.split('.');
    readResultHeader(decode(header));
    return { result: 'pass' };
  });
  const payload = await log.must(
    'result.signature',
    'The verified attestation service signed the result',
    async () => {
      const value = await payloadSignedBy(jws, serviceKey);
      return value === undefined
        ? { result: 'fail', code: 'evidence_result_signature', expected: toBase64url(serviceKey) }
        : { result: 'pass', actual: toBase64url(serviceKey), value };
    },
  );
  const result = await log.must('result.form', 'The result can be read', () => ({
    result: 'pass',
    value: parseResult(payload),
  }));
  await log.must('result.validity', 'The result is at most a quarter of an hour old', () => {
    const shown = `${formatInstant(result.issuedAt)} to ${formatInstant(result.expiresAt)}`;
    const age = (now.getTime() - result.issuedAt.getTime()) / 1000;
    if (age < -CLOCK_SKEW_SECONDS)
      return { result: 'fail', code: 'evidence_result_future', expected: formatInstant(now), actual: shown };
    return compare(
      age <= RESULT_LIFE_SECONDS && now <= result.expiresAt,
      'evidence_result_stale',
      formatInstant(now),
      shown,
    );
  });
  const keysDigest = await sha256(node.core.ohttpKeys);
  await log.must('result.subject', 'The result is about this node, these keys and this manifest', () => {
    const wanted = [node.core.node, node.coreDigest, keysDigest, node.core.receiptKey, manifestHash];
    const found = [
      result.node,
      result.coreDigest,
      result.keysDigest,
      result.receiptKey,
      result.manifestDigest,
    ];
    return compare(
      wanted.every((octets, index) => equalBytes(octets, found[index] as Bytes)),
      'evidence_result_foreign',
      `core ${toBase64url(node.coreDigest)}, manifest ${toBase64url(manifestHash)}`,
      `core ${toBase64url(result.coreDigest)}, manifest ${toBase64url(result.manifestDigest)}`,
    );
  });
  await log.must('result.devices', 'The service appraised the devices that the node shows', () => {
    const { freshness, devices } = node.statement;
    // Devices answer each statement's own nonce, so a sibling of the appraised statement has the same devices under other digests.
    const name = ({ kind, sha256 }: (typeof devices)[number]): string =>
      freshness.kind === 'epoch' ? `${kind} ${toBase64url(sha256)}` : kind;
    const wanted = devices.map(name).sort().join(', ') || 'no device';
    const found = result.devices.map(name).sort().join(', ') || 'no device';
    return compare(wanted === found, 'evidence_result_foreign', wanted, found);
  });
  log.judge('result.status', 'The service affirms every part', () => {
    const statuses = Object.entries(result.statuses);
    return compare(
      statuses.every(([, status]) => status === 'affirming') && result.assurance === node.assurance,
      'policy_result_status',
      `affirming, ${node.assurance}`,
      `${statuses.map(([part, status]) => `${part} ${status}`).join(', ')}, ${result.assurance}`,
    );
  });
  return result;
}

async function payloadSignedBy(jws: string, key: Bytes): Promise<Bytes | undefined> {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64url(key) };
  // Loaded with the first result, so that a browser does not carry what it never meets.
  const { compactVerify, errors } = await import('jose');
  try {
    const { payload } = await compactVerify(jws, jwk, { algorithms: ['EdDSA'] });
    return new Uint8Array(payload);
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

function decode(text: string): Bytes {
  try {
    return fromBase64url(text);
  } catch {
    throw new EvidenceError('evidence_result_header', 'not base64url');
  }
}
