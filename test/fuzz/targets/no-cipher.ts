// A provider without cryptography, so that a fuzzer reaches what lies behind authentication. For fuzzing only.

import type { CipherSuite, Key } from 'hpke';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import type { SealingProvider } from '../../../shared/sealing/provider.ts';
import { SealingError } from '../../../shared/sealing/sealing-error.ts';

const TAG_OCTETS = 16;

/** Authentic is what does not end in 0xff. */
function open(sealed: Uint8Array): Bytes {
  if (sealed.length < TAG_OCTETS || sealed.at(-1) === 0xff) throw new SealingError('open_failed');
  return sealed.slice(0, -TAG_OCTETS) as Bytes;
}

const recipient = {
  Open: async (sealed: Uint8Array) => open(sealed),
  Export: async (_: Uint8Array, octets: number) => new Uint8Array(octets),
};

/** Opens everything, into itself without the tag. */
export const noCipherProvider: SealingProvider = {
  cipherSuite: () =>
    ({
      SetupRecipient: async () => recipient,
      GenerateKeyPair: async () => ({}),
      SerializePublicKey: async () => new Uint8Array(32).fill(9),
    }) as unknown as CipherSuite<Key>,
  importRecordKey: () => ({
    seal: (_, __, ___, plaintext) => plaintext as Bytes,
    open: (_, __, sealed) => open(sealed),
  }),
  extract: () => new Uint8Array(32),
  expand: (_, __, octets) => new Uint8Array(octets),
  random: (octets) => new Uint8Array(octets),
};
