// A report from `/dev/sev-guest` (include/uapi/linux/sev-guest.h; Linux 5.19): for kernels before configfs-tsm.
// Not run on hardware yet: tested on a fake of the kernel's side that follows the header file.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { concat } from '../../../shared/bytes/concat.ts';
import { SNP_REPORT_BYTES } from '../../../shared/evidence/snp-report.ts';
import { TeeError } from '../tee-driver.ts';

export const SEV_GUEST_DEVICE = '/dev/sev-guest';

/** `_IOWR('S', 0x0, struct snp_guest_request_ioctl)`: 32 octets. */
const SNP_GET_REPORT = 0xc0205300;
/** `_IOWR('S', 0x2, struct snp_guest_request_ioctl)`. */
const SNP_GET_EXT_REPORT = 0xc0205302;
const MESSAGE_VERSION = 1;
const IOCTL_BYTES = 32;
const REQUEST_BYTES = 96;
const EXTENDED_REQUEST_BYTES = 112;
const RESPONSE_BYTES = 4000;
/** SEV_FW_BLOB_MAX_SIZE of the kernel; the length must be whole pages. */
const CERTIFICATES_BYTES = 16 * 1024;
/** In the response: status u32, report size u32, 24 octets reserved, report (SEV-SNP ABI, table 24). */
const REPORT_AT = 32;
const REPORT_DATA_BYTES = 64;
const VMM_ERROR_INVALID_LENGTH = 1;
const VMM_ERROR_BUSY = 2;
const TRIES = 5;
const WAIT_MILLISECONDS = 500;

/** One device, opened. */
export interface GuestDevice {
  /** ioctl(2): 0, or the name of the error, such as `EIO`. Writes its answer into what `argument` points to. */
  control(request: number, argument: Uint8Array): string | 0;
  /** Where octets lie in memory; they must live until the call returns. */
  addressOf(octets: Uint8Array): bigint;
}

/** A report, and the host's table of certificates as it gave it (empty where it gave none). */
export interface GuestReport {
  readonly report: Bytes;
  readonly auxiliary: Bytes;
}

/**
 * Asks the firmware for a report over 64 octets at the most privileged level, with the host's certificates where it has any.
 * @throws RangeError unless `reportData` has 64 octets; TeeError `tee_busy` (the host throttles), `tee_refused` (with the
 * firmware's and the host's numbers) or `tee_answer_malformed`.
 */
export async function requestGuestReport(
  device: GuestDevice,
  reportData: Bytes,
  wait: (milliseconds: number) => Promise<void>,
): Promise<GuestReport> {
  if (reportData.length !== REPORT_DATA_BYTES) throw new RangeError('report data has 64 octets');
  for (let attempt = 1; ; attempt++) {
    const extended = attemptRequest(device, reportData, true);
    if (extended.kind === 'report') return extended;
    // A host with a larger table than the kernel passes on: the report alone will do, certificates come from elsewhere.
    const plain =
      extended.vmmError === VMM_ERROR_INVALID_LENGTH ? attemptRequest(device, reportData, false) : extended;
    if (plain.kind === 'report') return plain;
    const { vmmError, firmwareError, code } = plain;
    if (vmmError !== VMM_ERROR_BUSY)
      throw new TeeError(
        'tee_refused',
        `no report from the firmware (${code}, firmware ${firmwareError}, host ${vmmError})`,
      );
    if (attempt === TRIES) throw new TeeError('tee_busy', 'the host kept throttling requests for reports');
    await wait(WAIT_MILLISECONDS * attempt);
  }
}

type Attempt =
  | (GuestReport & { readonly kind: 'report' })
  | {
      readonly kind: 'error';
      readonly code: string;
      readonly firmwareError: number;
      readonly vmmError: number;
    };

function attemptRequest(device: GuestDevice, reportData: Bytes, extended: boolean): Attempt {
  const certificates = new Uint8Array(extended ? CERTIFICATES_BYTES : 0);
  // struct snp_report_req: user data, VMPL u32 (0), 28 octets reserved; extended: address u64, length u32, padding.
  const request = new Uint8Array(extended ? EXTENDED_REQUEST_BYTES : REQUEST_BYTES);
  request.set(reportData);
  const requestView = new DataView(request.buffer);
  if (extended) {
    requestView.setBigUint64(REQUEST_BYTES, device.addressOf(certificates), true);
    requestView.setUint32(REQUEST_BYTES + 8, certificates.length, true);
  }
  const response = new Uint8Array(RESPONSE_BYTES);
  // struct snp_guest_request_ioctl: version u8 and padding, two addresses, firmware error u32, host error u32.
  const argument = new Uint8Array(IOCTL_BYTES);
  const view = new DataView(argument.buffer);
  view.setUint8(0, MESSAGE_VERSION);
  view.setBigUint64(8, device.addressOf(request), true);
  view.setBigUint64(16, device.addressOf(response), true);
  const code = device.control(extended ? SNP_GET_EXT_REPORT : SNP_GET_REPORT, argument);
  if (code !== 0)
    return {
      kind: 'error',
      code,
      firmwareError: view.getUint32(24, true),
      vmmError: view.getUint32(28, true),
    };

  const answer = new DataView(response.buffer);
  const status = answer.getUint32(0, true);
  if (status !== 0) return { kind: 'error', code: `status ${status}`, firmwareError: status, vmmError: 0 };
  if (answer.getUint32(4, true) !== SNP_REPORT_BYTES)
    throw new TeeError('tee_answer_malformed', 'the firmware gave a report of another length');
  return {
    kind: 'report',
    report: concat(response.subarray(REPORT_AT, REPORT_AT + SNP_REPORT_BYTES)),
    auxiliary: concat(certificates),
  };
}
