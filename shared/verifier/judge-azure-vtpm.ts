// A genuine vTPM of an Azure VM against what a manifest expects: secure boot and the registers.

import type { VtpmReferenceValue } from '../manifest/azure-reference-value.ts';
import { compare, type StepLog, skipped } from './step.ts';
import type { GenuineVtpm } from './verify-azure-vtpm.ts';

/** Takes the steps `policy.secure-boot` and `policy.pcrs`. */
export function judgeAzureVtpm(
  log: StepLog,
  { vm, pcrs }: Pick<GenuineVtpm, 'vm' | 'pcrs'>,
  wanted: VtpmReferenceValue,
): void {
  log.judge('policy.secure-boot', 'The paravisor says that the guest booted securely', () =>
    wanted.secure_boot === 'any'
      ? skipped('the manifest does not ask for it')
      : compare(
          vm.secureBoot,
          'policy_secure_boot',
          'secure boot on',
          vm.secureBoot ? 'secure boot on' : 'secure boot off',
        ),
  );
  log.judge('policy.pcrs', 'What the guest booted is what the manifest names', () => {
    const wrong = wanted.pcrs.filter(({ index, digests }) => !digests.includes(pcrs.get(index) ?? ''));
    return compare(
      wrong.length === 0,
      'policy_pcrs',
      wanted.pcrs.map(({ index }) => `register ${index}`).join(', '),
      wrong.length === 0
        ? 'as named'
        : wrong.map(({ index }) => `register ${index}: ${pcrs.get(index) ?? 'not quoted'}`).join(', '),
    );
  });
}
