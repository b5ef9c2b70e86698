// The Intel TDX quote, versions 4 and 5: header, TD report, signature data (Intel TDX DCAP Quoting Library API, appendix A).

import { type Bytes, concat } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { TDX_QUOTE_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { EvidenceError } from './evidence-error.ts';

const HEADER_BYTES = 48;
const BODY_HEADER_BYTES = 6;
const TD_REPORT_10_BYTES = 584;
const TD_REPORT_15_BYTES = 648;
const QE_REPORT_BYTES = 384;
const ECDSA_P256 = 2;
const TEE_TDX = 0x81;
const BODY_TD_REPORT_10 = 2;
const BODY_TD_REPORT_15 = 3;
const CERTIFICATION_PCK_CHAIN = 5;
const CERTIFICATION_QE_REPORT = 6;
// 939a7233-f79c-4ca9-940a-0db3957f0607: Intel's quoting enclave.
const INTEL_QE = Uint8Array.of(
  ...[0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07],
);

/** What a trust domain is and runs. */
export interface TdReport {
  /** 16 octets. [0]: ISVSVN of the TDX module, [1]: its major version, [2]: late microcode. At the launch of the TD. */
  readonly teeTcbSvn: Bytes;
  readonly mrSeam: Bytes;
  readonly mrSignerSeam: Bytes;
  readonly seamAttributes: Bytes;
  /** TDATTRIBUTES, u64. */
  readonly tdAttributes: bigint;
  readonly xfam: Bytes;
  readonly mrTd: Bytes;
  readonly mrConfigId: Bytes;
  readonly mrOwner: Bytes;
  readonly mrOwnerConfig: Bytes;
  readonly rtmrs: readonly [Bytes, Bytes, Bytes, Bytes];
  readonly reportData: Bytes;
  /** Only in the report of TDX 1.5. */
  readonly later: { readonly teeTcbSvn2: Bytes; readonly mrServiceTd: Bytes } | undefined;
}

/** The report of the quoting enclave (Intel SDM volume 3D, REPORT). */
export interface QeReport {
  readonly miscSelect: Bytes;
  readonly attributes: Bytes;
  readonly mrEnclave: Bytes;
  readonly mrSigner: Bytes;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly reportData: Bytes;
  /** All 384 octets: what the PCK signs. */
  readonly signed: Bytes;
}

/** A quote as read. Nothing in it is believed before its signatures are verified. */
export interface TdxQuote {
  readonly version: 4 | 5;
  readonly report: TdReport;
  /** Header and body, in version 5 with the body's own header: what the attestation key signs. */
  readonly signed: Bytes;
  /** r ‖ s, big-endian, 64 octets. */
  readonly signature: Bytes;
  /** x ‖ y, 64 octets, as it is hashed into the QE report. */
  readonly attestationKey: Bytes;
  readonly qeReport: QeReport;
  readonly qeReportSignature: Bytes;
  readonly authenticationData: Bytes;
  /** PEM: PCK certificate, PCK CA, root. Without the NUL that some platforms put behind it. */
  readonly pckChain: Bytes;
  /** What follows the quote: nobody signs it and nothing reads it. Zeros, because the kernel hands out fixed buffers. */
  readonly trailing: Bytes;
}

/**
 * Reads a quote.
 * @throws EvidenceError `evidence_too_large`, or `evidence_quote_malformed`: another version, TEE, key or vendor, or a
 *   size that does not agree with what it measures.
 */
export function parseTdxQuote(octets: Uint8Array): TdxQuote {
  if (octets.length > TDX_QUOTE_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `quote over ${TDX_QUOTE_MAXIMUM_BYTES} octets`);
  const quote = new Fields(concat(octets));
  const version = quote.u16();
  if (version !== 4 && version !== 5) throw malformed('version is not 4 or 5');
  if (quote.u16() !== ECDSA_P256) throw malformed('attestation key is not ECDSA P-256');
  if (quote.u32() !== TEE_TDX) throw malformed('not a quote of TDX');
  // Version 4 has SVNs of QE and PCE here, unsigned in effect: the QE report and the PCK certificate tell them.
  quote.take(4);
  if (!equalBytes(quote.take(16), INTEL_QE)) throw malformed('quoting enclave of another vendor');
  quote.take(20);

  const bodyBytes = version === 4 ? TD_REPORT_10_BYTES : readBodyHeader(quote);
  const report = readTdReport(new Fields(quote.take(bodyBytes)), bodyBytes === TD_REPORT_15_BYTES);
  const signedBytes = HEADER_BYTES + (version === 4 ? 0 : BODY_HEADER_BYTES) + bodyBytes;
  const signatureData = new Fields(quote.take(quote.u32()));
  const trailing = quote.rest();
  return {
    version,
    report,
    signed: quote.input.subarray(0, signedBytes),
    ...readSignatureData(signatureData),
    trailing,
  };
}

/** Reads little-endian fields one after the other. */
class Fields {
  readonly input: Bytes;
  readonly #view: DataView;
  #offset = 0;
  constructor(input: Bytes) {
    this.input = input;
    this.#view = new DataView(input.buffer, input.byteOffset, input.length);
  }
  take(length: number): Bytes {
    const end = this.#offset + length;
    if (end > this.input.length) throw malformed('shorter than its sizes say');
    const taken = this.input.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }
  u16(): number {
    const at = this.#offset;
    this.take(2);
    return this.#view.getUint16(at, true);
  }
  u32(): number {
    const at = this.#offset;
    this.take(4);
    return this.#view.getUint32(at, true);
  }
  u64(): bigint {
    const at = this.#offset;
    this.take(8);
    return this.#view.getBigUint64(at, true);
  }
  rest(): Bytes {
    return this.take(this.input.length - this.#offset);
  }
  end(): void {
    if (this.#offset !== this.input.length) throw malformed('longer than its parts');
  }
}

function readBodyHeader(quote: Fields): number {
  const type = quote.u16();
  const size = quote.u32();
  const expected =
    type === BODY_TD_REPORT_10
      ? TD_REPORT_10_BYTES
      : type === BODY_TD_REPORT_15
        ? TD_REPORT_15_BYTES
        : undefined;
  if (expected === undefined) throw malformed('body is not a TD report');
  if (size !== expected) throw malformed('body of another size than its type');
  return size;
}

function readTdReport(body: Fields, hasLater: boolean): TdReport {
  const report = {
    teeTcbSvn: body.take(16),
    mrSeam: body.take(48),
    mrSignerSeam: body.take(48),
    seamAttributes: body.take(8),
    tdAttributes: body.u64(),
    xfam: body.take(8),
    mrTd: body.take(48),
    mrConfigId: body.take(48),
    mrOwner: body.take(48),
    mrOwnerConfig: body.take(48),
    rtmrs: [body.take(48), body.take(48), body.take(48), body.take(48)],
    reportData: body.take(64),
    later: hasLater ? { teeTcbSvn2: body.take(16), mrServiceTd: body.take(48) } : undefined,
  } as const;
  body.end();
  return report;
}

function readSignatureData(data: Fields): Omit<TdxQuote, 'version' | 'report' | 'signed' | 'trailing'> {
  const signature = data.take(64);
  const attestationKey = data.take(64);
  if (data.u16() !== CERTIFICATION_QE_REPORT) throw malformed('certification data is not of type 6');
  const certification = new Fields(data.take(data.u32()));
  data.end();
  const qeReport = readQeReport(certification.take(QE_REPORT_BYTES));
  const qeReportSignature = certification.take(64);
  const authenticationData = certification.take(certification.u16());
  if (certification.u16() !== CERTIFICATION_PCK_CHAIN) throw malformed('no PCK chain of type 5');
  const chain = certification.take(certification.u32());
  certification.end();
  const pckChain = chain.at(-1) === 0 ? chain.subarray(0, -1) : chain;
  return { signature, attestationKey, qeReport, qeReportSignature, authenticationData, pckChain };
}

function readQeReport(octets: Bytes): QeReport {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  return {
    miscSelect: octets.subarray(16, 20),
    attributes: octets.subarray(48, 64),
    mrEnclave: octets.subarray(64, 96),
    mrSigner: octets.subarray(128, 160),
    isvProdId: view.getUint16(256, true),
    isvSvn: view.getUint16(258, true),
    reportData: octets.subarray(320, 384),
    signed: octets,
  };
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_quote_malformed', detail);
}
