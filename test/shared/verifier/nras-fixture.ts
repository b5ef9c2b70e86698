// Makes answers of NVIDIA's shape under a key of its own, in both versions of claims, and whatever is wrong with them.

import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';

export const nrasTime = new Date('2026-11-23T12:00:00Z');
export const nrasNonce: Bytes = new Uint8Array(32).fill(5);
const NONCE_HEX = '05'.repeat(32);
const KID = 'nv-eat-kid-test';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });

type Claims = Readonly<Record<string, unknown>>;

/** What a test wants to be different. `undefined` takes a claim away. */
export interface NrasChanges {
  readonly version?: '2.0' | '3.0';
  readonly overall?: Claims;
  readonly device?: Claims;
  readonly devices?: readonly Claims[];
  readonly header?: Readonly<Record<string, unknown>>;
  readonly deviceHeader?: Readonly<Record<string, unknown>>;
  readonly signer?: KeyObject;
  readonly deviceSigner?: KeyObject;
  /** Changes the digests after they were made. */
  readonly digests?: (all: Record<string, unknown>) => Record<string, unknown>;
  readonly algorithmName?: string;
}

/** The key set that a verifier would have fetched. */
export function nrasKeys(changes: Readonly<Record<string, unknown>> = {}): Bytes {
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: KID, x5c: ['not read'], ...changes };
  return toUtf8(JSON.stringify({ keys: [{ kty: 'RSA', kid: 'other', n: 'AQ', e: 'AQAB' }, jwk] }));
}

const RIMS = ['x-nvidia-gpu-driver-rim', 'x-nvidia-gpu-vbios-rim'];
const REPORT = 'x-nvidia-gpu-attestation-report';
const GOOD = {
  'x-nvidia-cert-status': 'valid',
  'x-nvidia-cert-ocsp-status': 'good',
  'x-nvidia-cert-expiration-date': '9999-12-31T23:59:59Z',
  'x-nvidia-cert-revocation-reason': null,
};

/** Names of the claims that must be true, by version. */
export const TRUE_CLAIMS: Readonly<Record<'2.0' | '3.0', readonly string[]>> = {
  '2.0': [...common(), `${REPORT}-cert-chain-validated`, ...RIMS.map((rim) => `${rim}-cert-validated`)],
  '3.0': [...common(), `${REPORT}-cert-chain-fwid-match`, ...RIMS.map((rim) => `${rim}-version-match`)],
};
/** Names of the chains that must be good in version 3.0. */
export const CHAIN_CLAIMS = [REPORT, ...RIMS].map((name) => `${name}-cert-chain`);

function common(): readonly string[] {
  const ofRims = ['fetched', 'schema-validated', 'signature-verified', 'measurements-available'];
  return [
    'x-nvidia-gpu-arch-check',
    'x-nvidia-gpu-vbios-index-no-conflict',
    ...['parsed', 'nonce-match', 'signature-verified'].map((name) => `${REPORT}-${name}`),
    ...RIMS.flatMap((rim) => ofRims.map((name) => `${rim}-${name}`)),
  ];
}

/** Claims of a device for which everything succeeded. */
export function soundDevice(version: '2.0' | '3.0', ueid = '1001'): Claims {
  return {
    ...times(),
    ...Object.fromEntries(TRUE_CLAIMS[version].map((name) => [name, true])),
    ...(version === '3.0' ? Object.fromEntries(CHAIN_CLAIMS.map((name) => [name, GOOD])) : {}),
    eat_nonce: NONCE_HEX,
    ueid,
    oemid: '5703',
    measres: 'success',
    secboot: true,
    dbgstat: 'disabled',
    hwmodel: version === '3.0' ? 'GH100 A01 GSP BROM' : 'GH100',
    'x-nvidia-gpu-driver-version': '550.144.03',
    'x-nvidia-gpu-vbios-version': '96.00.9F.00.02',
    'x-nvidia-attestation-warning': null,
  };
}

/** An answer's octets: sound without changes. */
export async function makeNras(changes: NrasChanges = {}): Promise<Bytes> {
  const version = changes.version ?? '3.0';
  const each = changes.devices ?? [{ ...soundDevice(version), ...changes.device }];
  const tokens = await Promise.all(
    each.map((claims) => makeToken(claims, changes.deviceSigner ?? privateKey, changes.deviceHeader)),
  );
  const named = Object.fromEntries(tokens.map((token, index) => [`GPU-${index}`, token]));
  const algorithm = changes.algorithmName ?? 'SHA-256';
  const digests = Object.fromEntries(
    Object.entries(named).map(([name, token]) => [
      name,
      ['DIGEST', [algorithm, createHash('sha256').update(token).digest('hex')]],
    ]),
  );
  const overall = {
    ...times(),
    sub: 'NVIDIA-PLATFORM-ATTESTATION',
    'x-nvidia-ver': version,
    'x-nvidia-overall-att-result': true,
    eat_nonce: NONCE_HEX,
    submods: changes.digests?.(digests) ?? digests,
    ...changes.overall,
  };
  const token = await makeToken(overall, changes.signer ?? privateKey, changes.header);
  return toUtf8(JSON.stringify([['JWT', token], named]));
}

function times(): Claims {
  const issued = nrasTime.getTime() / 1000 - 60;
  return {
    iss: 'https://nras.attestation.nvidia.com',
    iat: issued,
    nbf: issued,
    exp: issued + 3600,
    jti: 'x',
  };
}

function makeToken(claims: Claims, key: KeyObject, header: Claims = {}): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader({ alg: 'ES384', kid: KID, ...header }).sign(key);
}
