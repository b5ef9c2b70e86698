// NVIDIA's verdict on a node's GPUs: signed by a key of the service, valid now, on this question, about exactly these devices, a success.

import { jwtVerify } from 'jose';
import { fromBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { toHex } from '../bytes/hex.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { type NrasKey, parseNrasAnswer, parseNrasKeys } from '../evidence/nras-answer.ts';
import { type NrasDevice, readNrasDevice, readNrasOverall } from '../evidence/nras-claims.ts';
import { NRAS_ISSUER } from './roots/nvidia.ts';
import { compare, type Finding, type StepLog } from './step.ts';
import type { EvidenceCode } from './verification-error.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';

/** A verdict that NVIDIA answers for. */
export interface GenuineNras {
  readonly devices: readonly NrasDevice[];
  /** When the first of its tokens ends. */
  readonly notAfter: Date;
}

interface Token {
  readonly payload: Bytes;
  readonly notAfter: Date;
}

/**
 * Takes the steps `nras.form`, `nras.keys`, `nras.token`, `nras.verdict`, `nras.nonce`, `nras.devices`, and for each device
 * `nras.device-token`, `nras.device-nonce`, `nras.device-verdict`; stops at the first failure. A refusal is signed like a
 * success, so nothing short of every claim counts.
 */
export async function verifyNras(
  log: StepLog,
  answerOctets: Bytes,
  facts: {
    /** What the GPUs had to be asked with, 32 octets. */
    readonly nonce: Uint8Array;
    /** The service's key set, fetched from NVIDIA by whoever verifies: nothing in a bundle can vouch for it. */
    readonly keys: Uint8Array | undefined;
    readonly now: Date;
    readonly crypto: VerifierCrypto;
  },
): Promise<GenuineNras> {
  const { now, crypto } = facts;
  const wantedNonce = toHex(facts.nonce);
  const answer = await log.must('nras.form', 'NVIDIA’s verdict has a known form', () => {
    const value = parseNrasAnswer(answerOctets);
    return { result: 'pass', actual: `${value.devices.size} devices`, value };
  });
  const keys = await log.must('nras.keys', 'You have the keys of NVIDIA’s service', () =>
    facts.keys === undefined
      ? {
          result: 'fail',
          code: 'evidence_nras_keys_absent',
          expected: `the key set of ${NRAS_ISSUER}`,
          actual: 'none',
        }
      : { result: 'pass', value: parseNrasKeys(facts.keys) },
  );
  const overallToken = await log.must('nras.token', 'NVIDIA signed the verdict, and it is still valid', () =>
    openToken(answer.overall, keys, now),
  );
  const overall = await log.must('nras.verdict', 'The verdict is a success', () => {
    const value = readNrasOverall(overallToken.payload);
    return {
      ...compare(value.accepted, 'evidence_nras_refused', 'true', value.accepted ? 'true' : 'not true'),
      value,
    };
  });
  await log.must('nras.nonce', 'The verdict is on this node’s question and no other', () =>
    compare(overall.nonce === wantedNonce, 'evidence_gpu_nonce', wantedNonce, overall.nonce),
  );
  await log.must('nras.devices', 'The verdict is over exactly the devices that came with it', async () => {
    let holds = overall.digests.size === answer.devices.size;
    for (const [name, token] of answer.devices)
      holds &&= overall.digests.get(name) === toHex(await crypto.digest('SHA-256', toUtf8(token)));
    return compare(
      holds,
      'evidence_nras_devices',
      [...overall.digests.keys()]
        .join(', ')
        .slice(0, 200)
        .replaceAll(/[^ -~]/g, '?'),
      holds ? 'each by its digest' : [...answer.devices.keys()].join(', '),
    );
  });

  const devices: NrasDevice[] = [];
  let notAfter = overallToken.notAfter;
  for (const [name, text] of answer.devices) {
    const token = await log.must('nras.device-token', 'NVIDIA signed the verdict on the device', () =>
      openToken(text, keys, now),
    );
    if (token.notAfter < notAfter) notAfter = token.notAfter;
    const device = await log.must('nras.device-verdict', 'Every check of the device succeeded', () => {
      const value = readNrasDevice(token.payload, overall.version);
      return {
        ...compare(
          value.unmet.length === 0,
          'evidence_nras_refused',
          `${name}: every claim`,
          value.unmet.length === 0 ? 'every claim' : `not: ${value.unmet.join(', ')}`,
        ),
        value,
      };
    });
    await log.must('nras.device-nonce', 'The device answered this node’s question', () =>
      compare(device.nonce === wantedNonce, 'evidence_gpu_nonce', wantedNonce, device.nonce ?? 'none'),
    );
    devices.push(device);
  }
  return { devices, notAfter };
}

async function openToken(
  token: string,
  keys: ReadonlyMap<string, NrasKey>,
  now: Date,
): Promise<Finding<EvidenceCode> & { readonly value?: Token }> {
  let known = true;
  try {
    const { payload } = await jwtVerify(
      token,
      async ({ kid }) => {
        // Only the coordinates that the id names: certificates and keys in a header choose nothing.
        const key = kid === undefined ? undefined : keys.get(kid);
        known = key !== undefined;
        if (!key) throw new TypeError('unknown key');
        return crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-384', ...key }, P384, false, ['verify']);
      },
      {
        algorithms: ['ES384'],
        issuer: NRAS_ISSUER,
        currentDate: now,
        requiredClaims: ['iss', 'nbf', 'exp', 'iat'],
      },
    );
    const value = {
      // The signed octets themselves: a second reading of the claims starts from them.
      payload: fromBase64url(token.split('.')[1] as string),
      notAfter: new Date((payload.exp as number) * 1000),
    };
    return { result: 'pass', expected: 'ES384 by a key of the service', value };
  } catch (error) {
    const code = known ? codeOf(error) : 'evidence_nras_key_unknown';
    return { result: 'fail', code, expected: `ES384 by a key of ${NRAS_ISSUER}, within its dates` };
  }
}

const P384 = { name: 'ECDSA', namedCurve: 'P-384' } as const;

// By `code`: class names do not survive minifying.
function codeOf(error: unknown): EvidenceCode {
  const { code, claim } = error as { readonly code?: unknown; readonly claim?: unknown };
  if (code === 'ERR_JWT_EXPIRED') return 'evidence_nras_not_valid_now';
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' && claim === 'nbf') return 'evidence_nras_not_valid_now';
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' && claim === 'iss') return 'evidence_nras_issuer';
  if (code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') return 'evidence_nras_signature';
  if (code === 'ERR_JOSE_ALG_NOT_ALLOWED') return 'evidence_algorithm_unsupported';
  return 'evidence_nras_malformed';
}
