// What a trusted execution environment and the devices beside it do for a node: vouch for octets that the node chose.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { DeviceEvidence, Evidence } from '../../shared/evidence/bundle.ts';

/** What a CPU report is asked to cover: the same statement in the two forms that platforms can carry. */
export interface ReportRequest {
  /** 64 octets: `reportDataOf` the node statement. */
  readonly reportData: Bytes;
  /** 32 octets: `quoteDataOf` the same statement, for a vTPM, whose quotes carry no more. */
  readonly quoteData: Bytes;
}

/** One per process. Quotes are slow and serialised by the hardware, so callers ask once per key epoch. */
export interface TeeDriver {
  readonly kind: Evidence['kind'];
  /** `simulated` evidence protects nothing; it exists so that everything else can be real. */
  readonly assurance: 'hardware' | 'simulated';
  /**
   * Evidence over a statement, with every endorsement that verifying it offline takes.
   * @throws RangeError unless the request has 64 and 32 octets; TeeError when the platform gives no evidence.
   */
  attest(request: ReportRequest): Promise<Evidence>;
}

/** The devices of a node that answer for themselves: its GPUs. */
export interface DeviceDriver {
  readonly kind: DeviceEvidence['kind'];
  readonly assurance: 'hardware' | 'simulated';
  /**
   * Evidence of every device, each answering `nonce`.
   * @throws RangeError unless `nonce` has 32 octets; TeeError when a device gives no evidence.
   */
  attest(nonce: Bytes): Promise<readonly DeviceEvidence[]>;
  /** Lets the devices accept work, where they wait for it; to be called when their evidence was found good. */
  readonly setReady?: () => void;
}

/** Why there is no evidence. */
export type TeeErrorCode =
  /** The device or interface is not there: not such a machine, or a driver is missing. */
  | 'tee_unavailable'
  /** The kernel, firmware or service refused. */
  | 'tee_refused'
  /** Somebody else used the interface at the same time, more often than it was tried again. */
  | 'tee_busy'
  /** What came back has another form than its documentation says. */
  | 'tee_answer_malformed'
  /** Certificates or collateral that the evidence needs could not be had. */
  | 'tee_endorsements_unavailable';

/** Thrown by drivers. The message is for the operator and holds no key, nonce or content. */
export class TeeError extends Error {
  override readonly name = 'TeeError';
  readonly code: TeeErrorCode;
  constructor(code: TeeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
