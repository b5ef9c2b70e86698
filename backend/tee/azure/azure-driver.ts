// An Azure confidential VM: the paravisor's report from the vTPM's memory, and a fresh quote of the vTPM beside it.
// Not run on Azure yet: tested against a software TPM with a report that the tests make.

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { equalBytes } from '../../../shared/bytes/equal.ts';
import type { VtpmQuote } from '../../../shared/evidence/azure-evidence.ts';
import { parseHclReport } from '../../../shared/evidence/azure-hcl-report.ts';
import type { AzureSnpEvidence, AzureTdxEvidence } from '../../../shared/evidence/bundle.ts';
import { parseTpmQuote } from '../../../shared/evidence/tpm-quote.ts';
import type { EndorsementSource } from '../endorsement-source.ts';
import { oneAtATime } from '../one-at-a-time.ts';
import { type TeeDriver, TeeError } from '../tee-driver.ts';
import type { InstanceMetadata } from './instance-metadata.ts';
import { quote, readNvIndex, readRegisters, type Tpm } from './tpm-command.ts';

/** Where the paravisor leaves its report. */
export const HCL_NV_INDEX = 0x01400001;
/** The vTPM's attestation key, which the report names. */
export const ATTESTATION_KEY_HANDLE = 0x81000003;
/** Boot chain, kernel, initrd and command line: 0 to 15. The others can be reset while the guest runs. */
export const QUOTED_REGISTERS: readonly number[] = Array.from({ length: 16 }, (_, index) => index);

/** A register that is extended between quote and reading makes them differ. */
const TRIES = 5;

/**
 * A driver for one VM.
 * @throws (its `attest`) TeeError, or EvidenceError where the paravisor's report has an unknown form.
 */
export function createAzureDriver(options: {
  /** What the image is made for: a report of the other kind is refused. */
  readonly kind: 'azure-sev-snp' | 'azure-tdx';
  readonly tpm: Tpm;
  readonly metadata: InstanceMetadata;
  readonly endorsements: EndorsementSource;
}): TeeDriver {
  const { kind, tpm, metadata, endorsements } = options;
  const queue = oneAtATime();
  return {
    kind,
    assurance: 'hardware',
    attest: ({ quoteData }) =>
      queue(async () => {
        if (quoteData.length !== 32) throw new RangeError('quote data has 32 octets');
        const hcl = await readNvIndex(tpm, HCL_NV_INDEX);
        const vtpm = await quoteRegisters(tpm, quoteData);
        return kind === 'azure-sev-snp' ? await attestSnp(hcl, vtpm) : await attestTdx(hcl, vtpm);
      }),
  };

  async function attestSnp(hcl: Bytes, vtpm: VtpmQuote): Promise<AzureSnpEvidence> {
    const report = parseHclReport(hcl);
    if (report.tee !== 'sev-snp') throw otherMachine('SEV-SNP');
    const offered = await metadata.certificates();
    const { leaf, ask, ark, crl } = await endorsements.forSnpReport(report.hardwareReport, offered);
    if (leaf.kind !== 'vcek')
      throw new TeeError('tee_endorsements_unavailable', 'Azure’s reports are signed by a chip’s own key');
    return { kind: 'azure-sev-snp', hcl, quote: vtpm, vcek: leaf.certificate, ask, ark, crl };
  }

  async function attestTdx(hcl: Bytes, vtpm: VtpmQuote): Promise<AzureTdxEvidence> {
    const report = parseHclReport(hcl);
    if (report.tee !== 'tdx') throw otherMachine('TDX');
    const tdQuote = await metadata.quote(report.hardwareReport);
    const collateral = await endorsements.forTdxQuote(tdQuote);
    return {
      kind: 'azure-tdx',
      runtimeData: report.runtimeData,
      quote: vtpm,
      td: { kind: 'tdx', quote: tdQuote, ...collateral },
    };
  }
}

async function quoteRegisters(tpm: Tpm, qualifyingData: Bytes): Promise<VtpmQuote> {
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const { message, signature } = await quote(tpm, {
      key: ATTESTATION_KEY_HANDLE,
      qualifyingData,
      registers: QUOTED_REGISTERS,
    });
    const pcrs = await readRegisters(tpm, QUOTED_REGISTERS);
    if (equalBytes(await sha256(concat(...pcrs)), parseTpmQuote(message).pcrDigest))
      return { message, signature, pcrs };
  }
  throw new TeeError('tee_busy', 'the vTPM’s registers kept changing');
}

function otherMachine(wanted: string): TeeError {
  return new TeeError('tee_unavailable', `this is no Azure VM with ${wanted}`);
}
