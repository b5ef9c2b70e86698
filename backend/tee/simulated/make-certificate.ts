// Makes certificates and revocation lists of AMD's shape, under names that say that they are not AMD's.

import { constants, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import {
  bitString,
  boolean,
  explicit,
  integer,
  nullValue,
  octetString,
  oid,
  printableString,
  sequence,
  set,
  time,
  utf8String,
} from './der-writer.ts';

const SALT_BYTES = 48;
const ORGANIZATION = 'Cloister simulated platform, not AMD';

// RSASSA-PSS, SHA-384, MGF1 with SHA-384, salt 48: the one algorithm of AMD's chain (RFC 4055 section 3.1).
const SHA384 = sequence(oid('2.16.840.1.101.3.4.2.2'), nullValue());
const PSS = sequence(
  oid('1.2.840.113549.1.1.10'),
  sequence(
    explicit(0, SHA384),
    explicit(1, sequence(oid('1.2.840.113549.1.1.8'), SHA384)),
    explicit(2, integer(SALT_BYTES)),
  ),
);

/** One extension, already in DER. */
export function extension(id: string, critical: boolean, value: Uint8Array): Bytes {
  return critical
    ? sequence(oid(id), boolean(true), octetString(value))
    : sequence(oid(id), octetString(value));
}

/** The extensions of a root or an intermediate. keyCertSign is bit 5 of keyUsage, cRLSign bit 6. */
export function authorityExtensions(kind: 'root' | 'intermediate'): readonly Bytes[] {
  const root = kind === 'root';
  return [
    extension('2.5.29.19', true, root ? sequence(boolean(true)) : sequence(boolean(true), integer(0))),
    extension(
      '2.5.29.15',
      true,
      root ? bitString(Uint8Array.of(0x06), 1) : bitString(Uint8Array.of(0x04), 2),
    ),
  ];
}

/** Signs and wraps a certificate. Names are common names; the rest of a name is fixed. */
export function makeCertificate(certificate: {
  readonly serial: number;
  readonly issuer: string;
  readonly subject: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The subject's key; of a private key its public half. */
  readonly key: KeyObject;
  readonly extensions: readonly Bytes[];
  readonly signer: KeyObject;
}): Bytes {
  const { key, signer } = certificate;
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return signed(
    sequence(
      explicit(0, integer(2)),
      integer(certificate.serial),
      PSS,
      name(certificate.issuer),
      sequence(time(certificate.notBefore), time(certificate.notAfter)),
      name(certificate.subject),
      new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })),
      explicit(3, sequence(...certificate.extensions)),
    ),
    signer,
  );
}

/** Signs and wraps a revocation list. */
export function makeCrl(list: {
  readonly issuer: string;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly number: number;
  readonly revokedSerials: readonly number[];
  readonly signer: KeyObject;
}): Bytes {
  const entries = list.revokedSerials.map((serial) => sequence(integer(serial), time(list.thisUpdate)));
  return signed(
    sequence(
      integer(1),
      PSS,
      name(list.issuer),
      time(list.thisUpdate),
      time(list.nextUpdate),
      ...(entries.length > 0 ? [sequence(...entries)] : []),
      explicit(0, sequence(extension('2.5.29.20', false, integer(list.number)))),
    ),
    list.signer,
  );
}

function signed(tbs: Bytes, signer: KeyObject): Bytes {
  const signature = sign('sha384', tbs, {
    key: signer,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: SALT_BYTES,
  });
  return sequence(tbs, PSS, bitString(signature));
}

function name(commonName: string): Bytes {
  const attribute = (id: string, value: Bytes) => set(sequence(oid(id), value));
  return sequence(
    attribute('2.5.4.11', utf8String('Simulated')),
    attribute('2.5.4.6', printableString('ZZ')),
    attribute('2.5.4.10', utf8String(ORGANIZATION)),
    attribute('2.5.4.3', utf8String(commonName)),
  );
}
