// Makes GPUs of NVIDIA's shape for tests: a chain of five under a root of its own, reports, and whatever is wrong with them.

import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { der, octetString, oid, sequence } from '../../../backend/tee/simulated/der-writer.ts';
import {
  GPU_AUTHORITY,
  GPU_CERTIFICATE_END,
  GPU_NAMES,
  gpuLeafExtensions,
  makeGpuCertificate,
  spkiOf,
} from '../../../backend/tee/simulated/gpu-certificates.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import { textField, writeGpuReport } from '../../../backend/tee/simulated/write-gpu-report.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';

export { deviceIdExtension } from '../../../backend/tee/simulated/gpu-certificates.ts';

const NAMES = GPU_NAMES;
const END = GPU_CERTIFICATE_END;

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
const FWID: Bytes = new Uint8Array(48).fill(0x77);

/** Hex SHA-256 of the key of the fixture's root. */
export async function gpuRoot(): Promise<string> {
  return toHex(await webCrypto.digest('SHA-256', spkiOf(keys[4] as KeyObject)));
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
      ? gpuLeafExtensions(changes.deviceKey ?? spkiOf(keys[1] as KeyObject), changes.leafFwid ?? FWID)
      : GPU_AUTHORITY;
  return makeGpuCertificate({
    subject: nameAt(position),
    issuer,
    serial: position === 0 ? (changes.serial ?? LEAF_SERIAL) : position,
    key: spkiOf(keys[position] as KeyObject),
    signer: changes.wronglySigned?.includes(position) ? stranger : (keys[above] as KeyObject),
    notAfter: changes.notAfter?.[position] ?? END,
    extensions: changes.extensions?.[position] ?? own,
  });
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

/** The report alone, signed by the leaf's key. */
export function makeReport(changes: GpuChanges = {}): Bytes {
  const sound: readonly (readonly [number, Bytes])[] = [
    [8, DRIVER_DIGEST],
    [1, VBIOS_DIGEST],
  ];
  const changed = Object.entries(changes.measurements ?? {}).map(
    ([block, value]) => [Number(block), value] as const,
  );
  const report = writeGpuReport(
    {
      nonce: changes.nonce ?? new Uint8Array(32).fill(5),
      responderNonce: new Uint8Array(randomBytes(32)),
      measurements: new Map([...sound, ...changed]),
      fields: fieldsOf(changes),
    },
    changes.signer ?? (keys[0] as KeyObject),
  );
  return concat(report, changes.trailing ?? new Uint8Array());
}

function fieldsOf(changes: GpuChanges): ReadonlyMap<number, Bytes> {
  const fwid = 'reportFwid' in changes ? changes.reportFwid : FWID;
  return new Map<number, Bytes>([
    [6, changes.vbios ?? Uint8Array.of(0x00, 0x9f, 0x00, 0x96, 0x02, 0, 0, 0)],
    [15, concat(textField('886'), new Uint8Array(5))],
    [17, textField('1010')],
    [18, textField('0210')],
    [3, textField(changes.driver ?? '550.144.03')],
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
