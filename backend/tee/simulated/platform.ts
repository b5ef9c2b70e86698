// A simulated machine: root, intermediate and chip keys that are made once and kept in a file.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { object, octets, oneOf, readShape, type Shape, text } from '../../../shared/bytes/shape.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import type { Tcb } from '../../../shared/evidence/tcb.ts';
import { makeLeaf } from './leaf-certificate.ts';
import { authorityExtensions, makeCertificate, makeCrl } from './make-certificate.ts';
import { readOrMake } from './read-or-make.ts';
import { SIMULATED_NAME } from './simulated-names.ts';

const FILE = 'simulated-platform.json';
const DAY = 86_400_000;
const YEAR = 365 * DAY;
const ROOT_SERIAL = 1;
/** Serial number of the simulated intermediate. */
export const ASK_SERIAL = 2;
/** AMD's lists live about a year; a new one is signed when this little is left. */
const RENEW_CRL_BEFORE = 30 * DAY;

/** The simulated processor: a Genoa with firmware newer than every bulletin of 2025. */
export const SIMULATED_CPU = { family: 0x19, model: 0x11, stepping: 1 } as const;
/** Its firmware. */
export const SIMULATED_TCB: Tcb = { fmc: 0, bootLoader: 10, tee: 0, snp: 0x1c, microcode: 0x58 };

/** A machine. It protects nothing: its keys lie in a file. */
export interface SimulatedPlatform {
  /** Hex: what a policy names under `roots.simulated`. */
  readonly rootSpkiSha256: string;
  readonly chipId: Bytes;
  readonly keys: { readonly ark: KeyObject; readonly ask: KeyObject; readonly chip: KeyObject };
  readonly certificates: {
    readonly ark: Bytes;
    readonly ask: Bytes;
    readonly vcek: Bytes;
    readonly crl: Bytes;
  };
  /** When it was loaded. */
  readonly loadedAt: Date;
  /** The source of randomness that it was loaded with. */
  readonly random: (octets: number) => Bytes;
}

/** The file is not one of this simulator's: delete it to get a new machine. */
export class SimulatedPlatformError extends Error {
  override readonly name = 'SimulatedPlatformError';
  readonly code = 'simulated_platform_malformed';
  constructor() {
    super('the simulated platform’s file cannot be read; delete it to make a new simulated platform');
  }
}

interface PlatformFile {
  readonly version: 1;
  readonly notice: string;
  readonly ark_key: string;
  readonly ask_key: string;
  readonly chip_key: string;
  readonly chip_id: Bytes;
  readonly ark: Bytes;
  readonly ask: Bytes;
  readonly vcek: Bytes;
  readonly crl: Bytes;
}

const pem = text(/^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----\n$/, 'a PEM key');
const certificate = octets(1, 16 * 1024);
const fileShape: Shape<PlatformFile> = object<PlatformFile>({
  version: oneOf(1),
  notice: text(/^Simulated/, 'the notice'),
  ark_key: pem,
  ask_key: pem,
  chip_key: pem,
  chip_id: octets(64),
  ark: certificate,
  ask: certificate,
  vcek: certificate,
  crl: certificate,
});

const generateRsa = promisify(generateKeyPair);

/**
 * The machine in `folder`, which is made at the first call: two RSA-4096 keys, some seconds. Later calls read one file.
 * @throws SimulatedPlatformError when the file is damaged; system errors as they come.
 */
export async function loadSimulatedPlatform(
  folder: string,
  { now, random }: { readonly now: Date; readonly random: (octets: number) => Bytes },
): Promise<SimulatedPlatform> {
  return open(await readOrMake(join(folder, FILE), () => makePlatform(now, random), random), now, random);
}

function open(content: string, now: Date, random: (octets: number) => Bytes): SimulatedPlatform {
  const file = parseFile(content);
  const ark = createPrivateKey(file.ark_key);
  const spki = createPublicKey(ark).export({ type: 'spki', format: 'der' });
  const aging = parseCrl(file.crl).nextUpdate.getTime() - now.getTime() < RENEW_CRL_BEFORE;
  return {
    rootSpkiSha256: createHash('sha256').update(spki).digest('hex'),
    chipId: file.chip_id,
    keys: { ark, ask: createPrivateKey(file.ask_key), chip: createPrivateKey(file.chip_key) },
    certificates: {
      ark: file.ark,
      ask: file.ask,
      vcek: file.vcek,
      crl: aging ? makePlatformCrl(ark, now) : file.crl,
    },
    loadedAt: now,
    random,
  };
}

function parseFile(content: string): PlatformFile {
  try {
    const read = readShape(fileShape, JSON.parse(content));
    if (read.ok) return read.value;
  } catch {
    // falls through to the one refusal
  }
  throw new SimulatedPlatformError();
}

async function makePlatform(now: Date, random: (octets: number) => Bytes): Promise<string> {
  const [ark, ask] = await Promise.all([
    generateRsa('rsa', { modulusLength: 4096 }),
    generateRsa('rsa', { modulusLength: 4096 }),
  ]);
  const chip = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const chipId = random(64);
  const notBefore = new Date(now.getTime() - DAY);
  const authority = { notBefore, notAfter: new Date(now.getTime() + 25 * YEAR), signer: ark.privateKey };
  const certificates = {
    ark: makeCertificate({
      ...authority,
      serial: ROOT_SERIAL,
      issuer: SIMULATED_NAME.ark,
      subject: SIMULATED_NAME.ark,
      key: ark.publicKey,
      extensions: authorityExtensions('root'),
    }),
    ask: makeCertificate({
      ...authority,
      serial: ASK_SERIAL,
      issuer: SIMULATED_NAME.ark,
      subject: SIMULATED_NAME.ask,
      key: ask.publicKey,
      extensions: authorityExtensions('intermediate'),
    }),
    vcek: makeLeaf(
      {
        structVersion: 0,
        tcb: SIMULATED_TCB,
        hwId: chipId,
        notBefore,
        notAfter: new Date(now.getTime() + 7 * YEAR),
      },
      chip.publicKey,
      ask.privateKey,
    ),
    crl: makePlatformCrl(ark.privateKey, now),
  };
  const toPem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string;
  const notice = 'Simulated: these keys protect nothing and must never be trusted for real data.';
  return JSON.stringify(
    {
      version: 1,
      notice,
      ark_key: toPem(ark.privateKey),
      ask_key: toPem(ask.privateKey),
      chip_key: toPem(chip.privateKey),
      chip_id: toBase64url(chipId),
      ark: toBase64url(certificates.ark),
      ask: toBase64url(certificates.ask),
      vcek: toBase64url(certificates.vcek),
      crl: toBase64url(certificates.crl),
    },
    null,
    1,
  );
}

function makePlatformCrl(signer: KeyObject, now: Date): Bytes {
  return makeCrl({
    issuer: SIMULATED_NAME.ark,
    thisUpdate: new Date(now.getTime() - DAY),
    nextUpdate: new Date(now.getTime() + YEAR),
    number: 1,
    revokedSerials: [],
    signer,
  });
}
