// What Azure's host services know: AMD's certificates for this machine's report, and Intel's quote over a TD report.

import { fromBase64url, toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { object, readShape, type Shape, text } from '../../../shared/bytes/shape.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { TDX_QUOTE_MAXIMUM_BYTES } from '../../../shared/evidence/evidence-bounds.ts';
import { readPemCertificates } from '../../../shared/evidence/pem.ts';
import type { OfferedCertificates } from '../endorsement-source.ts';
import { TeeError } from '../tee-driver.ts';

/** Link-local: it never leaves the host. */
export const INSTANCE_METADATA_ORIGIN = 'http://169.254.169.254';
const CERTIFICATES_PATH = '/metadata/THIM/amd/certification';
const QUOTE_PATH = '/acc/tdquote';
const ANSWER_MAXIMUM_BYTES = 64 * 1024;
const TIMEOUT_MILLISECONDS = 30_000;

/** The services, reached by this `fetch`. */
export interface InstanceMetadata {
  /** VCEK, ASK and ARK as Azure holds them. */
  certificates(): Promise<OfferedCertificates>;
  /** A quote over a TD report of 1024 octets. */
  quote(tdReport: Bytes): Promise<Bytes>;
}

interface Certificates {
  readonly vcekCert: string;
  readonly certificateChain: string;
}
interface Quote {
  readonly quote: string;
}
const pem = text(/^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\r\n -]{1,32768}$/, 'PEM certificates');
const certificatesShape: Shape<Certificates> = object<Certificates>({ vcekCert: pem, certificateChain: pem });
const quoteShape: Shape<Quote> = object<Quote>({
  quote: text(/^[A-Za-z0-9_-]{1,32768}={0,2}$/, 'base64url'),
});

/** @throws (its methods) TeeError `tee_endorsements_unavailable`, `tee_refused` or `tee_answer_malformed`. */
export function openInstanceMetadata(
  fetchFromHost: typeof fetch,
  origin: string = INSTANCE_METADATA_ORIGIN,
): InstanceMetadata {
  return {
    async certificates() {
      const document = await ask(fetchFromHost, `${origin}${CERTIFICATES_PATH}`, {
        headers: { metadata: 'true' },
      });
      // Azure adds members (`tcbm`, `cacheControl`) that say nothing that the certificates do not.
      const { vcekCert, certificateChain } = document as Record<string, unknown>;
      const read = readShape(certificatesShape, { vcekCert, certificateChain });
      if (!read.ok) throw malformed('certificates in another form');
      const [leaf] = readPem(read.value.vcekCert, 1);
      const [ask_, ark] = readPem(read.value.certificateChain, 2);
      return {
        leaf: { kind: 'vcek', certificate: leaf as Bytes },
        ask: ask_ as Bytes,
        ark: ark as Bytes,
      };
    },
    async quote(tdReport) {
      const document = await ask(fetchFromHost, `${origin}${QUOTE_PATH}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ report: toBase64url(tdReport) }),
      });
      const read = readShape(quoteShape, document);
      if (!read.ok) throw malformed('a quote in another form');
      const quote = fromBase64url(read.value.quote.replace(/=+$/, ''));
      if (quote.length > TDX_QUOTE_MAXIMUM_BYTES) throw malformed('a quote over its bound');
      return quote;
    },
  };
}

async function ask(fetchFromHost: typeof fetch, address: string, init: RequestInit): Promise<unknown> {
  let response: Response;
  try {
    response = await fetchFromHost(address, {
      ...init,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
    });
  } catch (error) {
    throw new TeeError(
      'tee_endorsements_unavailable',
      'Azure’s instance metadata service cannot be reached',
      {
        cause: error,
      },
    );
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new TeeError('tee_refused', `Azure’s instance metadata service answered ${response.status}`);
  }
  const octets = await readBounded(response);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets));
  } catch {
    throw malformed('not JSON');
  }
}

async function readBounded(response: Response): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > ANSWER_MAXIMUM_BYTES) throw malformed('an answer over its bound');
    parts.push(part);
  }
  return concat(...parts);
}

function readPem(pemText: string, count: number): readonly Bytes[] {
  try {
    return readPemCertificates(toUtf8(pemText.trim()), count, count, 'evidence_certificate_malformed');
  } catch {
    throw malformed(`not ${count} PEM certificates`);
  }
}

function malformed(detail: string): TeeError {
  return new TeeError('tee_answer_malformed', `Azure’s instance metadata service: ${detail}`);
}
