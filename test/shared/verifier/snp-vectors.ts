// The captured SEV-SNP evidence: what each vector consists of and what must come out.

import { haveVectors, readVector, readVectorJson } from '../../harness/vectors.ts';

interface Vector {
  readonly name: string;
  readonly kind: string;
  readonly files: readonly { readonly role: string; readonly path: string }[];
  readonly facts: Record<string, unknown>;
  readonly expected: {
    readonly at?: string;
    readonly crypto: 'valid' | 'invalid' | 'unverifiable';
    readonly defaultPolicy?: 'accept' | 'reject';
    readonly reasons?: readonly string[];
    readonly chain?: readonly string[];
    readonly otherTimes?: readonly { readonly at: string; readonly crypto: string }[];
  };
}

const all: readonly Vector[] = haveVectors
  ? readVectorJson<{ vectors: readonly Vector[] }>('attestation/manifest.json').vectors
  : [];

/** Every captured report. */
export const snpVectors = all.filter(({ kind }) => kind === 'sev-snp-report');
/** Every captured revocation list. */
export const crlVectors = all.filter(({ kind }) => kind === 'amd-crl');

/** The octets of a role of a vector, or undefined. */
export function fileOf(vector: Vector, role: string): Uint8Array<ArrayBuffer> | undefined {
  const file = vector.files.find((candidate) => candidate.role === role);
  return file && readVector(`attestation/${file.path}`);
}

/** A PEM file as DER. */
export function readPem(path: string): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(readVector(`attestation/${path}`));
  const body = text.split('-----BEGIN CERTIFICATE-----')[1]?.split('-----END')[0] ?? '';
  return Uint8Array.from(atob(body.replaceAll(/\s/g, '')), (character) => character.charCodeAt(0));
}
