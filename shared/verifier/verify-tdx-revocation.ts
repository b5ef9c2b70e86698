// Intel's two revocation lists: signed, current, and silent about the chain. Anything less is not "nothing revoked".

import { equalBytes } from '../bytes/equal.ts';
import { formatInstant } from '../bytes/instant.ts';
import type { RevocationList } from '../evidence/crl.ts';
import type { Certificate } from '../evidence/x509.ts';
import type { Reading } from './begin-early.ts';
import type { StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { holdsUnder, type TdxChain } from './verify-tdx-chain.ts';

/**
 * Takes the steps `tdx.root-crl-form`, `tdx.root-crl`, `tdx.root-crl-validity`, the same three of `tdx.pck-crl`, and
 * `tdx.revocation`; stops at the first failure. Yields the root's list, which the signers of collateral are held against too.
 */
export async function verifyTdxRevocation(
  log: StepLog,
  lists: { readonly rootCrl: Reading<RevocationList>; readonly pckCrl: Reading<RevocationList> },
  chain: TdxChain,
  now: Date,
  crypto: VerifierCrypto,
): Promise<{ readonly rootList: RevocationList; readonly pckList: RevocationList }> {
  const { pck, ca, root } = chain;
  const rootList = await verifyList(log, 'root-crl', lists.rootCrl, root, now, crypto);
  // The CA that issued the PCK answers for it: the list of Intel's other PCK CA says nothing about this one.
  const pckList = await verifyList(log, 'pck-crl', lists.pckCrl, ca, now, crypto);
  await log.must('tdx.revocation', 'Nothing in the chain is revoked', () => {
    const listed = [
      ...[root, ca].filter(({ serial }) => rootList.revoked.has(serial)),
      ...[pck].filter(({ serial }) => pckList.revoked.has(serial)),
    ].map(({ subjectCommonName, serial }) => `${subjectCommonName} ${serial}`);
    const expected = `serials ${root.serial}, ${ca.serial} and ${pck.serial} not listed`;
    return listed.length > 0
      ? { result: 'fail', code: 'evidence_revoked', expected, actual: `listed: ${listed.join(', ')}` }
      : { result: 'pass', expected, actual: 'not listed' };
  });
  return { rootList, pckList };
}

async function verifyList(
  log: StepLog,
  name: 'root-crl' | 'pck-crl',
  reading: Reading<RevocationList>,
  issuer: Certificate,
  now: Date,
  crypto: VerifierCrypto,
): Promise<RevocationList> {
  const whose = issuer.subjectCommonName;
  const list = await log.must(`tdx.${name}-form`, `The revocation list of ${whose} can be read`, () => {
    const { value } = reading;
    return { result: 'pass', actual: `${value.revoked.size} revoked`, value };
  });
  await log.must(`tdx.${name}`, `It is signed by ${whose}`, async () =>
    equalBytes(list.issuer, issuer.subject) && (await holdsUnder(issuer, list.signature, list.tbs, crypto))
      ? { result: 'pass', expected: `signed by ${whose}` }
      : {
          result: 'fail',
          code: 'evidence_crl_signature',
          expected: `signed by ${whose}`,
          actual: 'it is not',
        },
  );
  await log.must(`tdx.${name}-validity`, 'It is within its dates', () => {
    const shown = {
      expected: formatInstant(now),
      actual: `${formatInstant(list.thisUpdate)} to ${formatInstant(list.nextUpdate)}`,
    };
    return now < list.thisUpdate || now > list.nextUpdate
      ? { result: 'fail', code: 'evidence_crl_not_valid_now', ...shown }
      : { result: 'pass', ...shown };
  });
  return list;
}
