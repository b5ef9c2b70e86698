// What NVIDIA's verdicts claim, in version 2.0 (v3 endpoint) and 3.0 (v4 endpoint): read strictly, judged elsewhere.

import { parseStrictJson } from '../bytes/strict-json.ts';
import { EvidenceError } from './evidence-error.ts';

/** The verdict over all. */
export interface NrasOverall {
  readonly version: '2.0' | '3.0';
  /** True only for the boolean true: a text is no verdict. */
  readonly accepted: boolean;
  /** Lower-case hex. */
  readonly nonce: string;
  /** SHA-256 of each device's token by name, lower-case hex. */
  readonly digests: ReadonlyMap<string, string>;
}

/** The verdict on one device. */
export interface NrasDevice {
  /** Lower-case hex; absent in a refusal. */
  readonly nonce: string | undefined;
  /** Claims that are not what success looks like; empty for a success. */
  readonly unmet: readonly string[];
  /** Whether debugging is disabled, and measured and secure boot were enforced. */
  readonly production: boolean;
  /** First word of the hardware model: `GH100`. */
  readonly architecture: string;
  readonly driverVersion: string;
  readonly vbiosVersion: string;
  /** Decimal. */
  readonly ueid: string;
  /** Whether it says that the device's certificates were looked up and are good; version 2.0 does not say. */
  readonly revocation: 'good' | 'unknown';
}

const REPORT = 'x-nvidia-gpu-attestation-report';
const RIMS = ['x-nvidia-gpu-driver-rim', 'x-nvidia-gpu-vbios-rim'] as const;

const TRUE_IN_BOTH: readonly string[] = [
  'x-nvidia-gpu-arch-check',
  `${REPORT}-parsed`,
  `${REPORT}-nonce-match`,
  `${REPORT}-signature-verified`,
  'x-nvidia-gpu-vbios-index-no-conflict',
  ...RIMS.flatMap((rim) => [
    `${rim}-fetched`,
    `${rim}-schema-validated`,
    `${rim}-signature-verified`,
    `${rim}-measurements-available`,
  ]),
];
const TRUE_IN: Readonly<Record<NrasOverall['version'], readonly string[]>> = {
  '2.0': [...TRUE_IN_BOTH, `${REPORT}-cert-chain-validated`, ...RIMS.map((rim) => `${rim}-cert-validated`)],
  '3.0': [...TRUE_IN_BOTH, `${REPORT}-cert-chain-fwid-match`, ...RIMS.map((rim) => `${rim}-version-match`)],
};
const CHAINS = [`${REPORT}-cert-chain`, ...RIMS.map((rim) => `${rim}-cert-chain`)];

/**
 * Reads the claims of the verdict over all.
 * @throws EvidenceError `evidence_nras_malformed`.
 */
export function readNrasOverall(payload: Uint8Array): NrasOverall {
  const claims = readClaims(payload);
  const version = claims['x-nvidia-ver'];
  if (version !== '2.0' && version !== '3.0') throw malformed('unknown version of claims');
  if (claims.sub !== 'NVIDIA-PLATFORM-ATTESTATION') throw malformed('verdict on another subject');
  const nonce = claims.eat_nonce;
  if (typeof nonce !== 'string' || !/^[0-9a-fA-F]{64}$/.test(nonce)) throw malformed('no nonce');
  const { submods } = claims;
  if (!isObject(submods)) throw malformed('no devices');
  return {
    version,
    accepted: claims['x-nvidia-overall-att-result'] === true,
    nonce: nonce.toLowerCase(),
    digests: new Map(Object.entries(submods).map(([name, digest]) => [name, readDigest(digest)])),
  };
}

/**
 * Reads the claims of one device. A refusal holds few of them: what is missing is among `unmet`.
 * @throws EvidenceError `evidence_nras_malformed`.
 */
export function readNrasDevice(payload: Uint8Array, version: NrasOverall['version']): NrasDevice {
  const claims = readClaims(payload);
  const unmet = TRUE_IN[version].filter((name) => claims[name] !== true);
  if (claims.measres !== 'success') unmet.push('measres');
  if (claims.oemid !== '5703') unmet.push('oemid');
  if ('x-nvidia-error-details' in claims) unmet.push('x-nvidia-error-details');
  if (version === '3.0') unmet.push(...CHAINS.filter((name) => !isGoodChain(claims[name])));
  const nonce = textOf(claims.eat_nonce, /^[0-9a-fA-F]{64}$/);
  return {
    nonce: nonce === '' ? undefined : nonce.toLowerCase(),
    unmet,
    production: claims.secboot === true && claims.dbgstat === 'disabled',
    architecture: textOf(claims.hwmodel, /^[A-Z0-9_ ]{1,64}$/).split(' ')[0] ?? '',
    driverVersion: textOf(claims['x-nvidia-gpu-driver-version'], /^\d{1,4}(\.\d{1,4}){1,3}$/),
    vbiosVersion: textOf(claims['x-nvidia-gpu-vbios-version'], /^[0-9A-F]{2}(\.[0-9A-F]{2}){4}$/),
    ueid: textOf(claims.ueid, /^[1-9]\d{0,59}$/),
    // All chains of version 3.0 are good, or `unmet` names one.
    revocation: version === '3.0' && isGoodChain(claims[`${REPORT}-cert-chain`]) ? 'good' : 'unknown',
  };
}

function isGoodChain(chain: unknown): boolean {
  return (
    isObject(chain) &&
    chain['x-nvidia-cert-status'] === 'valid' &&
    chain['x-nvidia-cert-ocsp-status'] === 'good' &&
    chain['x-nvidia-cert-revocation-reason'] === null
  );
}

// ["DIGEST",["SHA-256","<hex>"]] over the ASCII of the token. NVIDIA's local SDK spells it SHA256.
function readDigest(value: unknown): string {
  const [kind, pair] = Array.isArray(value) && value.length === 2 ? (value as readonly unknown[]) : [];
  const [algorithm, digest] = Array.isArray(pair) && pair.length === 2 ? (pair as readonly unknown[]) : [];
  if (kind !== 'DIGEST' || (algorithm !== 'SHA-256' && algorithm !== 'SHA256'))
    throw malformed('device without a SHA-256 digest');
  if (typeof digest !== 'string' || !/^[0-9a-fA-F]{64}$/.test(digest))
    throw malformed('device without a SHA-256 digest');
  return digest.toLowerCase();
}

function readClaims(payload: Uint8Array): Record<string, unknown> {
  let claims: unknown;
  try {
    claims = parseStrictJson(payload);
  } catch {
    throw malformed('claims are not JSON');
  }
  if (!isObject(claims)) throw malformed('claims are not an object');
  return claims;
}

function textOf(value: unknown, pattern: RegExp): string {
  return typeof value === 'string' && pattern.test(value) ? value : '';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_nras_malformed', detail);
}
