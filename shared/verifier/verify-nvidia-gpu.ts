// One NVIDIA GPU: its report was made for this question, by the firmware of its certificate, and the chain holds.

import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import type { NvidiaGpuEvidence } from '../evidence/bundle.ts';
import { parseNvidiaChain } from '../evidence/nvidia-chain.ts';
import { type NvidiaReport, parseNvidiaReport } from '../evidence/nvidia-report.ts';
import { compare, type StepLog, skipped } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { type NvidiaTrust, verifyNvidiaChain } from './verify-nvidia-chain.ts';

/** What NVIDIA's OCSP responder said about a certificate, as the caller learned it. */
export type CertificateStatus = 'good' | 'revoked' | 'hold' | 'unknown';

/** Looks up a status by the certificate's serial number, hex without leading zeros. */
export type CertificateStatusOf = (serial: string) => CertificateStatus;

/** A device that NVIDIA, or a simulator that the policy names, answers for. */
export interface GenuineGpu {
  readonly assurance: 'hardware' | 'simulated';
  readonly report: NvidiaReport;
  /** Such as `GH100`. */
  readonly architecture: string;
  readonly ueid: string;
  /** `good`: the caller knows that no certificate is revoked. */
  readonly revocation: 'good' | 'unknown';
  /** When the first of its certificates ends. */
  readonly notAfter: Date;
}

/**
 * Takes the steps `gpu.report-form`, `gpu.nonce`, `gpu.certificates`, those of the chain, `gpu.fwid`,
 * `gpu.report-signature`, `gpu.revocation`; stops at the first failure.
 */
export async function verifyNvidiaGpu(
  log: StepLog,
  evidence: Pick<NvidiaGpuEvidence, 'report' | 'chain'>,
  facts: {
    /** What the GPU had to be asked with, 32 octets. */
    readonly nonce: Uint8Array;
    readonly trust: NvidiaTrust;
    readonly now: Date;
    readonly crypto: VerifierCrypto;
    /** Absent: no status is known. */
    readonly statusOf?: CertificateStatusOf | undefined;
  },
): Promise<GenuineGpu> {
  const { nonce, trust, now, crypto, statusOf } = facts;
  const report = await log.must('gpu.report-form', 'The device’s report has a known form', () => {
    const value = parseNvidiaReport(evidence.report);
    return { result: 'pass', actual: `driver ${value.driverVersion}, VBIOS ${value.vbiosVersion}`, value };
  });
  await log.must('gpu.nonce', 'The device answered this node’s question and no other', () =>
    compare(
      equalBytes(report.requestNonce, nonce),
      'evidence_gpu_nonce',
      toHex(nonce),
      toHex(report.requestNonce),
    ),
  );
  const chain = await log.must('gpu.certificates', 'The certificates have the form of NVIDIA’s', () => {
    const value = parseNvidiaChain(evidence.chain);
    return { result: 'pass', actual: value.certificates[0].subjectCommonName, value };
  });
  const assurance = await verifyNvidiaChain(log, chain, trust, now, crypto);
  await log.must('gpu.fwid', 'The report comes from the firmware that the certificate was made for', () =>
    report.fwid === undefined
      ? skipped('this driver’s reports do not name the firmware')
      : compare(
          equalBytes(report.fwid, chain.fwid),
          'evidence_gpu_fwid',
          toHex(chain.fwid),
          toHex(report.fwid),
        ),
  );
  const [leaf] = chain.certificates;
  await log.must('gpu.report-signature', 'The device’s key signed the report', async () => {
    const key = leaf.publicKey;
    const holds =
      key.kind === 'p384' && (await crypto.verifyEcdsaP384(key.point, report.signature, report.signed));
    return compare(
      holds,
      'evidence_report_signature',
      'ECDSA P-384 with SHA-384',
      holds ? 'it holds' : 'it does not hold',
    );
  });
  // The responder knows neither the leaf, which the device makes itself, nor the root.
  const statuses = chain.certificates.slice(1, 4).map(({ serial }) => statusOf?.(serial) ?? 'unknown');
  await log.must('gpu.revocation', 'No certificate of the device is known to be revoked', () =>
    statusOf === undefined
      ? skipped('no status was given')
      : compare(
          !statuses.includes('revoked') && !statuses.includes('hold'),
          'evidence_revoked',
          'neither revoked nor on hold',
          statuses.join(', '),
        ),
  );
  return {
    assurance,
    report,
    architecture: chain.architecture,
    ueid: chain.ueid,
    revocation: statuses.every((status) => status === 'good') ? 'good' : 'unknown',
    notAfter: new Date(Math.min(...chain.certificates.map(({ notAfter }) => notAfter.getTime()))),
  };
}
