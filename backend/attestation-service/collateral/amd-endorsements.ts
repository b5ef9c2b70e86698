// What AMD's key distribution service says about a report: the chip's certificate for its firmware, the chain, the revocation list.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { CERTIFICATE_MAXIMUM_BYTES, CRL_MAXIMUM_BYTES } from '../../../shared/evidence/der.ts';
import { readPemCertificates } from '../../../shared/evidence/pem.ts';
import { parseSnpReport, productOf, readTcbs, type SnpReport } from '../../../shared/evidence/snp-report.ts';
import type { SnpProduct } from '../../../shared/evidence/tcb.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import type { OfferedCertificates, SnpEndorsements } from '../../tee/endorsement-source.ts';
import { fitsReport } from '../../tee/fits-report.ts';
import { type CollateralFetcher, CollateralUnavailableError, type Served } from './collateral-fetcher.ts';

/** A chip's certificate and a chain last for years; a day bounds how long a new revocation stays unknown. */
const CERTIFICATE_REFRESH_SECONDS = 30 * 86_400;
const CRL_REFRESH_SECONDS = 86_400;
/** Turin's chip ids have eight octets, of which the rest of the field is zero (AMD 57230). */
const TURIN_CHIP_ID_OCTETS = 8;

/**
 * Endorsements for a report. A certificate that the host offered is used where it fits; a provider's key (VLEK) can only come from there.
 * Requests are made one after the other: the service answers about one in ten seconds.
 * @throws CollateralUnavailableError; EvidenceError for a report that is none.
 */
export async function fetchAmdEndorsements(
  fetcher: CollateralFetcher,
  origin: string,
  reportOctets: Bytes,
  offered: OfferedCertificates,
): Promise<SnpEndorsements> {
  const report = parseSnpReport(reportOctets);
  const fitting = offered.leaf && fitsReport(offered.leaf, reportOctets) ? offered.leaf : undefined;
  const product = productFor(report, fitting);
  if (product === undefined) throw new CollateralUnavailableError(origin, 0);
  const leaf = fitting ?? (await fetchVcek(fetcher, origin, report, product));
  const kind = leaf.kind === 'vlek' ? 'vlek' : 'vcek';
  const chain = await fetcher.get({
    url: `${origin}/${kind}/v1/${product}/cert_chain`,
    maximumBytes: 4 * CERTIFICATE_MAXIMUM_BYTES,
    refreshSeconds: CERTIFICATE_REFRESH_SECONDS,
    validUntil: ({ body }) => earliest(readChain(body).map((der) => parseCertificate(der).notAfter)),
  });
  const crl = await fetcher.get({
    url: `${origin}/${kind}/v1/${product}/crl`,
    maximumBytes: CRL_MAXIMUM_BYTES,
    refreshSeconds: CRL_REFRESH_SECONDS,
    validUntil: ({ body }) => parseCrl(body).nextUpdate,
  });
  const [ask, ark] = readChain(chain.body);
  return { leaf, ask, ark, crl: crl.body };
}

async function fetchVcek(
  fetcher: CollateralFetcher,
  origin: string,
  report: SnpReport,
  product: SnpProduct,
): Promise<SnpEndorsements['leaf']> {
  // Another key signed it, or the host hides the chip: nothing to ask for.
  const isMasked = report.chipId.every((octet) => octet === 0);
  if (report.signingKey !== 'vcek' || isMasked) throw new CollateralUnavailableError(origin, 0);
  const { fmc, bootLoader, tee, snp, microcode } = readTcbs(report, product).reported;
  const isTurin = product === 'Turin';
  const chipId = toHex(isTurin ? report.chipId.subarray(0, TURIN_CHIP_ID_OCTETS) : report.chipId);
  const firmware = `${isTurin ? `fmcSPL=${fmc}&` : ''}blSPL=${bootLoader}&teeSPL=${tee}&snpSPL=${snp}&ucodeSPL=${microcode}`;
  const { body } = await fetcher.get({
    url: `${origin}/vcek/v1/${product}/${chipId}?${firmware}`,
    maximumBytes: CERTIFICATE_MAXIMUM_BYTES,
    refreshSeconds: CERTIFICATE_REFRESH_SECONDS,
    validUntil: ({ body }: Served) => parseCertificate(body).notAfter,
  });
  return { kind: 'vcek', certificate: body };
}

// Reports of version 2 name no processor; a certificate that fits them does.
function productFor(report: SnpReport, leaf: OfferedCertificates['leaf']): SnpProduct | undefined {
  if (report.cpu) return productOf(report.cpu);
  if (leaf === undefined) return undefined;
  const { subjectCommonName, issuer } = parseCertificate(leaf.certificate);
  const names = subjectCommonName + new TextDecoder('latin1').decode(issuer);
  return (['Milan', 'Genoa'] as const).find((product) => names.includes(product));
}

function readChain(pem: Bytes): readonly [Bytes, Bytes] {
  const [ask, ark] = readPemCertificates(pem, 2, 2, 'evidence_certificate_malformed');
  if (ask === undefined || ark === undefined) throw new RangeError('a chain has two certificates');
  return [ask, ark];
}

function earliest(dates: readonly Date[]): Date {
  return new Date(Math.min(...dates.map((date) => date.getTime())));
}
