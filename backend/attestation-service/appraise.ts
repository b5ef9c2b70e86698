// Appraises a bundle and issues the attestation result.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JSONWebKeySet, SignJWT } from 'jose';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { sha256 } from '../../shared/bytes/digest.ts';
import type { Policy } from '../../shared/verifier/policy.ts';
import { VerificationError } from '../../shared/verifier/verification-error.ts';
import { type Step, verifyBundle } from '../../shared/verifier/verify-bundle.ts';
import { RESULT_TYP } from '../../shared/wire/registration.ts';

/** A result older than this is nobody's proof (design: rule of two). */
export const RESULT_LIFE_SECONDS = 15 * 60;

const EAR_PROFILE = 'tag:github.com,2023:veraison/ear';
const VERIFIER_ID = { developer: 'Cloister', build: '0.1.0' };

/** An attestation service: its public keys, and appraisal. */
export interface AttestationService {
  readonly jwks: JSONWebKeySet;
  /**
   * Verifies the bundle and issues a result for the node in it.
   * @throws VerificationError when any step refuses.
   */
  appraise(bundle: Uint8Array, now: Date): Promise<Appraisal>;
}

export interface Appraisal {
  /** Compact JWS, EdDSA, `typ` `eat+jwt`. */
  readonly result: string;
  readonly steps: readonly Step[];
}

/** Makes a service with a fresh Ed25519 key that judges by `policy`. */
export async function createAttestationService(policy: Policy): Promise<AttestationService> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const jwk = publicKey.export({ format: 'jwk' }) as { kty: string; crv: string; x: string };
  const kid = await calculateJwkThumbprint(jwk);
  return {
    jwks: { keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] },
    async appraise(bundle, now) {
      const verification = await verifyBundle(bundle, policy, { now });
      if (!verification.ok) throw new VerificationError(verification.failure);
      const { key, steps } = verification;
      const claims = {
        eat_profile: EAR_PROFILE,
        'ear.verifier-id': VERIFIER_ID,
        submods: { node: { 'ear.status': 'affirming', 'ear.appraisal-policy-id': policy.manifest.digest } },
        cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: toBase64url(key.core.receiptKey) } },
        cloister_core: key.coreDigest,
        cloister_keys: toBase64url(await sha256(key.ohttpKeys)),
        cloister_assurance: key.assurance,
      };
      return { result: await sign(claims, key.node, kid, privateKey, now), steps };
    },
  };
}

async function sign(claims: object, node: string, kid: string, key: KeyObject, now: Date): Promise<string> {
  const issuedAt = Math.floor(now.getTime() / 1000);
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'EdDSA', typ: RESULT_TYP, kid })
    .setIssuer(`urn:cloister:attestation-service:${kid}`)
    .setSubject(node)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + RESULT_LIFE_SECONDS)
    .sign(key);
}
