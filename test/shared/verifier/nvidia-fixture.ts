// Makes GPUs of NVIDIA's shape for tests: a chain of five under a root of its own, reports, and whatever is wrong with them.

import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
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
} from '../../../backend/tee/simulated/der-writer.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { SIMULATED_SUFFIX } from '../../../shared/evidence/simulated-suffix.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';

const ECDSA_SHA384 = sequence(oid('1.2.840.10045.4.3.3'));
const NAMES = [
  'GH100 A01 GSP FMC LF',
  'GH100 A01 GSP BROM',
  'NVIDIA GH100 Provisioner ICA 1',
  'NVIDIA GH100 Identity',
  `Device Identity CA${SIMULATED_SUFFIX}`,
] as const;
const CA = extension('2.5.29.19', true, sequence(boolean(true)));
const CERTIFICATE_SIGN = extension('2.5.29.15', true, bitString(Uint8Array.of(0x04), 2));
const DIGITAL_SIGNATURE = extension('2.5.29.15', true, bitString(Uint8Array.of(0x80), 7));
const END = new Date('9999-12-31T23:59:59Z');

/** What a test wants to be different. */
export interface GpuChanges {
  readonly nonce?: Uint8Array;
  readonly names?: Partial<Record<0 | 1 | 2 | 3 | 4, string>>;
  /** Common names that certificates claim to be issued by, by position. */
  readonly issuers?: Partial<Record<0 | 1 | 2 | 3, string>>;
  /** Positions that are signed by a key that nobody knows. */
  readonly wronglySigned?: readonly number[];
  readonly notAfter?: Partial<Record<0 | 1 | 2 | 3 | 4, Date>>;
  /** Extensions in place of those of the position. */
  readonly extensions?: Partial<Record<0 | 1 | 2 | 3 | 4, readonly Bytes[]>>;
  readonly deviceKey?: Bytes;
  readonly leafFwid?: Bytes;
  readonly reportFwid?: Bytes | undefined;
  readonly driver?: string;
  readonly vbios?: Bytes;
  readonly measurements?: Readonly<Record<number, Bytes>>;
  readonly fields?: ReadonlyMap<number, Bytes>;
  readonly signer?: KeyObject;
  readonly serial?: number;
  readonly trailing?: Uint8Array;
}

const keys: readonly KeyObject[] = NAMES.map(
  () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
);
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
const spki = (key: KeyObject): Bytes =>
  new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
const FWID: Bytes = new Uint8Array(48).fill(0x77);

/** Hex SHA-256 of the key of the fixture's root. */
export async function gpuRoot(): Promise<string> {
  return toHex(await webCrypto.digest('SHA-256', spki(keys[4] as KeyObject)));
}

/** A GPU's evidence: sound without changes. Block 8 is of the driver, block 1 of the VBIOS; the others are unused. */
export function makeGpu(changes: GpuChanges = {}): {
  readonly kind: 'nvidia-gpu';
  readonly report: Bytes;
  readonly chain: readonly Bytes[];
} {
  return { kind: 'nvidia-gpu', report: makeReport(changes), chain: makeChain(changes) };
}

export const DRIVER_DIGEST: Bytes = new Uint8Array(48).fill(0x11);
export const VBIOS_DIGEST: Bytes = new Uint8Array(48).fill(0x22);
/** Serial number of leaves without changes. */
export const LEAF_SERIAL = 12_345;

/** The chain alone. */
export function makeChain(changes: GpuChanges = {}): readonly Bytes[] {
  return NAMES.map((_, position) => makeCertificate(position as 0 | 1 | 2 | 3 | 4, changes));
}

function makeCertificate(position: 0 | 1 | 2 | 3 | 4, changes: GpuChanges): Bytes {
  const nameAt = (index: 0 | 1 | 2 | 3 | 4) => changes.names?.[index] ?? NAMES[index];
  const above = Math.min(position + 1, 4) as 1 | 2 | 3 | 4;
  const issuer = (position < 4 ? changes.issuers?.[position as 0 | 1 | 2 | 3] : undefined) ?? nameAt(above);
  const own =
    position === 0
      ? [
          DIGITAL_SIGNATURE,
          deviceIdExtension(changes.deviceKey ?? spki(keys[1] as KeyObject), changes.leafFwid ?? FWID),
        ]
      : [CA, CERTIFICATE_SIGN];
  const tbs = sequence(
    explicit(0, integer(2)),
    integer(position === 0 ? (changes.serial ?? LEAF_SERIAL) : position),
    ECDSA_SHA384,
    name(issuer),
    sequence(time(new Date('2020-10-17T00:00:00Z')), time(changes.notAfter?.[position] ?? END)),
    name(nameAt(position)),
    spki(keys[position] as KeyObject),
    explicit(3, sequence(...(changes.extensions?.[position] ?? own))),
  );
  const signer = changes.wronglySigned?.includes(position) ? stranger : (keys[above] as KeyObject);
  return sequence(tbs, ECDSA_SHA384, bitString(sign('sha384', tbs, signer)));
}

/** The firmware id of a leaf, as Hopper writes it. */
export function deviceIdExtension(deviceKey: Bytes, fwid: Bytes): Bytes {
  const id = sequence(integer(1), deviceKey, sequence(oid('2.16.840.1.101.3.4.2.2'), octetString(fwid)));
  return extension('2.23.133.5.4.1', false, id);
}

/** The firmware id of a leaf, as Blackwell writes it: model, version, svn and so on before the list. */
export function tcbInfoExtension(fwid: Bytes): Bytes {
  const one = (digest: Bytes) => sequence(oid('2.16.840.1.101.3.4.2.2'), octetString(digest));
  const fwids = der(0xa6, one(fwid), one(new Uint8Array(48)));
  return extension(
    '2.23.133.5.4.1.1',
    false,
    sequence(der(0x80, toUtf8('NVIDIA')), der(0x83, Uint8Array.of(1)), fwids),
  );
}

function name(commonName: string): Bytes {
  return sequence(set(sequence(oid('2.5.4.3'), printableString(commonName.replaceAll(/[()]/g, (c) => c)))));
}

/** The report alone, signed by the leaf's key. */
export function makeReport(changes: GpuChanges = {}): Bytes {
  const request = concat(
    Uint8Array.of(0x11, 0xe0, 0x01, 0xff),
    changes.nonce ?? new Uint8Array(32).fill(5),
    Uint8Array.of(0),
  );
  const blocks = Array.from({ length: 64 }, (_, index) => {
    const sound = index === 7 ? DRIVER_DIGEST : index === 0 ? VBIOS_DIGEST : new Uint8Array(48);
    const value = changes.measurements?.[index + 1] ?? sound;
    return concat(Uint8Array.of(index + 1, 1, 51, 0, 1, 48, 0), value);
  });
  const opaque = fieldsOf(changes);
  const opaqueBytes = concat(
    ...[...opaque].map(([type, value]) => concat(Uint8Array.of(type, 0, value.length, 0), value)),
  );
  const signed = concat(
    request,
    Uint8Array.of(0x11, 0x60, 0, 0, 64, 0xc0, 0x0d, 0),
    ...blocks,
    new Uint8Array(randomBytes(32)),
    Uint8Array.of(opaqueBytes.length & 0xff, opaqueBytes.length >> 8),
    opaqueBytes,
  );
  const key = changes.signer ?? (keys[0] as KeyObject);
  const signature = sign('sha384', signed, { key, dsaEncoding: 'ieee-p1363' });
  return concat(signed, signature, changes.trailing ?? new Uint8Array());
}

function fieldsOf(changes: GpuChanges): ReadonlyMap<number, Bytes> {
  const text = (value: string) => toUtf8(`${value}\0`);
  const fwid = 'reportFwid' in changes ? changes.reportFwid : FWID;
  return new Map<number, Bytes>([
    [6, changes.vbios ?? Uint8Array.of(0x00, 0x9f, 0x00, 0x96, 0x02, 0, 0, 0)],
    [15, concat(text('886'), new Uint8Array(5))],
    [17, text('1010')],
    [18, text('0210')],
    [3, text(changes.driver ?? '550.144.03')],
    ...(fwid ? ([[20, fwid]] as const) : []),
    [21, Uint8Array.of(0x55)],
    [36, Uint8Array.of(0, 0)],
    ...(changes.fields ?? []),
  ]);
}

/** The octets with one bit turned. */
export function flipBit(octets: Uint8Array, bit: number): Bytes {
  const copy = concat(octets);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}
