// One node's statement and evidence: read, in date, genuine, and bound to each other. What the node should be is judged elsewhere.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { formatInstant } from '../bytes/instant.ts';
import type { NodeEvidence } from '../evidence/bundle.ts';
import { coreDigest, type NodeCore, parseCore } from '../evidence/node-core.ts';
import { type NodeStatement, parseStatement, quoteDataOf, reportDataOf } from '../evidence/node-statement.ts';
import type { Policy } from './policy.ts';
import type { VendorRoots } from './roots/vendor-roots.ts';
import { compare, type StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { type GenuineDevices, verifyDevices } from './verify-devices.ts';
import { type GenuineEvidence, verifyEvidence } from './verify-evidence.ts';
import type { CertificateStatusOf } from './verify-nvidia-gpu.ts';

/** A node whose evidence is genuine and speaks for its statement. */
export interface GenuineNode {
  readonly statement: NodeStatement;
  readonly core: NodeCore;
  /** 32 octets. */
  readonly coreDigest: Bytes;
  readonly genuine: GenuineEvidence;
  readonly devices: GenuineDevices;
  /** `simulated` when processor or any device is. */
  readonly assurance: 'hardware' | 'simulated';
  /** When the first of statement, core and endorsements ends. */
  readonly notAfter: Date;
}

/** What verifying a node takes besides the node. */
export interface NodeTrust {
  readonly policy: Policy;
  readonly roots: VendorRoots;
  readonly now: Date;
  readonly crypto: VerifierCrypto;
  readonly nrasKeys: Uint8Array | undefined;
  readonly gpuCertificateStatus: CertificateStatusOf | undefined;
}

/** Takes the steps from `statement.form` to those of the devices; stops at the first failure. */
export async function verifyNode(log: StepLog, node: NodeEvidence, trust: NodeTrust): Promise<GenuineNode> {
  const { policy, roots, now, crypto, nrasKeys, gpuCertificateStatus } = trust;
  const statement = await log.must('statement.form', 'The node’s statement can be read', () => ({
    result: 'pass',
    value: parseStatement(node.statement),
  }));
  await log.must('statement.validity', 'The statement is within its dates', () =>
    compare(
      now >= statement.notBefore && now <= statement.notAfter,
      'evidence_statement_not_valid_now',
      formatInstant(now),
      `${formatInstant(statement.notBefore)} to ${formatInstant(statement.notAfter)}`,
    ),
  );
  const core = await log.must('core.form', 'The node’s description of itself can be read', () => ({
    result: 'pass',
    value: parseCore(statement.core),
  }));
  await log.must('core.validity', 'The node’s keys are within their dates', () =>
    compare(
      now >= core.notBefore && now <= core.notAfter,
      'evidence_core_not_valid_now',
      formatInstant(now),
      `${formatInstant(core.notBefore)} to ${formatInstant(core.notAfter)}`,
    ),
  );

  const evidence = await log.must('evidence.kind', 'There is evidence of one processor', () => {
    const [first, ...more] = node.evidence;
    return first && more.length === 0
      ? { result: 'pass', actual: first.kind, value: first }
      : {
          result: 'fail',
          code: 'evidence_kind_unsupported',
          expected: 'one report',
          actual: `${node.evidence.length}`,
        };
  });
  const { hardware, simulated } = policy.roots;
  const genuine = await verifyEvidence(log, evidence, { roots, hardware, simulated }, now, crypto);

  const bindingOf = genuine.kind.startsWith('azure-') ? quoteDataOf : reportDataOf;
  const expectedBinding = await bindingOf(node.statement);
  await log.must('binding.report-data', 'The report was made for this statement and no other', () =>
    compare(
      equalBytes(genuine.chosen, expectedBinding),
      'evidence_binding',
      toBase64url(expectedBinding),
      toBase64url(genuine.chosen),
    ),
  );

  const digest = await coreDigest(statement.core);
  const devices = await verifyDevices(log, node.devices ?? [], {
    statement,
    coreDigest: digest,
    trust: { roots: roots.nvidia ?? [], hardware, simulated },
    nrasKeys,
    statusOf: gpuCertificateStatus,
    now,
    crypto,
  });
  const ends = [core.notAfter, statement.notAfter, genuine.notAfter];
  if (devices.notAfter) ends.push(devices.notAfter);
  return {
    statement,
    core,
    coreDigest: digest,
    genuine,
    devices,
    assurance:
      genuine.assurance === 'simulated' || devices.assurance === 'simulated' ? 'simulated' : 'hardware',
    notAfter: new Date(Math.min(...ends.map((end) => end.getTime()))),
  };
}
