import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import { encodeManifest } from '../../../shared/manifest/manifest.ts';
import { ManifestError } from '../../../shared/manifest/manifest-error.ts';
import {
  addSignature,
  encodeSignatures,
  manifestMessage,
  noSignatures,
  parseSignatures,
  signersAmong,
  verifySignatures,
} from '../../../shared/manifest/manifest-signatures.ts';
import { alice, bob, carol, firstManifest, mallory } from './manifest-fixture.ts';
import { holders, signedBy } from './signers.ts';

const manifest = encodeManifest(await firstManifest());
const signed = await signedBy(manifest, alice, bob);

async function refusal(signatures: Uint8Array, octets: Uint8Array = manifest): Promise<string> {
  try {
    await verifySignatures(signatures, octets);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return error.code;
  }
}

/** The document after a change of its JSON. */
function changed(change: (text: string) => string): Bytes {
  return toUtf8(change(fromUtf8(signed.signatures)));
}

it('names everybody who signed, and counts owners once', async () => {
  const signers = await verifySignatures(signed.signatures, manifest);
  expect([...signers].sort()).toEqual([alice.ed25519, bob.ed25519].sort());
  expect(signersAmong(holders(alice, bob, carol), signers)).toBe(2);
  expect(signersAmong([...holders(alice), ...holders(alice), ...holders(alice)], signers)).toBe(1);
});

it('signs label, zero octet and digest', async () => {
  expect(await manifestMessage(manifest)).toEqual(
    concat(toUtf8('cloister manifest signature v1'), new Uint8Array(1), await sha256(manifest)),
  );
});

it('an owner who signs again replaces the signature', async () => {
  const again = await addSignature(parseSignatures(signed.signatures), manifest, alice.ed25519, alice.sign);
  expect(again.signatures).toHaveLength(2);
  expect(await refusal(encodeSignatures(again))).toBe('accepted');
});

it('a stranger’s signature is no error and counts for nothing', async () => {
  const { signatures } = await signedBy(manifest, mallory, alice);
  const signers = await verifySignatures(signatures, manifest);
  expect(signersAmong(holders(alice, bob, carol), signers)).toBe(1);
});

it('any single bit of the manifest or of the signatures changed is refused', async () => {
  const all = concat(manifest, signed.signatures);
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: all.length * 8 - 1 }), async (bit) => {
      const flipped = concat(all);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const [octets, signatures] = [flipped.slice(0, manifest.length), flipped.slice(manifest.length)];
      expect(['signature_invalid', 'signatures_malformed']).toContain(await refusal(signatures, octets));
    }),
    { numRuns: 500 },
  );
});

it('any single octet of the signatures put as anything else is refused', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: signed.signatures.length - 1 }),
      fc.nat({ max: 255 }),
      async (at, octet) => {
        fc.pre(signed.signatures[at] !== octet);
        const other = concat(signed.signatures);
        other[at] = octet;
        expect(['signature_invalid', 'signatures_malformed']).toContain(await refusal(other));
      },
    ),
    { numRuns: 500 },
  );
});

describe('refusals', () => {
  it('signature_invalid: made for another domain', async () => {
    const labels = ['cloister release policy v1', 'cloister manifest v1', 'cloister manifest signature v2'];
    for (const label of labels) {
      const message = concat(toUtf8(label), new Uint8Array(1), await sha256(manifest));
      const document = await addSignature(await noSignatures(manifest), manifest, alice.ed25519, () =>
        alice.sign(message),
      );
      expect(await refusal(encodeSignatures(document))).toBe('signature_invalid');
    }
    for (const message of [manifest, await sha256(manifest)]) {
      const document = await addSignature(await noSignatures(manifest), manifest, alice.ed25519, () =>
        alice.sign(message),
      );
      expect(await refusal(encodeSignatures(document))).toBe('signature_invalid');
    }
  });
  it('signature_invalid: somebody else’s signature under an owner’s key', async () => {
    const document = await addSignature(await noSignatures(manifest), manifest, alice.ed25519, mallory.sign);
    expect(await refusal(encodeSignatures(document))).toBe('signature_invalid');
  });
  it('signature_invalid: of another manifest, also when the document says otherwise', async () => {
    const other = encodeManifest(await firstManifest({ service: 'other.example' }));
    expect(await refusal(signed.signatures, other)).toBe('signature_invalid');
    const renamed = { ...parseSignatures(signed.signatures), manifest: toBase64url(await sha256(other)) };
    expect(await refusal(encodeSignatures(renamed), other)).toBe('signature_invalid');
    expect(await refusal(encodeSignatures(renamed))).toBe('signature_invalid');
  });
  it('signatures_malformed: a key twice, an unknown or a repeated member, another form, too much of it', async () => {
    const { signatures, ...rest } = parseSignatures(signed.signatures);
    const twice = toUtf8(JSON.stringify({ ...rest, signatures: [...signatures, ...signatures] }));
    expect(await refusal(twice)).toBe('signatures_malformed');
    for (const change of [
      (text: string) => text.replace('{', '{"more":1,'),
      (text: string) => text.replace('"version":1', '"version":1,"version":1'),
      (text: string) => text.replace('"version":1', '"version":2'),
      (text: string) => text.replace('[{', '[{"algorithm":"none",'),
      (text: string) => text.slice(0, -1),
      () => '',
      () => '[]',
      (text: string) => text.padEnd(20_000),
    ])
      expect(await refusal(changed(change))).toBe('signatures_malformed');
  });
  it('signatures_malformed: a key of small order, which would sign everything', async () => {
    const neutral = toBase64url(new Uint8Array(32).fill(1, 0, 1));
    const text = changed((old) => old.replace(alice.ed25519, neutral));
    expect(await refusal(text)).toBe('signatures_malformed');
  });
});
