// Fuzzes the gateway's reading of a chunked request, without cryptography behind it.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { generateGatewayKey } from '../../../shared/sealing/gateway-key.ts';
import { receiveRequest } from '../../../shared/sealing/open-request.ts';
import { SealingError } from '../../../shared/sealing/sealing-error.ts';
import { X25519_SUITE } from '../../../shared/sealing/suite.ts';
import { MEDIA_TYPE } from '../../../shared/wire/media-types.ts';
import { allowLater, must } from './allow.ts';
import { deliver } from './delivery.ts';
import { noCipherProvider } from './no-cipher.ts';

const key = await generateGatewayKey({ keyId: 1, suites: [X25519_SUITE], provider: noCipherProvider });
const MAX_PLAINTEXT = 200;

export async function fuzz(input: Bytes): Promise<void> {
  await allowLater(async () => {
    const { plaintext } = await receiveRequest({
      type: MEDIA_TYPE.chunkedRequest,
      body: deliver(input),
      findKey: (keyId) => (keyId === 1 ? key : undefined),
      maxPlaintextBytes: MAX_PLAINTEXT,
      maxBodyBytes: 400,
      provider: noCipherProvider,
    });
    must(plaintext.length <= MAX_PLAINTEXT, 'a plaintext above its limit');
  }, SealingError);
}
