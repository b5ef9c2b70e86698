// Fuzzes the client's reading of a chunked response, without cryptography behind it.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { openResponseStream } from '../../../shared/sealing/open-response.ts';
import { SealingError } from '../../../shared/sealing/sealing-error.ts';
import { X25519_SUITE } from '../../../shared/sealing/suite.ts';
import { allowLater, must } from './allow.ts';
import { deliver, exhaust } from './delivery.ts';
import { noCipherProvider } from './no-cipher.ts';

const secret = { suite: X25519_SUITE, enc: new Uint8Array(32), secret: new Uint8Array(16) };

export async function fuzz(input: Bytes): Promise<void> {
  await allowLater(async () => {
    const octets = await exhaust(openResponseStream(deliver(input), secret, noCipherProvider));
    // Delivery (1), nonce (16), final prefix (1) and tag (16) at least.
    must(octets <= input.length - 34, 'more plaintext than there were octets for');
  }, SealingError);
}
