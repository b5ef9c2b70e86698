// Makes certificates and revocation lists of Intel's shape, signed with ECDSA P-256, with whatever is wrong with them.

import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import {
  bitString,
  boolean,
  der,
  explicit,
  integer,
  octetString,
  oid,
  printableString,
  sequence,
  set,
  time,
  utf8String,
} from '../../../backend/tee/simulated/der-writer.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { PCK_OID } from '../../../shared/evidence/tdx-pck-extensions.ts';

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

/** Everything about a certificate that a test may bend. */
export interface CertificateRecipe {
  readonly serial: number;
  readonly issuer: string;
  readonly subject: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Bytes[];
}

/** Everything about a revocation list that a test may bend. */
export interface ListRecipe {
  readonly issuer: string;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revokedSerials: readonly number[];
  readonly signer: KeyObject;
}

/** basicConstraints and keyUsage of an authority (keyCertSign, cRLSign) or of a leaf (digitalSignature, nonRepudiation). */
export function usage(kind: 'authority' | 'leaf', pathLength?: number): readonly Bytes[] {
  const authority = kind === 'authority';
  const constraints = authority
    ? [boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)])]
    : [];
  return [
    extension('2.5.29.19', true, sequence(...constraints)),
    extension(
      '2.5.29.15',
      true,
      authority ? bitString(Uint8Array.of(0x06), 1) : bitString(Uint8Array.of(0xc0), 6),
    ),
  ];
}

/** What Intel's extension says of a platform. */
export interface PckRecipe {
  readonly ppid: Bytes;
  readonly components: readonly number[];
  readonly pceSvn: number;
  readonly pceId: Bytes;
  readonly fmspc: Bytes;
}

/** Intel's extension of a PCK certificate. `change` bends the list of its parts. */
export function pckExtension(
  pck: PckRecipe,
  change: (parts: readonly Bytes[]) => readonly Bytes[] = (parts) => parts,
): Bytes {
  const pair = (id: string, value: Bytes): Bytes => sequence(oid(id), value);
  const tcb = sequence(
    ...pck.components.map((svn, index) => pair(`${PCK_OID.tcb}.${index + 1}`, integer(svn))),
    pair(PCK_OID.pceSvn, integer(pck.pceSvn)),
    pair(PCK_OID.cpuSvn, octetString(Uint8Array.from(pck.components))),
  );
  const parts = [
    pair(PCK_OID.ppid, octetString(pck.ppid)),
    pair(PCK_OID.tcb, tcb),
    pair(PCK_OID.pceId, octetString(pck.pceId)),
    pair(PCK_OID.fmspc, octetString(pck.fmspc)),
    pair(PCK_OID.sgxType, der(0x0a, Uint8Array.of(1))),
    pair(PCK_OID.platformInstanceId, octetString(new Uint8Array(16).fill(0x1d))),
    pair(PCK_OID.configuration, sequence(pair(`${PCK_OID.configuration}.1`, boolean(true)))),
  ];
  return extension(PCK_OID.extension, false, sequence(...change(parts)));
}

/** Signs and wraps a certificate. */
export function makeIntelCertificate(recipe: CertificateRecipe): Bytes {
  return signed(
    sequence(
      explicit(0, integer(2)),
      integer(recipe.serial),
      ECDSA_SHA256,
      name(recipe.issuer),
      sequence(time(recipe.notBefore), time(recipe.notAfter)),
      name(recipe.subject),
      new Uint8Array(createPublicKey(recipe.key).export({ type: 'spki', format: 'der' })),
      explicit(3, sequence(...recipe.extensions)),
    ),
    recipe.signer,
  );
}

/** Signs and wraps a revocation list. */
export function makeIntelCrl(recipe: ListRecipe): Bytes {
  const entries = recipe.revokedSerials.map((serial) => sequence(integer(serial), time(recipe.thisUpdate)));
  return signed(
    sequence(
      integer(1),
      ECDSA_SHA256,
      name(recipe.issuer),
      time(recipe.thisUpdate),
      time(recipe.nextUpdate),
      ...(entries.length > 0 ? [sequence(...entries)] : []),
      explicit(0, sequence(extension('2.5.29.20', false, integer(1)))),
    ),
    recipe.signer,
  );
}

/** r ‖ s over octets, 64 octets. */
export function signRaw(octets: Uint8Array, signer: KeyObject): Bytes {
  return new Uint8Array(sign('sha256', octets, { key: signer, dsaEncoding: 'ieee-p1363' }));
}

/** DER certificates as PEM. */
export function toPem(certificates: readonly Bytes[]): string {
  return certificates
    .map((certificate) => {
      const lines = (
        Buffer.from(certificate)
          .toString('base64')
          .match(/.{1,64}/g) ?? []
      ).join('\n');
      return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
    })
    .join('');
}

function signed(tbs: Bytes, signer: KeyObject): Bytes {
  return sequence(tbs, ECDSA_SHA256, bitString(sign('sha256', tbs, signer)));
}

function name(commonName: string): Bytes {
  const attribute = (id: string, value: Bytes) => set(sequence(oid(id), value));
  return sequence(
    attribute('2.5.4.3', utf8String(commonName)),
    attribute('2.5.4.10', utf8String('Made for a test, not Intel')),
    attribute('2.5.4.6', printableString('ZZ')),
  );
}
