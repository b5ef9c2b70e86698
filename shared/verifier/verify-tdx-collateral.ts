// Intel's signed word on levels: TCB info for the platform, QE identity for the quoting enclave. Signed as text, so checked as text.

import type { Bytes } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import { formatInstant } from '../bytes/instant.ts';
import { parseQeIdentity, type QeIdentity } from '../evidence/qe-identity.ts';
import { parseTcbInfo, type TcbInfo } from '../evidence/tcb-info.ts';
import type { TdxEvidence } from '../evidence/tdx-evidence.ts';
import type { Certificate } from '../evidence/x509.ts';
import type { Reading } from './begin-early.ts';
import { compare, type StepLog, skipped } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { holdsUnder, type TdxChain, verifyTcbSigner } from './verify-tdx-chain.ts';

/** What Intel says, and when the first of it ends. */
export interface TdxCollateral {
  readonly tcbInfo: TcbInfo;
  readonly qeIdentity: QeIdentity;
  readonly notAfter: Date;
}

/**
 * Takes the steps `tdx.tcb-info-signer`, `-signature`, `-form`, `-validity`, `-platform`, and for `tdx.qe-identity` the
 * first four; stops at the first failure. `revoked`: serials on the root's list.
 */
export async function verifyTdxCollateral(
  log: StepLog,
  evidence: Pick<TdxEvidence, 'tcbInfo' | 'qeIdentity'>,
  signers: { readonly tcbInfo: Reading<Certificate>; readonly qeIdentity: Reading<Certificate> },
  chain: TdxChain,
  revoked: ReadonlySet<string>,
  now: Date,
  crypto: VerifierCrypto,
): Promise<TdxCollateral> {
  const { root, extensions } = chain;
  const tcb = evidence.tcbInfo;
  const tcbSigner = await verifyTcbSigner(log, 'tcb-info', signers.tcbInfo, root, revoked, now, crypto);
  const tcbInfo = await verifyDocument(log, 'tcb-info', tcb, tcbSigner, parseTcbInfo, now, crypto);
  await log.must('tdx.tcb-info-platform', 'It is about this platform', () =>
    compare(
      equalBytes(tcbInfo.fmspc, extensions.fmspc) && equalBytes(tcbInfo.pceId, extensions.pceId),
      'evidence_collateral_mismatch',
      `FMSPC ${toHex(extensions.fmspc)}, PCE-ID ${toHex(extensions.pceId)}`,
      `FMSPC ${toHex(tcbInfo.fmspc)}, PCE-ID ${toHex(tcbInfo.pceId)}`,
    ),
  );
  const qe = evidence.qeIdentity;
  const qeSigner =
    signers.qeIdentity === signers.tcbInfo
      ? await log.must('tdx.qe-identity-signer', 'Its signer is Intel’s and in force', () => ({
          ...skipped('the signer of TCB info, judged above'),
          value: tcbSigner,
        }))
      : await verifyTcbSigner(log, 'qe-identity', signers.qeIdentity, root, revoked, now, crypto);
  const qeIdentity = await verifyDocument(log, 'qe-identity', qe, qeSigner, parseQeIdentity, now, crypto);
  const ends = [tcbSigner.notAfter, qeSigner.notAfter, tcbInfo.nextUpdate, qeIdentity.nextUpdate];
  return { tcbInfo, qeIdentity, notAfter: new Date(Math.min(...ends.map((end) => end.getTime()))) };
}

const TITLE = { 'tcb-info': 'Intel’s list of levels', 'qe-identity': 'Intel’s word on the quoting enclave' };

async function verifyDocument<T extends { readonly issueDate: Date; readonly nextUpdate: Date }>(
  log: StepLog,
  name: 'tcb-info' | 'qe-identity',
  { document, signature }: { readonly document: Bytes; readonly signature: Bytes },
  signer: Certificate,
  parse: (octets: Bytes) => T,
  now: Date,
  crypto: VerifierCrypto,
): Promise<T> {
  await log.must(`tdx.${name}-signature`, `${TITLE[name]} is signed`, async () =>
    (await holdsUnder(signer, signature, document, crypto))
      ? { result: 'pass', expected: `signed by ${signer.subjectCommonName}` }
      : {
          result: 'fail',
          code: 'evidence_collateral_signature',
          expected: `signed by ${signer.subjectCommonName}`,
          actual: 'it is not',
        },
  );
  const value = await log.must(`tdx.${name}-form`, `${TITLE[name]} can be read`, () => ({
    result: 'pass',
    value: parse(document),
  }));
  await log.must(`tdx.${name}-validity`, 'It is within its dates', () => {
    const { issueDate, nextUpdate } = value;
    return compare(
      now >= issueDate && now <= nextUpdate,
      'evidence_collateral_not_valid_now',
      formatInstant(now),
      `${formatInstant(issueDate)} to ${formatInstant(nextUpdate)}`,
    );
  });
  return value;
}
