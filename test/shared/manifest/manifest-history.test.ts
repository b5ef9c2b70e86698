import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import {
  encodeManifest,
  hasRecovery,
  isImmutable,
  type Manifest,
} from '../../../shared/manifest/manifest.ts';
import {
  openManifest,
  type SignedManifest,
  verifyHistory,
} from '../../../shared/manifest/manifest-history.ts';
import { alice, bob, carol, dave, firstManifest, mallory } from './manifest-fixture.ts';
import { holders, nextOf, type Signer, signedBy } from './signers.ts';

const first = await firstManifest();
const v1 = await signedBy(first, alice, bob);

/** The codes of the last version after the first one. */
async function codesOf(next: Manifest, signers: readonly Signer[], before = v1): Promise<readonly string[]> {
  const { entries } = await verifyHistory([before, await signedBy(next, ...signers)], { from: 'first' });
  expect(entries[0]?.problems).toEqual([]);
  return entries.at(-1)?.problems.map(({ code }) => code) ?? [];
}

it('a history of versions, with owners who come and go', async () => {
  const second = await nextOf(first, { not_after: '2027-06-01T00:00:00Z' });
  const third = await nextOf(second, { owners: holders(bob, carol, dave) });
  const fourth = await nextOf(third, { owners: holders(dave), threshold: 1 });
  const fifth = await nextOf(fourth, { owners: [], threshold: 0 });
  const history = [
    v1,
    await signedBy(second, bob, carol),
    await signedBy(third, bob, carol),
    await signedBy(fourth, carol, dave),
    await signedBy(fifth, dave),
  ];
  const verdict = await verifyHistory(history, { from: 'first', now: new Date('2027-05-01T00:00:00Z') });
  expect(verdict.entries.flatMap(({ problems }) => problems)).toEqual([]);
  expect(verdict.ok).toBe(true);
  expect(isImmutable(first)).toBe(false);
  expect(isImmutable(fifth)).toBe(true);
  expect(hasRecovery(first)).toBe(true);
  expect(hasRecovery({ ...first, seed_shares: { owners: [], threshold: 0 } })).toBe(false);
});

it('starts in the middle where the caller trusts the first', async () => {
  const second = await nextOf(first);
  const rest: readonly SignedManifest[] = [await signedBy(second, alice, carol)];
  expect((await verifyHistory(rest, { from: 'trusted' })).ok).toBe(true);
  const verdict = await verifyHistory(rest, { from: 'first' });
  expect(verdict.entries[0]?.problems.map(({ code }) => code)).toEqual(['first_not_serial_1']);
  expect((await verifyHistory([], { from: 'first' })).ok).toBe(false);
});

describe('refusals', () => {
  it('owners_too_few: one owner where two must sign, and a first version that nobody signed', async () => {
    for (const signers of [[alice], [alice, mallory], []]) {
      const verdict = await verifyHistory([await signedBy(first, ...signers)], { from: 'first' });
      expect(verdict.entries[0]?.problems.map(({ code }) => code)).toEqual(['owners_too_few']);
    }
    const bare = await verifyHistory([{ manifest: v1.manifest }], { from: 'first' });
    expect(bare.entries[0]?.problems).toEqual([
      { code: 'owners_too_few', expected: '2 of 3 owners', actual: '0 signed' },
    ]);
  });
  it('signatures_malformed: the threshold met by one owner who signs twice', async () => {
    const document = JSON.parse(new TextDecoder().decode((await signedBy(first, alice)).signatures)) as {
      signatures: unknown[];
    };
    document.signatures.push(document.signatures[0]);
    const signatures = new TextEncoder().encode(JSON.stringify(document));
    const verdict = await verifyHistory([{ manifest: v1.manifest, signatures }], { from: 'first' });
    expect(verdict.entries[0]?.problems.map(({ code }) => code)).toEqual(['signatures_malformed']);
  });
  it('previous_owners_too_few: signed by the new owners alone', async () => {
    const taken = await nextOf(first, { owners: holders(mallory), threshold: 1 });
    expect(await codesOf(taken, [mallory])).toEqual(['previous_owners_too_few']);
    expect(await codesOf(taken, [mallory, alice])).toEqual(['previous_owners_too_few']);
    expect(await codesOf(taken, [mallory, alice, bob])).toEqual([]);
  });
  it('owners_too_few: a new owner who does not sign does not become one', async () => {
    const invited = await nextOf(first, { owners: holders(dave), threshold: 1 });
    expect(await codesOf(invited, [alice, bob])).toEqual(['owners_too_few']);
    expect(await codesOf(invited, [alice, bob, dave])).toEqual([]);
  });
  it('previous_owners_too_few: an owner who was removed and still signs', async () => {
    const second = await nextOf(first, { owners: holders(bob, carol, dave) });
    const third = await nextOf(second);
    const verdict = await verifyHistory(
      [v1, await signedBy(second, alice, bob, carol), await signedBy(third, alice, bob)],
      { from: 'first' },
    );
    expect(verdict.entries.map(({ problems }) => problems.map(({ code }) => code))).toEqual([
      [],
      [],
      ['previous_owners_too_few', 'owners_too_few'],
    ]);
  });
  it('serial_not_next and previous_differs: a version left out, or another one before', async () => {
    const second = await nextOf(first);
    expect(await codesOf(await nextOf(second), [alice, bob])).toEqual([
      'serial_not_next',
      'previous_differs',
    ]);
    expect(await codesOf({ ...second, serial: 3 }, [alice, bob])).toEqual(['serial_not_next']);
    const fork = await nextOf(first, { not_after: '2027-02-01T00:00:00Z' });
    const onFork = await nextOf(fork);
    const verdict = await verifyHistory(
      [v1, await signedBy(second, alice, bob), await signedBy(onFork, alice, bob)],
      { from: 'first' },
    );
    expect(verdict.entries[2]?.problems.map(({ code }) => code)).toEqual(['previous_differs']);
  });
  it('service_changed: the manifest of another service of the same owners', async () => {
    expect(await codesOf(await nextOf(first, { service: 'other.example' }), [alice, bob])).toEqual([
      'service_changed',
    ]);
  });
  it('immutable: nothing follows a manifest without owners', async () => {
    const last = await nextOf(first, { owners: [], threshold: 0 });
    const after = await nextOf(last);
    const verdict = await verifyHistory(
      [v1, await signedBy(last, alice, bob), await signedBy(after, alice, bob)],
      { from: 'first' },
    );
    expect(verdict.entries[2]?.problems.map(({ code }) => code)).toEqual(['immutable']);
  });
  it('expired: only the last version has to be in force', async () => {
    const second = await signedBy(await nextOf(first, { not_after: '2028-01-01T00:00:00Z' }), alice, bob);
    const later = new Date('2027-01-01T00:00:01Z');
    const alone = await verifyHistory([v1], { from: 'first', now: later });
    expect(alone.entries[0]?.problems.map(({ code }) => code)).toEqual(['expired']);
    expect((await verifyHistory([v1, second], { from: 'first', now: later })).ok).toBe(true);
  });
  it('signature_invalid and manifest_malformed stop the chain where they are', async () => {
    const second = await signedBy(await nextOf(first), alice, bob);
    const forged = { manifest: second.manifest, signatures: v1.signatures };
    const third = await signedBy(await nextOf(await nextOf(first)), alice, bob);
    const verdict = await verifyHistory([v1, forged, third], { from: 'first' });
    expect(verdict.entries.map(({ problems }) => problems.map(({ code }) => code))).toEqual([
      [],
      ['signature_invalid'],
      ['previous_differs'],
    ]);
    const junk = await verifyHistory([{ manifest: new TextEncoder().encode('{}') }], { from: 'first' });
    expect(junk.entries[0]?.problems.map(({ code }) => code)).toEqual(['manifest_malformed']);
  });
});

it('opens a manifest with its digest and its signers', async () => {
  const opened = await openManifest(v1);
  expect(opened.manifest).toEqual(first);
  expect(opened.digest).toBe(
    toBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', encodeManifest(first)))),
  );
  expect(opened.signers).toEqual(new Set([alice.ed25519, bob.ed25519]));
});
