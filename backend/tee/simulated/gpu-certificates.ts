// Certificates in the form of NVIDIA's GPUs: a chain of five, P-384 with SHA-384, the firmware's hash in the leaf.

import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { SIMULATED_SUFFIX } from '../../../shared/evidence/simulated-suffix.ts';
import {
  bitString,
  boolean,
  explicit,
  integer,
  octetString,
  oid,
  printableString,
  sequence,
  set,
  time,
} from './der-writer.ts';
import { extension } from './make-certificate.ts';

/** Common names, leaf first; the root says that it is not NVIDIA's. */
export const GPU_NAMES = [
  'GH100 A01 GSP FMC LF',
  'GH100 A01 GSP BROM',
  'NVIDIA GH100 Provisioner ICA 1',
  'NVIDIA GH100 Identity',
  `Device Identity CA${SIMULATED_SUFFIX}`,
] as const;

/** As NVIDIA's own: no well-defined end. */
export const GPU_CERTIFICATE_END = new Date('9999-12-31T23:59:59Z');

const NOT_BEFORE = new Date('2020-10-17T00:00:00Z');
const ECDSA_SHA384 = sequence(oid('1.2.840.10045.4.3.3'));
const DIGITAL_SIGNATURE = extension('2.5.29.15', true, bitString(Uint8Array.of(0x80), 7));

/** Extensions of every certificate but the leaf. */
export const GPU_AUTHORITY: readonly Bytes[] = [
  extension('2.5.29.19', true, sequence(boolean(true))),
  extension('2.5.29.15', true, bitString(Uint8Array.of(0x04), 2)),
];

/** What a certificate is made from. */
export interface GpuCertificateRecipe {
  readonly subject: string;
  readonly issuer: string;
  readonly serial: number;
  /** SubjectPublicKeyInfo. */
  readonly key: Bytes;
  readonly signer: KeyObject;
  readonly notAfter: Date;
  readonly extensions: readonly Bytes[];
}

/** One certificate, DER. */
export function makeGpuCertificate(recipe: GpuCertificateRecipe): Bytes {
  const tbs = sequence(
    explicit(0, integer(2)),
    integer(recipe.serial),
    ECDSA_SHA384,
    name(recipe.issuer),
    sequence(time(NOT_BEFORE), time(recipe.notAfter)),
    name(recipe.subject),
    recipe.key,
    explicit(3, sequence(...recipe.extensions)),
  );
  return sequence(tbs, ECDSA_SHA384, bitString(sign('sha384', tbs, recipe.signer)));
}

/** Extensions of a leaf for firmware with this hash (48 octets), made by the device key (SubjectPublicKeyInfo). */
export function gpuLeafExtensions(deviceKey: Bytes, fwid: Bytes): readonly Bytes[] {
  return [DIGITAL_SIGNATURE, deviceIdExtension(deviceKey, fwid)];
}

/** The firmware's hash in a leaf, as Hopper writes it (TCG DICE, CompositeDeviceID). */
export function deviceIdExtension(deviceKey: Bytes, fwid: Bytes): Bytes {
  const id = sequence(integer(1), deviceKey, sequence(oid('2.16.840.1.101.3.4.2.2'), octetString(fwid)));
  return extension('2.23.133.5.4.1', false, id);
}

/** SubjectPublicKeyInfo of a key. */
export function spkiOf(key: KeyObject): Bytes {
  return new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
}

function name(commonName: string): Bytes {
  return sequence(set(sequence(oid('2.5.4.3'), printableString(commonName))));
}
