// SEV-SNP evidence of every product and both kinds of key under a root made for tests: sound unless a test wants something else.

import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { ia5String, integer, octetString } from '../../../backend/tee/simulated/der-writer.ts';
import {
  authorityExtensions,
  extension,
  makeCertificate,
  makeCrl,
} from '../../../backend/tee/simulated/make-certificate.ts';
import { SIMULATED_GUEST_POLICY } from '../../../backend/tee/simulated/tee.ts';
import { writeReport } from '../../../backend/tee/simulated/write-report.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { AMD_OID } from '../../../shared/evidence/amd-extensions.ts';
import type { SnpEvidence } from '../../../shared/evidence/bundle.ts';
import type { CpuId } from '../../../shared/evidence/snp-report.ts';
import type { SnpProduct, Tcb } from '../../../shared/evidence/tcb.ts';
import type { VendorRoots } from '../../../shared/verifier/roots/vendor-roots.ts';
import { measurement, now, testPlatform } from '../../backend/tee/simulated-node.ts';

export const day = (days: number): Date => new Date(now.getTime() + days * 86_400_000);
export const PROVIDER = 'CN=cloud.example';
/** One CPU of each product. */
export const CPU: Readonly<Record<SnpProduct, CpuId>> = {
  Milan: { family: 0x19, model: 0x01, stepping: 1 },
  Genoa: { family: 0x19, model: 0x11, stepping: 1 },
  Turin: { family: 0x1a, model: 0x02, stepping: 1 },
};
/** A TCB whose components all differ, so that a layout that is read wrongly shows. */
export const tcbOf = (product: SnpProduct): Tcb => ({
  fmc: product === 'Turin' ? 3 : 0,
  bootLoader: 10,
  tee: 1,
  snp: 0x1b,
  microcode: 0xdb,
});

/** What a test wants to be different. */
export interface SnpChanges {
  readonly product?: SnpProduct;
  readonly kind?: 'vcek' | 'vlek';
  readonly version?: number;
  readonly keyInfo?: number;
  readonly cpu?: CpuId;
  readonly chipId?: Bytes;
  readonly hwId?: Bytes;
  /** The leaf's, where it is another than the report's. */
  readonly leafTcb?: Tcb;
  readonly structVersion?: number;
  readonly askName?: string;
  readonly arkName?: string;
  readonly leafName?: string;
  readonly askExtensions?: readonly Bytes[];
  readonly arkExtensions?: readonly Bytes[];
  readonly leafExtensions?: readonly Bytes[];
  readonly leafSigner?: KeyObject;
  readonly askSigner?: KeyObject;
  readonly reportSigner?: KeyObject;
  readonly leafDates?: { readonly notBefore: Date; readonly notAfter: Date };
  readonly askDates?: { readonly notBefore: Date; readonly notAfter: Date };
  readonly arkDates?: { readonly notBefore: Date; readonly notAfter: Date };
  readonly crl?: Partial<Parameters<typeof makeCrl>[0]>;
}

/** The test's root in place of AMD's for a product. */
export async function rootsFor(product: SnpProduct): Promise<VendorRoots> {
  const spki = createPublicKey((await testPlatform()).keys.ark).export({ type: 'spki', format: 'der' });
  return { amd: [{ product, spkiSha256: createHash('sha256').update(spki).digest('hex') }] };
}

const encodeTcb = (product: SnpProduct, tcb: Tcb): Bytes =>
  product === 'Turin'
    ? Uint8Array.of(tcb.fmc, tcb.bootLoader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode)
    : Uint8Array.of(tcb.bootLoader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode);

/** Evidence: sound without changes. */
export async function generatedSnp(changes: SnpChanges = {}): Promise<SnpEvidence> {
  const { keys } = await testPlatform();
  const product = changes.product ?? 'Genoa';
  const kind = changes.kind ?? 'vcek';
  const turin = product === 'Turin';
  const tcb = tcbOf(product);
  const leafTcb = changes.leafTcb ?? tcb;
  const arkName = changes.arkName ?? `ARK-${product}`;
  const askName = changes.askName ?? (kind === 'vcek' ? `SEV-${product}` : `SEV-VLEK-${product}`);
  const chip = new Uint8Array(turin ? 8 : 64).fill(0x99);
  const dates = { notBefore: day(-1), notAfter: day(300) };
  const ark = makeCertificate({
    serial: 0x30000,
    issuer: arkName,
    subject: arkName,
    ...(changes.arkDates ?? dates),
    key: keys.ark,
    signer: keys.ark,
    extensions: changes.arkExtensions ?? authorityExtensions('root'),
  });
  const ask = makeCertificate({
    serial: 0x30001,
    issuer: arkName,
    subject: askName,
    ...(changes.askDates ?? dates),
    key: keys.ask,
    signer: changes.askSigner ?? keys.ark,
    extensions: changes.askExtensions ?? authorityExtensions('intermediate'),
  });
  const level = (id: string, value: number) => extension(id, false, integer(value));
  const leaf = makeCertificate({
    serial: 0,
    issuer: askName,
    subject: changes.leafName ?? `SEV-${kind.toUpperCase()}`,
    ...(changes.leafDates ?? dates),
    key: keys.chip,
    signer: changes.leafSigner ?? keys.ask,
    extensions: [
      level(AMD_OID.structVersion, changes.structVersion ?? (turin ? 1 : 0)),
      extension(AMD_OID.productName, false, ia5String(product)),
      ...((changes.structVersion ?? (turin ? 1 : 0)) === 1 ? [level(AMD_OID.fmc, leafTcb.fmc)] : []),
      level(AMD_OID.bootLoader, leafTcb.bootLoader),
      level(AMD_OID.tee, leafTcb.tee),
      level(AMD_OID.snp, leafTcb.snp),
      level(AMD_OID.microcode, leafTcb.microcode),
      kind === 'vcek'
        ? extension(AMD_OID.hwId, false, octetString(changes.hwId ?? chip))
        : extension(AMD_OID.cspId, false, ia5String(PROVIDER)),
      ...(changes.leafExtensions ?? []),
    ],
  });
  const crl = makeCrl({
    issuer: arkName,
    thisUpdate: day(-1),
    nextUpdate: day(300),
    number: 1,
    revokedSerials: [0x1],
    signer: keys.ark,
    ...changes.crl,
  });
  const report = await makeReport(changes, product, kind, chip);
  return { kind: 'sev-snp', report, leaf: { kind, certificate: leaf }, ask, ark, crl };
}

async function makeReport(
  changes: SnpChanges,
  product: SnpProduct,
  kind: 'vcek' | 'vlek',
  chip: Bytes,
): Promise<Bytes> {
  const { keys } = await testPlatform();
  const tcb = tcbOf(product);
  const padded = new Uint8Array(64);
  if (kind === 'vcek') padded.set(chip);
  const report = writeReport(
    {
      guestPolicy: SIMULATED_GUEST_POLICY,
      platformInfo: 0b0110_0101n,
      keyInfo: changes.keyInfo ?? (kind === 'vlek' ? 4 : 0),
      vmpl: 0,
      reportData: new Uint8Array(64).fill(0x11),
      measurement,
      reportId: new Uint8Array(32),
      cpu: changes.cpu ?? CPU[product],
      chipId: changes.chipId ?? padded,
      currentTcb: tcb,
      reportedTcb: tcb,
      committedTcb: tcb,
      launchTcb: tcb,
      mitigations: 0n,
    },
    keys.chip,
  );
  for (const offset of [0x38, 0x180, 0x1e0, 0x1f0]) report.set(encodeTcb(product, tcb), offset);
  if (changes.version !== undefined) {
    report[0] = changes.version;
    if (changes.version === 2) report.fill(0, 0x188, 0x18b);
  }
  const key = changes.reportSigner ?? keys.chip;
  const signature = sign('sha384', report.subarray(0, 0x2a0), { key, dsaEncoding: 'ieee-p1363' });
  report.set(concat(signature.subarray(0, 48)).reverse(), 0x2a0);
  report.set(concat(signature.subarray(48)).reverse(), 0x2e8);
  return report;
}
