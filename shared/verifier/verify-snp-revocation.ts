// The root's revocation list: signed, current, and silent about the intermediate. Anything less is not "nothing revoked".

import { equalBytes } from '../bytes/equal.ts';
import { formatInstant } from '../bytes/instant.ts';
import { parseCrl, type RevocationList } from '../evidence/crl.ts';
import type { Certificate } from '../evidence/x509.ts';
import type { StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';

/** Takes the steps `snp.crl-form`, `snp.crl`, `snp.crl-validity`, `snp.revocation`; stops at the first failure. */
export async function verifySnpRevocation(
  log: StepLog,
  crl: Uint8Array,
  chain: { readonly ask: Certificate; readonly ark: Certificate },
  now: Date,
  crypto: VerifierCrypto,
): Promise<RevocationList> {
  const { ask, ark } = chain;
  const list = await log.must('snp.crl-form', 'The revocation list has the form of AMD’s', () => {
    const value = parseCrl(crl);
    return { result: 'pass', actual: `${value.revoked.size} revoked`, value };
  });
  await log.must('snp.crl', 'The revocation list is signed by the root', async () =>
    equalBytes(list.issuer, ark.subject) && (await crypto.verifyRsaPss(ark.spki, list.signature, list.tbs))
      ? { result: 'pass', expected: `signed by ${ark.subjectCommonName}` }
      : {
          result: 'fail',
          code: 'evidence_crl_signature',
          expected: `signed by ${ark.subjectCommonName}`,
          actual: 'it is not',
        },
  );
  await log.must('snp.crl-validity', 'The revocation list is within its dates', () => {
    const shown = {
      expected: formatInstant(now),
      actual: `${formatInstant(list.thisUpdate)} to ${formatInstant(list.nextUpdate)}`,
    };
    return now < list.thisUpdate || now > list.nextUpdate
      ? { result: 'fail', code: 'evidence_crl_not_valid_now', ...shown }
      : { result: 'pass', ...shown };
  });
  // Leaves are not looked up: AMD retires them by TCB, and all of them have serial 0.
  await log.must('snp.revocation', 'The intermediate is not revoked', () => {
    const revoked = list.revoked.has(ask.serial);
    const shown = { expected: `serial ${ask.serial} not listed`, actual: revoked ? 'listed' : 'not listed' };
    return revoked ? { result: 'fail', code: 'evidence_revoked', ...shown } : { result: 'pass', ...shown };
  });
  return list;
}
