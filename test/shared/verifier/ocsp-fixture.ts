// Makes answers of an OCSP responder in NVIDIA's profile, which nobody captured, and whatever is wrong with them.

import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  bitString,
  der,
  explicit,
  integer,
  octetString,
  oid,
  sequence,
} from '../../../backend/tee/simulated/der-writer.ts';
import {
  GPU_AUTHORITY,
  makeGpuCertificate,
  spkiOf,
} from '../../../backend/tee/simulated/gpu-certificates.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';

export const ocspNow = new Date('2026-11-23T12:00:00Z');
export const hours = (count: number): Date => new Date(ocspNow.getTime() + count * 3_600_000);
const key = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
export const keys = { issuer: key(), device: key(), responder: key(), stranger: key() };
const ISSUER = 'NVIDIA GH100 Identity';

const made = (recipe: Partial<Parameters<typeof makeGpuCertificate>[0]>): Bytes =>
  makeGpuCertificate({
    subject: 'Device',
    issuer: ISSUER,
    serial: 0x1001,
    key: spkiOf(keys.device),
    signer: keys.issuer,
    notAfter: hours(1000),
    extensions: GPU_AUTHORITY,
    ...recipe,
  });

/** The certificate that is asked about, below its issuer. */
export const deviceDer = made({});
export const issuerDer = made({ subject: ISSUER, serial: 2, key: spkiOf(keys.issuer) });
export const device = parseCertificate(deviceDer, 'nvidia');
export const issuer = parseCertificate(issuerDer, 'nvidia');

export const OCSP_SIGNING = extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.9')));
export const NO_CHECK = extension('1.3.6.1.5.5.7.48.1.5', false, der(5));

/** A responder that the issuer delegated to. */
export const delegateDer = (recipe: Partial<Parameters<typeof makeGpuCertificate>[0]> = {}): Bytes =>
  made({
    subject: 'Responder',
    serial: 3,
    key: spkiOf(keys.responder),
    extensions: [OCSP_SIGNING, NO_CHECK],
    ...recipe,
  });

/** One status; sound without changes. */
export interface StatusRecipe {
  readonly serial?: number;
  readonly nameHash?: Bytes;
  readonly keyHash?: Bytes;
  readonly hash?: Bytes;
  readonly status?: Bytes;
  readonly thisUpdate?: Bytes;
  readonly nextUpdate?: Bytes | 'absent';
  readonly more?: readonly Bytes[];
}

/** Everything that a test may bend. */
export interface AnswerRecipe {
  readonly outerStatus?: Bytes;
  readonly type?: string;
  readonly statuses?: readonly StatusRecipe[];
  readonly responder?: Bytes;
  readonly producedAt?: Bytes;
  readonly nonce?: Bytes | 'absent';
  readonly extensions?: readonly Bytes[];
  readonly algorithm?: Bytes;
  readonly signer?: KeyObject;
  readonly certificates?: readonly Bytes[] | 'absent';
  /** Something after the extensions of the signed part, and after the certificates. */
  readonly moreSigned?: readonly Bytes[];
  readonly more?: readonly Bytes[];
}

const sha384 = (octets: Uint8Array): Bytes => new Uint8Array(createHash('sha384').update(octets).digest());
const pointOf = (certificate: typeof issuer): Bytes =>
  certificate.publicKey.kind === 'p384' ? certificate.publicKey.point : new Uint8Array();

/** GeneralizedTime, as everything in an answer is. */
export const generalized = (date: Date): Bytes =>
  der(0x18, toUtf8(`${date.toISOString().slice(0, 19).replaceAll(/[-T:]/g, '')}Z`));

export const STATUS = {
  good: der(0x80),
  unknown: der(0x82),
  revoked: (reason?: number, more: readonly Bytes[] = []) =>
    der(
      0xa1,
      generalized(hours(-100)),
      ...(reason === undefined ? [] : [explicit(0, der(0x0a, Uint8Array.of(reason)))]),
      ...more,
    ),
};
export const SHA384 = sequence(oid('2.16.840.1.101.3.4.2.2'));
export const NONCE: Bytes = new Uint8Array(32).fill(7);

function single(recipe: StatusRecipe): Bytes {
  return sequence(
    sequence(
      recipe.hash ?? SHA384,
      octetString(recipe.nameHash ?? sha384(issuer.subject)),
      octetString(recipe.keyHash ?? sha384(pointOf(issuer))),
      integer(recipe.serial ?? 0x1001),
    ),
    recipe.status ?? STATUS.good,
    recipe.thisUpdate ?? generalized(hours(-1)),
    ...(recipe.nextUpdate === 'absent' ? [] : [explicit(0, recipe.nextUpdate ?? generalized(hours(23)))]),
    ...(recipe.more ?? []),
  );
}

/** An answer's octets. */
export function makeAnswer(recipe: AnswerRecipe = {}): Bytes {
  const algorithm = recipe.algorithm ?? sequence(oid('1.2.840.10045.4.3.3'));
  const nonce = recipe.nonce ?? NONCE;
  const extensions = [
    ...(nonce === 'absent' ? [] : [extension('1.3.6.1.5.5.7.48.1.2', false, octetString(nonce))]),
    ...(recipe.extensions ?? []),
  ];
  const tbs = sequence(
    recipe.responder ?? explicit(1, issuer.subject),
    recipe.producedAt ?? generalized(hours(-1)),
    sequence(...(recipe.statuses ?? [{}]).map(single)),
    ...(extensions.length > 0 ? [explicit(1, sequence(...extensions))] : []),
    ...(recipe.moreSigned ?? []),
  );
  const signature = sign('sha384', tbs, recipe.signer ?? keys.issuer);
  const { certificates = 'absent' } = recipe;
  const basic = sequence(
    tbs,
    algorithm,
    bitString(signature),
    ...(certificates === 'absent' ? [] : [explicit(0, sequence(...certificates))]),
    ...(recipe.more ?? []),
  );
  return sequence(
    recipe.outerStatus ?? der(0x0a, Uint8Array.of(0)),
    explicit(0, sequence(oid(recipe.type ?? '1.3.6.1.5.5.7.48.1.1'), octetString(basic))),
  );
}

/** An answer by the delegate. */
export const byDelegate = (certificates: readonly Bytes[], recipe: AnswerRecipe = {}): Bytes =>
  makeAnswer({
    responder: explicit(1, parseCertificate(delegateDer(), 'nvidia').subject),
    signer: keys.responder,
    certificates,
    ...recipe,
  });

/** The octets with more behind. */
export const withMore = (octets: Bytes): Bytes => concat(octets, der(5));
