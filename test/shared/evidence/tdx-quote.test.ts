import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat } from '../../../shared/bytes/concat.ts';
import { TDX_QUOTE_MAXIMUM_BYTES } from '../../../shared/evidence/evidence-bounds.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { soundReport, tdxEvidence } from '../verifier/tdx-platform.ts';

const v4 = tdxEvidence().quote;
const v5 = tdxEvidence({ version: 5 }).quote;

function refusal(quote: Uint8Array): string {
  try {
    parseTdxQuote(quote);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return `${error.code}: ${error.detail}`;
  }
}
function changed(quote: Uint8Array, at: number, ...octets: readonly number[]): Uint8Array {
  const copy = quote.slice();
  copy.set(octets, at);
  return copy;
}
function u32(value: number): readonly number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}
/** The u32 that stands at an offset. */
function read(quote: Uint8Array, at: number): number {
  return new DataView(quote.buffer, quote.byteOffset).getUint32(at, true);
}

describe('TDX quote', () => {
  it('is read whole, in both versions', () => {
    const four = parseTdxQuote(v4);
    expect(four.report).toMatchObject({ mrTd: soundReport.mrTd, tdAttributes: 1n << 28n, later: undefined });
    expect(four.signed).toEqual(v4.subarray(0, 48 + 584));
    const five = parseTdxQuote(v5);
    expect(five.report).toMatchObject({ mrTd: soundReport.mrTd, rtmrs: soundReport.rtmrs });
    expect(five.report.later).toEqual({
      teeTcbSvn2: soundReport.teeTcbSvn2,
      mrServiceTd: soundReport.mrServiceTd,
    });
    expect(five.signed).toEqual(v5.subarray(0, 54 + 648));
    expect(parseTdxQuote(tdxEvidence({ version: 5, bodyType: 2 }).quote).report.later).toBeUndefined();
  });
  it('keeps what follows apart, and strips one NUL behind the PEM', () => {
    expect(parseTdxQuote(concat(v4, new Uint8Array(70))).trailing).toEqual(new Uint8Array(70));
    expect(parseTdxQuote(v4).pckChain.at(-1)).toBe(0x0a);
  });
  it('evidence_too_large: before anything is read', () => {
    expect(refusal(new Uint8Array(TDX_QUOTE_MAXIMUM_BYTES + 1))).toMatch(/^evidence_too_large/);
  });
  const bodyEnd = 48 + 584;
  const outer = bodyEnd + 4 + 128;
  const authentication = outer + 6 + 384 + 64;
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ['version is not 4 or 5', changed(v4, 0, 3)],
    ['version is not 4 or 5', changed(v4, 0, 6)],
    ['attestation key is not ECDSA P-256', changed(v4, 2, 3)],
    ['not a quote of TDX', changed(v4, 4, 0)],
    ['quoting enclave of another vendor', changed(v4, 12, 0)],
    ['body is not a TD report', changed(v5, 48, 1)],
    ['body is not a TD report', changed(v5, 48, 4)],
    ['body of another size than its type', changed(v5, 48, 2)],
    ['body of another size than its type', changed(v5, 50, ...u32(584))],
    ['certification data is not of type 6', changed(v4, outer, 5)],
    ['no PCK chain of type 5', changed(v4, authentication + 2 + 32, 4)],
    ['shorter than its sizes say', changed(v4, bodyEnd, ...u32(v4.length))],
    ['shorter than its sizes say', changed(v4, bodyEnd, ...u32(0xffffffff))],
    ['longer than its parts', changed(v4, outer + 2, ...u32(read(v4, outer + 2) - 1))],
    ['shorter than its sizes say', changed(v4, outer + 2, ...u32(read(v4, outer + 2) + 1))],
    ['shorter than its sizes say', changed(v4, authentication, 0xff, 0xff)],
    ['shorter than its sizes say', changed(v4, authentication + 36, ...u32(0x7fffffff))],
    ['longer than its parts', changed(v4, authentication + 36, ...u32(read(v4, authentication + 36) - 1))],
  ];
  for (const [index, [detail, quote]] of cases.entries())
    it(`evidence_quote_malformed ${index}: ${detail}`, () => {
      expect(refusal(quote)).toBe(`evidence_quote_malformed: ${detail}`);
    });
  it('refuses every cut', () => {
    for (const quote of [v4, v5])
      for (let length = 0; length < quote.length; length += 7)
        expect(refusal(quote.subarray(0, length))).toMatch(/^evidence_quote_malformed/);
  });
  it('refuses anything else with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (octets) => {
        expect(refusal(octets)).toMatch(/^evidence_quote_malformed/);
      }),
    );
  });
});
