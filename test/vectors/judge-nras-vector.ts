// Judges captured answers of NVIDIA's attestation service, alone and as part of a bundle.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { fromHex } from '../../shared/bytes/hex.ts';
import { fromUtf8, toUtf8 } from '../../shared/bytes/utf8.ts';
import { judgeGpus } from '../../shared/verifier/judge-gpus.ts';
import { StepLog, StoppedVerification } from '../../shared/verifier/step.ts';
import { webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { verifyNras } from '../../shared/verifier/verify-nras.ts';
import { vectorGpuPolicy } from './judge-nvidia-vector.ts';
import { compareOutcome, type Outcome } from './judge-snp-vector.ts';
import type { Check, ExpectedOutcome, Judge, Vector } from './vector.ts';

// The service's keys rotate daily. Where nobody kept them, the set that there is now does not have the token's.
const NO_KEYS = toUtf8('{"keys":[]}');
const NO_NONCE = '00'.repeat(32);

/** Judges an answer at each time that is given. */
export const judgeNrasVector: Judge = async (vector) => {
  const { expected } = vector;
  const nonce = nonceOf(vector);
  const times = [expected, ...((expected.otherTimes ?? []) as readonly ExpectedOutcome[])];
  const checks: Check[] = [];
  for (const one of times) {
    const outcome = await verify(vector, nonce, new Date(one.at ?? 0));
    checks.push(...compareOutcome(`${one.at}`, one, outcome));
  }
  if (expected.defaultPolicy === 'accept') {
    const other = await verify(vector, new Uint8Array(32).fill(1), new Date(expected.at ?? 0));
    checks.push({ what: 'another nonce', expected: 'reject', actual: other.defaultPolicy });
  }
  return checks;
};

/** Judges the verdict in a bundle. */
export const judgeBundleNras: Judge = async (vector) => {
  if (!vector.file('nras-response')) return [];
  const wanted = (vector.expected.checks ?? {}) as Record<string, unknown>;
  const nonce = fromHex(String(vector.facts?.clientNonce));
  const at = new Date(vector.expected.at ?? 0);
  const { crypto } = await verify(vector, nonce, at);
  return ['nrasSignature', 'nrasNonce']
    .filter((name) => wanted[name] !== undefined)
    .map((name) => ({
      what: `${name}, ${at.toISOString()}`,
      expected: String(wanted[name]),
      actual: String(crypto === 'valid'),
    }));
};

function nonceOf(vector: Vector): Bytes {
  const request = vector.file('nras-request');
  const asked = request ? (JSON.parse(fromUtf8(request)) as { readonly nonce?: string }).nonce : undefined;
  return fromHex(asked ?? String(vector.facts?.requestNonce ?? NO_NONCE));
}

async function verify(vector: Vector, nonce: Bytes, now: Date): Promise<Outcome> {
  const log = new StepLog();
  const answer = vector.file('nras-response') ?? new Uint8Array();
  const keys = vector.file('jwks') ?? NO_KEYS;
  try {
    const verdict = await verifyNras(log, answer, { nonce, keys, now, crypto: webCrypto });
    judgeGpus(
      log,
      { gpus: [], verdict, named: ['nras'], assurance: 'hardware', notAfter: verdict.notAfter },
      { ...vectorGpuPolicy, count: verdict.devices.length, evidence: 'nras' },
    );
    const accepted = log.violations.length === 0;
    return { crypto: 'valid', defaultPolicy: accepted ? 'accept' : 'reject', reasons: [] };
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
  }
  const code = log.violations[0]?.code;
  // A refusal, and an answer to another question, are signed like a success.
  const signed = code === 'evidence_nras_refused' || code === 'evidence_gpu_nonce';
  const crypto = signed ? 'valid' : code === 'evidence_nras_key_unknown' ? 'unverifiable' : 'invalid';
  return { crypto, defaultPolicy: 'reject', reasons: [] };
}
