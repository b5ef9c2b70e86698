import { QuoteVerifier } from '@phala/dcap-qvl';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../shared/bytes/hex.ts';
import { fromUtf8 } from '../../../shared/bytes/utf8.ts';
import { readPemCertificates } from '../../../shared/evidence/pem.ts';
import type { TdxEvidence } from '../../../shared/evidence/tdx-evidence.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyTdxEvidence } from '../../../shared/verifier/verify-tdx-evidence.ts';
import { readTdxCapture } from '../../vectors/tdx-capture.ts';
import { openVectorFolder, vectorFolderPath } from '../../vectors/vector.ts';
import { toPem } from './tdx-authority.ts';
import { keys, soundTcbInfo, type TdxChanges, tdxEvidence, tdxNow, tdxRoots } from './tdx-platform.ts';

// @phala/dcap-qvl 0.3.9 is written by others, after others' code. Where it differs from Intel's own library it is named here.

/** `error`, or the status that it finds; a guest that is debuggable and the like is an error there. */
function theirs(evidence: TdxEvidence, at: Date): string {
  const root = readPemCertificates(
    parseTdxQuote(evidence.quote).pckChain,
    3,
    3,
    'evidence_certificate_malformed',
  )[2];
  if (!root) return 'error';
  const chain = (signer: Uint8Array<ArrayBuffer>): string => toPem([signer, root]);
  const { tcbInfo, qeIdentity } = evidence;
  const collateral = {
    pck_crl_issuer_chain: '',
    root_ca_crl: toHex(evidence.rootCrl),
    pck_crl: toHex(evidence.pckCrl),
    tcb_info_issuer_chain: chain(tcbInfo.signer),
    tcb_info: fromUtf8(tcbInfo.document),
    tcb_info_signature: toHex(tcbInfo.signature),
    qe_identity_issuer_chain: chain(qeIdentity.signer),
    qe_identity: fromUtf8(qeIdentity.document),
    qe_identity_signature: toHex(qeIdentity.signature),
  };
  try {
    const verifier = new QuoteVerifier(Buffer.from(root));
    const quote = Buffer.from(evidence.quote);
    return verifier.verify(quote, collateral as never, Math.floor(at.getTime() / 1000)).status;
  } catch {
    return 'error';
  }
}

/** `error` for what is not genuine, not supported or revoked, which are errors there too; else the status. */
async function ours(evidence: TdxEvidence, at: Date, roots = tdxRoots): Promise<string> {
  try {
    const trust = { roots, hardware: true };
    const { tcb, quote } = await verifyTdxEvidence(new StepLog(), evidence, trust, at, webCrypto);
    if (tcb.status === 'NotSupported' || tcb.status === 'Revoked') return 'error';
    const { tdAttributes, later } = quote.report;
    const protectedGuest = (tdAttributes & 0xffn) === 0n && (tdAttributes & (1n << 28n)) !== 0n;
    const alone = (tdAttributes & (1n << 29n)) === 0n && !later?.mrServiceTd.some((octet) => octet !== 0);
    return protectedGuest && alone ? tcb.status : 'error';
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
    return 'error';
  }
}

// The platform's own module level, so that its first component is compared alike by both.
const svn = (...first: readonly number[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: 16 }, (_, index) => first[index] ?? 0);
const early = { teeTcbSvn: svn(5, 0, 3) };
const [level] = soundTcbInfo.tcbLevels;

describe('agreement with @phala/dcap-qvl on a platform of our own', () => {
  const cases: readonly (readonly [string, TdxChanges, string])[] = [
    ['sound, version 4', { report: early }, 'UpToDate'],
    ['sound, version 5, TDX 1.0', { version: 5, bodyType: 2, report: early }, 'UpToDate'],
    [
      'sound, version 5, TDX 1.5',
      { version: 5, report: { ...early, teeTcbSvn2: early.teeTcbSvn } },
      'UpToDate',
    ],
    [
      'platform out of date',
      {
        report: early,
        pckPlatform: { components: [2, 3, 2, 2, 4, 1, 0, 5, ...new Array<number>(8).fill(0)] },
      },
      'OutOfDate',
    ],
    ['microcode out of date', { report: { teeTcbSvn: svn(5, 0, 2) } }, 'OutOfDate'],
    ['platform revoked', { report: early, pckPlatform: { pceSvn: 5 } }, 'error'],
    ['platform below every level', { report: early, pckPlatform: { pceSvn: 4 } }, 'error'],
    ['enclave out of date', { report: early, qe: { isvSvn: 3 } }, 'OutOfDate'],
    ['enclave revoked', { report: early, qe: { isvSvn: 2 } }, 'error'],
    ['enclave below every level', { report: early, qe: { isvSvn: 1 } }, 'error'],
    [
      'hardening needed',
      { report: early, tcbInfo: { tcbLevels: [{ ...level, tcbStatus: 'SWHardeningNeeded' }] } },
      'SWHardeningNeeded',
    ],
    [
      'configuration needed',
      { report: early, tcbInfo: { tcbLevels: [{ ...level, tcbStatus: 'ConfigurationNeeded' }] } },
      'ConfigurationNeeded',
    ],
    ['debug', { report: { ...early, tdAttributes: (1n << 28n) | 1n } }, 'error'],
    ['exceptions possible', { report: { ...early, tdAttributes: 0n } }, 'error'],
    ['migratable', { report: { ...early, tdAttributes: (1n << 28n) | (1n << 29n) } }, 'error'],
    ['service guest', { version: 5, report: { ...early, mrServiceTd: new Uint8Array(48).fill(1) } }, 'error'],
    ['foreign quote signature', { report: early, quoteSigner: keys.stranger }, 'error'],
    ['foreign QE report signature', { report: early, qeReportSigner: keys.stranger }, 'error'],
    ['foreign attestation key', { report: early, attestationKey: keys.stranger }, 'error'],
    ['foreign TCB info', { report: early, tcbInfoSigner: keys.stranger }, 'error'],
    ['foreign QE identity', { report: early, qeIdentitySigner: keys.stranger }, 'error'],
    ['foreign signer', { report: early, signer: { signer: keys.stranger } }, 'error'],
    ['foreign PCK', { report: early, pck: { signer: keys.stranger } }, 'error'],
    ['foreign CA', { report: early, ca: { signer: keys.stranger } }, 'error'],
    ['another enclave', { report: early, qe: { mrSigner: new Uint8Array(32) } }, 'error'],
    ['another product', { report: early, qe: { isvProdId: 1 } }, 'error'],
    ['another FMSPC', { report: early, tcbInfo: { fmspc: '000000000000' } }, 'error'],
    ['revoked PCK', { report: early, pckCrl: { revokedSerials: [0x300] } }, 'error'],
    ['revoked CA', { report: early, rootCrl: { revokedSerials: [0x200] } }, 'error'],
    ['TCB info expired', { report: early, tcbInfo: { nextUpdate: '2026-11-23T11:00:00Z' } }, 'error'],
    ['QE identity expired', { report: early, qeIdentity: { nextUpdate: '2026-11-23T11:00:00Z' } }, 'error'],
    ['PCK expired', { report: early, pck: { notAfter: new Date('2026-11-22T00:00:00Z') } }, 'error'],
  ];
  for (const [name, changes, expected] of cases)
    it(`${name}: ${expected}`, async () => {
      const evidence = tdxEvidence(changes);
      expect(await ours(evidence, tdxNow)).toBe(expected);
      expect(theirs(evidence, tdxNow)).toBe(expected);
    });
});

describe('known gaps of @phala/dcap-qvl 0.3.9', () => {
  const sound = tdxEvidence({ report: early });
  const late = { nextUpdate: new Date('2026-11-22T13:00:00Z') };
  const gaps: readonly (readonly [string, TdxEvidence, string, string])[] = [
    [
      'takes revocation lists of any signer',
      tdxEvidence({ report: early, pckCrl: { signer: keys.stranger } }),
      'error',
      'UpToDate',
    ],
    [
      'takes empty octets for a revocation list',
      { ...sound, pckCrl: new Uint8Array(), rootCrl: new Uint8Array() },
      'error',
      'UpToDate',
    ],
    [
      'takes expired revocation lists',
      tdxEvidence({ report: early, pckCrl: late, rootCrl: late }),
      'error',
      'UpToDate',
    ],
    [
      'does not compare the PCE-ID',
      tdxEvidence({ report: early, tcbInfo: { pceId: '0001' } }),
      'error',
      'UpToDate',
    ],
    [
      'does not look at the module’s signer',
      tdxEvidence({ report: { ...early, mrSignerSeam: new Uint8Array(48).fill(1) } }),
      'error',
      'UpToDate',
    ],
    [
      'does not rate modules of their own version',
      tdxEvidence({ report: { teeTcbSvn: svn(6, 2, 3) } }),
      'error',
      'UpToDate',
    ],
    [
      'compares a rated module with the platform’s components',
      tdxEvidence({ report: { teeTcbSvn: svn(4, 1, 3) } }),
      'OutOfDate',
      'error',
    ],
    [
      'does not advise a new launch',
      tdxEvidence({ version: 5, report: { teeTcbSvn: svn(5, 0, 2), teeTcbSvn2: svn(5, 0, 3) } }),
      'TDRelaunchAdvised',
      'OutOfDate',
    ],
    [
      'forgets the configuration when the enclave is out of date',
      tdxEvidence({
        report: early,
        qe: { isvSvn: 3 },
        tcbInfo: { tcbLevels: [{ ...level, tcbStatus: 'ConfigurationNeeded' }] },
      }),
      'OutOfDateConfigurationNeeded',
      'OutOfDate',
    ],
    [
      'does not compare names along the chain',
      tdxEvidence({ report: early, pck: { issuer: 'Nobody', subject: 'Nobody' } }),
      'error',
      'UpToDate',
    ],
  ];
  for (const [name, evidence, expected, known] of gaps)
    it(name, async () => {
      expect(await ours(evidence, tdxNow)).toBe(expected);
      expect(theirs(evidence, tdxNow)).toBe(known);
    });
});

const path = vectorFolderPath();
const vectors =
  path === undefined ? [] : openVectorFolder(path).vectors.filter(({ kind }) => kind === 'tdx-quote');
describe.skipIf(path === undefined)(
  'agreement on captured quotes (skipped where the vectors are absent)',
  () => {
    for (const vector of vectors)
      for (const { at } of (vector.expected.tcb ?? [vector.expected]) as readonly { readonly at: string }[])
        it(`${vector.name} at ${at}`, async () => {
          const evidence = readTdxCapture(vector.file('quote'), vector.file('collateral'));
          const { teeTcbSvn } = parseTdxQuote(evidence.quote).report;
          const [mine, other] = [
            await ours(evidence, new Date(at), PINNED_ROOTS),
            theirs(evidence, new Date(at)),
          ];
          // The one gap that captures show: see "compares a rated module with the platform’s components".
          if (other === 'error' && mine === 'OutOfDate') expect(teeTcbSvn[1]).toBeGreaterThan(0);
          else expect(mine).toBe(other);
        });
  },
);
