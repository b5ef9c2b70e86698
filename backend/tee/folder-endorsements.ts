// Endorsements that lie in a folder: what an operator fetched from the vendor, for machines that must not reach it.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { CERTIFICATE_MAXIMUM_BYTES, CRL_MAXIMUM_BYTES } from '../../shared/evidence/der.ts';
import { TCB_INFO_MAXIMUM_BYTES } from '../../shared/evidence/evidence-bounds.ts';
import { cutServedDocument } from '../../shared/evidence/tdx-collateral.ts';
import type { EndorsementSource, OfferedCertificates } from './endorsement-source.ts';
import { fitsReport } from './fits-report.ts';
import { TeeError } from './tee-driver.ts';

/** Names in the folder. Certificates and lists as DER, Intel's documents exactly as its service sends them. */
export const ENDORSEMENT_FILE = {
  vcek: 'vcek.der',
  vlek: 'vlek.der',
  ask: 'ask.der',
  ark: 'ark.der',
  crl: 'crl.der',
  tcbInfo: 'tcb-info.json',
  qeIdentity: 'qe-identity.json',
  tcbSigner: 'tcb-signing.der',
  pckCrl: 'pck-crl.der',
  rootCrl: 'root-crl.der',
} as const;

/** Reads the folder anew for each piece of evidence, so that a list can be replaced while the node runs. */
export function folderEndorsements(folder: string): EndorsementSource {
  const optional = async (name: string, maximum: number): Promise<Bytes | undefined> => {
    try {
      const octets = concat(await readFile(join(folder, name)));
      if (octets.length > maximum)
        throw new TeeError('tee_endorsements_unavailable', `${name} is over its bound`);
      return octets;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };
  const required = async (name: string, maximum: number): Promise<Bytes> => {
    const octets = await optional(name, maximum);
    if (octets === undefined)
      throw new TeeError('tee_endorsements_unavailable', `${name} is not in ${folder}`);
    return octets;
  };
  const certificate = (name: string) => optional(name, CERTIFICATE_MAXIMUM_BYTES);

  return {
    async forSnpReport(report, offered) {
      const leaf = await chooseLeaf(report, offered, certificate);
      const ask = (await certificate(ENDORSEMENT_FILE.ask)) ?? offered.ask;
      const ark = (await certificate(ENDORSEMENT_FILE.ark)) ?? offered.ark;
      if (ask === undefined || ark === undefined)
        throw new TeeError(
          'tee_endorsements_unavailable',
          `no ${ENDORSEMENT_FILE.ask} and ${ENDORSEMENT_FILE.ark}`,
        );
      return { leaf, ask, ark, crl: await required(ENDORSEMENT_FILE.crl, CRL_MAXIMUM_BYTES) };
    },
    async forTdxQuote() {
      const [tcbInfo, qeIdentity, signer, pckCrl, rootCrl] = await Promise.all([
        required(ENDORSEMENT_FILE.tcbInfo, TCB_INFO_MAXIMUM_BYTES),
        required(ENDORSEMENT_FILE.qeIdentity, TCB_INFO_MAXIMUM_BYTES),
        required(ENDORSEMENT_FILE.tcbSigner, CERTIFICATE_MAXIMUM_BYTES),
        required(ENDORSEMENT_FILE.pckCrl, CRL_MAXIMUM_BYTES),
        required(ENDORSEMENT_FILE.rootCrl, CRL_MAXIMUM_BYTES),
      ]);
      return {
        tcbInfo: { ...cutServedDocument(tcbInfo, 'tcbInfo'), signer },
        qeIdentity: { ...cutServedDocument(qeIdentity, 'enclaveIdentity'), signer },
        pckCrl,
        rootCrl,
      };
    },
  };
}

// A host may have stored its certificate before a firmware update, and so may an operator: the one that fits is taken.
async function chooseLeaf(
  report: Bytes,
  offered: OfferedCertificates,
  certificate: (name: string) => Promise<Bytes | undefined>,
): Promise<NonNullable<OfferedCertificates['leaf']>> {
  const vcek = await certificate(ENDORSEMENT_FILE.vcek);
  const vlek = await certificate(ENDORSEMENT_FILE.vlek);
  const candidates = [
    ...(vcek ? [{ kind: 'vcek', certificate: vcek } as const] : []),
    ...(vlek ? [{ kind: 'vlek', certificate: vlek } as const] : []),
    ...(offered.leaf ? [offered.leaf] : []),
  ];
  const fitting = candidates.find((leaf) => fitsReport(leaf, report));
  if (fitting) return fitting;
  throw new TeeError(
    'tee_endorsements_unavailable',
    candidates.length === 0
      ? 'no certificate for the key that signed the report'
      : 'the certificate is for another chip or other firmware than the report: fetch it from AMD again',
  );
}
