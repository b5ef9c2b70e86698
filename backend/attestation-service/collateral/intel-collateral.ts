// What Intel's provisioning certification service says about a quote's platform: TCB info, QE identity, and two revocation lists.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { CRL_MAXIMUM_BYTES } from '../../../shared/evidence/der.ts';
import { TCB_INFO_MAXIMUM_BYTES } from '../../../shared/evidence/evidence-bounds.ts';
import { readPemCertificates } from '../../../shared/evidence/pem.ts';
import { parseQeIdentity } from '../../../shared/evidence/qe-identity.ts';
import { parseTcbInfo } from '../../../shared/evidence/tcb-info.ts';
import { cutServedDocument } from '../../../shared/evidence/tdx-collateral.ts';
import type { EndorsedDocument } from '../../../shared/evidence/tdx-evidence.ts';
import { readPckExtensions } from '../../../shared/evidence/tdx-pck-extensions.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import type { TdxEndorsements } from '../../tee/endorsement-source.ts';
import { type CollateralFetcher, CollateralUnavailableError, type Served } from './collateral-fetcher.ts';

/** Where Intel serves. */
export interface IntelOrigins {
  /** `https://api.trustedservices.intel.com` */
  readonly service: string;
  /** `https://certificates.trustedservices.intel.com` */
  readonly certificates: string;
}

/** Documents live for 30 days; a day bounds how long a TCB recovery or a revocation stays unknown. */
const REFRESH_SECONDS = 86_400;
const CHAIN_HEADER = { tcb: 'tcb-info-issuer-chain', qe: 'sgx-enclave-identity-issuer-chain' } as const;

/**
 * Collateral for a quote with its chain inside.
 * @throws CollateralUnavailableError; EvidenceError for a quote that is none.
 */
export async function fetchIntelCollateral(
  fetcher: CollateralFetcher,
  { service, certificates }: IntelOrigins,
  quoteOctets: Bytes,
): Promise<TdxEndorsements> {
  const chain = readPemCertificates(
    parseTdxQuote(quoteOctets).pckChain,
    2,
    3,
    'evidence_certificate_malformed',
  );
  const [leaf] = chain;
  if (leaf === undefined) throw new CollateralUnavailableError(service, 0);
  const pck = parseCertificate(leaf, 'intel');
  const issuer = new TextDecoder('latin1').decode(pck.issuer);
  const authority = issuer.includes('Intel SGX PCK Platform CA') ? 'platform' : 'processor';
  const fmspc = toHex(readPckExtensions(pck).fmspc);

  const [tcbInfo, qeIdentity, pckCrl, rootCrl] = await Promise.all([
    fetchSigned(fetcher, `${service}/tdx/certification/v4/tcb?fmspc=${fmspc}`, 'tcbInfo', CHAIN_HEADER.tcb),
    fetchSigned(fetcher, `${service}/tdx/certification/v4/qe/identity`, 'enclaveIdentity', CHAIN_HEADER.qe),
    fetchCrl(fetcher, `${service}/sgx/certification/v4/pckcrl?ca=${authority}&encoding=der`),
    fetchCrl(fetcher, `${certificates}/IntelSGXRootCA.der`),
  ]);
  return { tcbInfo, qeIdentity, pckCrl, rootCrl };
}

async function fetchSigned(
  fetcher: CollateralFetcher,
  url: string,
  member: 'tcbInfo' | 'enclaveIdentity',
  header: string,
): Promise<EndorsedDocument> {
  const read = (served: Served): EndorsedDocument => ({
    ...cutServedDocument(served.body, member),
    signer: signerOf(served.headers[header]),
  });
  const served = await fetcher.get({
    url,
    maximumBytes: TCB_INFO_MAXIMUM_BYTES,
    headers: [header],
    refreshSeconds: REFRESH_SECONDS,
    validUntil: (each) => {
      const { document, signer } = read(each);
      const { nextUpdate } = member === 'tcbInfo' ? parseTcbInfo(document) : parseQeIdentity(document);
      // Whoever signed it may end first: the certificate of 2018 did.
      const { notAfter } = parseCertificate(signer, 'intel');
      return new Date(Math.min(nextUpdate.getTime(), notAfter.getTime()));
    },
  });
  return read(served);
}

async function fetchCrl(fetcher: CollateralFetcher, url: string): Promise<Bytes> {
  const { body } = await fetcher.get({
    url,
    maximumBytes: CRL_MAXIMUM_BYTES,
    refreshSeconds: REFRESH_SECONDS,
    validUntil: (served) => parseCrl(served.body, 'intel').nextUpdate,
  });
  return body;
}

// The header holds the PEM chain in URL encoding, signer first.
function signerOf(chain: string | undefined): Bytes {
  const pem = toUtf8(decodeURIComponent(chain ?? ''));
  const [signer] = readPemCertificates(pem, 1, 2, 'evidence_certificate_malformed');
  if (signer === undefined) throw new RangeError('no chain came with the document');
  return signer;
}
