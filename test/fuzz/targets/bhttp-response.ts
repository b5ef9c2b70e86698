// Fuzzes the response decoder under every way of delivery.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { decodeBhttpResponse } from '../../../shared/sealing/bhttp-response.ts';
import { SealingError } from '../../../shared/sealing/sealing-error.ts';
import { allowLater, must } from './allow.ts';
import { deliver, exhaust } from './delivery.ts';

export async function fuzz(input: Bytes): Promise<void> {
  await allowLater(async () => {
    const { status, body } = await decodeBhttpResponse(deliver(input), { maxHeaderBytes: 64 });
    must(status >= 200 && status <= 599, 'a status that is none');
    must((await exhaust(body)) < input.length, 'more content than octets');
  }, SealingError);
}
