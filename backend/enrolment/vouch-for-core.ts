// Makes a statement of a core with some freshness, and has devices and CPU vouch for it, in that order.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { NodeEvidence } from '../../shared/evidence/bundle.ts';
import { deviceDigestOf } from '../../shared/evidence/device-evidence.ts';
import { coreDigest } from '../../shared/evidence/node-core.ts';
import {
  encodeStatement,
  type Freshness,
  quoteDataOf,
  reportDataOf,
} from '../../shared/evidence/node-statement.ts';
import { gpuNonceOf } from '../../shared/evidence/nvidia-report.ts';
import type { DeviceDriver, TeeDriver } from '../tee/tee-driver.ts';

/** Who vouches. */
export interface Vouchers {
  readonly tee: TeeDriver;
  /** The GPUs of this node; absent: it shows none. */
  readonly devices?: DeviceDriver | undefined;
}

/**
 * A statement with its evidence. Statements of one core are siblings: any of them proves it.
 * @throws TeeError when the platform or a device gives no evidence.
 */
export async function vouchForCore(
  said: {
    /** Exact octets. */
    readonly core: Bytes;
    readonly freshness: Freshness;
    readonly notBefore: Date;
    readonly notAfter: Date;
  },
  { tee, devices: driver }: Vouchers,
): Promise<NodeEvidence> {
  const { core, freshness, notBefore, notAfter } = said;
  // The devices speak first: the CPU's report names their evidence by its hash.
  const devices = (await driver?.attest(await gpuNonceOf(await coreDigest(core), freshness.value))) ?? [];
  const statement = encodeStatement({
    version: 1,
    core,
    freshness,
    devices: await Promise.all(
      devices.map(async (device) => ({ kind: device.kind, sha256: await deviceDigestOf(device) })),
    ),
    notBefore,
    notAfter,
  });
  const evidence = await tee.attest({
    reportData: await reportDataOf(statement),
    quoteData: await quoteDataOf(statement),
  });
  return { statement, evidence: [evidence], ...(devices.length === 0 ? {} : { devices }) };
}
