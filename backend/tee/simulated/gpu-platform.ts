// A simulated machine's GPUs: keys and certificates in NVIDIA's form under a root of their own, kept beside the machine's file.

import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { list, object, oneOf, readShape, type Shape, text } from '../../../shared/bytes/shape.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import {
  GPU_AUTHORITY,
  GPU_CERTIFICATE_END,
  GPU_NAMES,
  gpuLeafExtensions,
  makeGpuCertificate,
  spkiOf,
} from './gpu-certificates.ts';
import { SimulatedPlatformError } from './platform.ts';
import { readOrMake } from './read-or-make.ts';

const FILE = 'simulated-gpus.json';
const SHA384_BYTES = 48;
/** Serial number of the first GPU's leaf: what NVIDIA calls `ueid`. */
const FIRST_SERIAL = 0x5100_0001;

/** One simulated GPU. */
export interface SimulatedGpu {
  readonly key: KeyObject;
  /** Leaf first, five certificates, DER. */
  readonly chain: readonly Bytes[];
  /** Decimal. */
  readonly ueid: string;
}

/** The GPUs of a machine. They protect nothing: their keys lie in a file. */
export interface SimulatedGpus {
  /** Hex: what a policy names under `roots.simulated`. */
  readonly rootSpkiSha256: string;
  readonly gpus: readonly SimulatedGpu[];
  /** SHA-384 of the firmware that every GPU claims to run. */
  readonly fwid: Bytes;
  /** Keys of the chain above the leaves: device identity, provisioner, architecture, root. For faults. */
  readonly authorities: readonly [KeyObject, KeyObject, KeyObject, KeyObject];
}

interface GpuFile {
  readonly version: 1;
  readonly notice: string;
  readonly authority_keys: readonly string[];
  readonly gpu_keys: readonly string[];
}

const pem = text(/^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----\n$/, 'a PEM key');
const fileShape: Shape<GpuFile> = object<GpuFile>({
  version: oneOf(1),
  notice: text(/^Simulated/, 'the notice'),
  authority_keys: list(pem, 4, 4),
  gpu_keys: list(pem, 16, 16),
});

/** What a simulated GPU says that it measured: 48 octets that begin with a label, so that a reader of the report sees what they are. */
export function simulatedDigest(label: string): Bytes {
  const octets = new Uint8Array(SHA384_BYTES);
  octets.set(toUtf8(label).subarray(0, SHA384_BYTES));
  return octets;
}

/**
 * The first `count` GPUs of the machine in `folder`; their keys are made at the first call.
 * @throws SimulatedPlatformError when the file is damaged; RangeError unless `count` is 1 to 16.
 */
export async function loadSimulatedGpus(
  folder: string,
  count: number,
  random: (octets: number) => Bytes,
): Promise<SimulatedGpus> {
  if (!Number.isInteger(count) || count < 1 || count > 16) throw new RangeError('1 to 16 simulated GPUs');
  const file = readFileContent(await readOrMake(join(folder, FILE), makeFile, random));
  const authorities = file.authority_keys.map((key) =>
    createPrivateKey(key),
  ) as unknown as SimulatedGpus['authorities'];
  const [, , , root] = authorities;
  const fwid = simulatedDigest('Cloister simulated GPU firmware');
  return {
    rootSpkiSha256: toHex(await sha256(spkiOf(root))),
    fwid,
    authorities,
    gpus: file.gpu_keys.slice(0, count).map((keyPem, index) => {
      const key = createPrivateKey(keyPem);
      const serial = FIRST_SERIAL + index;
      return { key, ueid: String(serial), chain: makeGpuChain(authorities, { key, serial, fwid }) };
    }),
  };
}

/** A chain of five for one GPU. */
export function makeGpuChain(
  authorities: SimulatedGpus['authorities'],
  leaf: {
    readonly key: KeyObject;
    readonly serial: number;
    readonly fwid: Bytes;
    readonly signer?: KeyObject;
  },
): readonly Bytes[] {
  const [device] = authorities;
  const shared = { notAfter: GPU_CERTIFICATE_END };
  return [
    makeGpuCertificate({
      ...shared,
      subject: GPU_NAMES[0],
      issuer: GPU_NAMES[1],
      serial: leaf.serial,
      key: spkiOf(leaf.key),
      signer: leaf.signer ?? device,
      extensions: gpuLeafExtensions(spkiOf(device), leaf.fwid),
    }),
    ...authorities.map((key, index) => {
      const above = Math.min(index + 1, 3) as 1 | 2 | 3;
      return makeGpuCertificate({
        ...shared,
        subject: GPU_NAMES[(index + 1) as 1 | 2 | 3 | 4],
        issuer: GPU_NAMES[(above + 1) as 2 | 3 | 4],
        serial: index + 1,
        key: spkiOf(key),
        signer: authorities[above],
        extensions: GPU_AUTHORITY,
      });
    }),
  ];
}

async function makeFile(): Promise<string> {
  const makeKey = () =>
    generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  return JSON.stringify(
    {
      version: 1,
      notice: 'Simulated: these keys protect nothing and must never be trusted for real data.',
      authority_keys: Array.from({ length: 4 }, makeKey),
      gpu_keys: Array.from({ length: 16 }, makeKey),
    },
    null,
    1,
  );
}

function readFileContent(content: string): GpuFile {
  try {
    const read = readShape(fileShape, JSON.parse(content));
    if (read.ok) return read.value;
  } catch {
    // falls through to the one refusal
  }
  throw new SimulatedPlatformError();
}
