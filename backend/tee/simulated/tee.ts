// The simulated TEE: evidence in the real SEV-SNP format under a root of its own. It protects nothing.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import type { SnpEvidence } from '../../../shared/evidence/bundle.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import type { ReportRequest, TeeDriver } from '../tee-driver.ts';
import { bend, type SimulatedFault } from './faults.ts';
import { SIMULATED_CPU, SIMULATED_TCB, type SimulatedPlatform } from './platform.ts';
import { writeReport } from './write-report.ts';

/** SMT allowed, bit 17 as it must be, firmware ABI 1.51 or newer; neither debugging nor migration. */
export const SIMULATED_GUEST_POLICY = 0x30000n | (1n << 8n) | 51n;
/** SMT on, ECC, alias check complete, IOMMU write-safe. */
const PLATFORM_INFO = 0b0110_0101n;
const MITIGATIONS = 0b1_0111n;

/** Its evidence is always that of a SEV-SNP guest. */
export interface SimulatedTee extends TeeDriver {
  readonly kind: 'sev-snp';
  readonly fault: SimulatedFault | undefined;
  attest(request: Pick<ReportRequest, 'reportData'>): Promise<SnpEvidence>;
}

/**
 * A driver for one guest on a simulated platform.
 * @throws RangeError unless `measurement` has 48 octets.
 */
export function createSimulatedTee(options: {
  readonly platform: SimulatedPlatform;
  /** SHA-384 of the guest, 48 octets. */
  readonly measurement: Bytes;
  /** What to play instead of a sound machine. */
  readonly fault?: SimulatedFault | undefined;
}): SimulatedTee {
  const { platform, measurement, fault } = options;
  if (measurement.length !== 48) throw new RangeError('a measurement has 48 octets');
  const reportId = platform.random(32);
  const { notBefore, notAfter } = parseCertificate(platform.certificates.vcek);
  return {
    kind: 'sev-snp',
    assurance: 'simulated',
    fault,
    async attest({ reportData }) {
      if (reportData.length !== 64) throw new RangeError('report data has 64 octets');
      const sound = {
        report: {
          guestPolicy: SIMULATED_GUEST_POLICY,
          platformInfo: PLATFORM_INFO,
          keyInfo: 0,
          vmpl: 0,
          reportData,
          measurement,
          reportId,
          cpu: SIMULATED_CPU,
          chipId: platform.chipId,
          currentTcb: SIMULATED_TCB,
          reportedTcb: SIMULATED_TCB,
          committedTcb: SIMULATED_TCB,
          launchTcb: SIMULATED_TCB,
          mitigations: MITIGATIONS,
        },
        leaf: { structVersion: 0, tcb: SIMULATED_TCB, hwId: platform.chipId, notBefore, notAfter },
        certificates: platform.certificates,
      };
      const { report, certificates } = fault === undefined ? sound : bend(fault, sound, platform);
      return {
        kind: 'sev-snp',
        report: writeReport(report, platform.keys.chip),
        leaf: { kind: 'vcek', certificate: certificates.vcek },
        ask: certificates.ask,
        ark: certificates.ark,
        crl: certificates.crl,
      };
    },
  };
}
