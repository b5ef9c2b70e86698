// Whether GPUs may be given work: their evidence over a question of this moment against the manifest, before an engine sees them.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { sha256 } from '../../shared/bytes/digest.ts';
import type { DeviceEvidence } from '../../shared/evidence/bundle.ts';
import { deviceDigestOf } from '../../shared/evidence/device-evidence.ts';
import { gpuNonceOf } from '../../shared/evidence/nvidia-report.ts';
import type { Manifest } from '../../shared/manifest/manifest.ts';
import { gpuWantedBy } from '../../shared/verifier/judge-evidence.ts';
import { judgeGpus } from '../../shared/verifier/judge-gpus.ts';
import type { Policy } from '../../shared/verifier/policy.ts';
import { PINNED_ROOTS } from '../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../shared/verifier/step.ts';
import { webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { verifyDevices } from '../../shared/verifier/verify-devices.ts';

/** The GPUs of this machine are not what the manifest wants. Code `gpus_refused`; the message names the checks. */
export class GpusRefused extends Error {
  override readonly name = 'GpusRefused';
  readonly code = 'gpus_refused';
  constructor(failed: readonly string[]) {
    super(`the GPUs here are not those of the manifest: ${failed.join(', ')}`);
  }
}

/**
 * Asks the GPUs and judges their answers by the expectations of a role; at least one set must fit. The same steps as every
 * client takes later: here they keep an engine, and with it weights, off a GPU that nobody would accept.
 * @throws GpusRefused; TeeError of the driver.
 */
export async function admitGpus(
  ask: (nonce: Bytes) => Promise<readonly DeviceEvidence[]>,
  facts: {
    readonly manifest: Pick<Manifest, 'reference_values'>;
    readonly role: keyof Manifest['reference_values'];
    readonly policy: Policy;
    readonly random: (octets: number) => Bytes;
    readonly now: Date;
  },
): Promise<void> {
  const { manifest, role, policy, random, now } = facts;
  // There is no core yet: octets that nobody can know stand in its place.
  const coreDigest = await sha256(random(32));
  const freshness = random(32);
  const evidence = await ask(await gpuNonceOf(coreDigest, freshness));
  const devices = await Promise.all(
    evidence.map(async (device) => ({ kind: device.kind, sha256: await deviceDigestOf(device) })),
  );
  const refusals: string[] = [];
  for (const wanted of manifest.reference_values[role] ?? []) {
    const log = new StepLog();
    try {
      const genuine = await verifyDevices(log, evidence, {
        statement: { devices, freshness: { kind: 'epoch', value: freshness } },
        coreDigest,
        trust: { roots: PINNED_ROOTS.nvidia ?? [], ...policy.roots },
        nrasKeys: undefined,
        statusOf: undefined,
        now,
        crypto: webCrypto,
      });
      const gpus = gpuWantedBy(wanted);
      // NVIDIA's verdict and its responder are asked later, for the epoch; here the GPU speaks for itself, and where the
      // manifest leaves its measurements to that verdict there is nothing to compare them with.
      const judged = gpus === 'none' || gpus.golden_drivers.length > 0;
      if (judged)
        judgeGpus(
          log,
          genuine,
          gpus === 'none' ? gpus : { ...gpus, evidence: 'report', revocation: 'unchecked' },
        );
    } catch (error) {
      if (!(error instanceof StoppedVerification)) throw error;
    }
    if (log.violations.length === 0) return;
    refusals.push(...log.violations.map(({ code }) => code));
  }
  throw new GpusRefused([...new Set(refusals)]);
}
