// Sealing one record of a streamed answer, and bulk in records of 16 KiB, against bare AES-GCM calls through node:crypto.

import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { openResponseStream } from '../../shared/sealing/open-response.ts';
import { makeResponseSealer, type ResponseSealer } from '../../shared/sealing/response-sealer.ts';
import { HYBRID_SUITE } from '../../shared/sealing/suite.ts';
import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';
import { type FigureGroup, figure, measure, repeat, repeatAsync } from './measure.ts';

const SMALL = 256;
const FULL = 16 * 1024;
const BULK_RECORDS = 256;
const BULK_MEBIBYTES = (FULL * BULK_RECORDS) / 2 ** 20;

const secret = {
  suite: HYBRID_SUITE,
  enc: new Uint8Array(1120).fill(1),
  secret: new Uint8Array(32).fill(2),
};

function startedSealer(): ResponseSealer {
  const sealer = makeResponseSealer(
    MEDIA_TYPE.chunkedRequest,
    secret,
    nodeCryptoProvider,
    nodeCryptoProvider.random,
  );
  sealer.start();
  return sealer;
}

const key = createSecretKey(randomBytes(32));

function bareSeal(octets: number): () => void {
  const plaintext = randomBytes(octets);
  const nonce = randomBytes(12);
  return () => {
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.update(plaintext);
    cipher.final();
    cipher.getAuthTag();
  };
}

function bareOpen(octets: number): () => void {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const sealed = cipher.update(randomBytes(octets));
  cipher.final();
  const tag = cipher.getAuthTag();
  return () => {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAuthTag(tag);
    decipher.update(sealed);
    decipher.final();
  };
}

async function bulkOpener(): Promise<() => Promise<void>> {
  const sealer = makeResponseSealer(
    MEDIA_TYPE.chunkedRequest,
    secret,
    nodeCryptoProvider,
    nodeCryptoProvider.random,
  );
  const parts: Bytes[] = [sealer.start()];
  for (let i = 0; i < BULK_RECORDS; i++) parts.push(await sealer.seal(randomBytes(FULL)));
  parts.push(await sealer.finish());
  return async () => {
    let next = 0;
    const body = new ReadableStream<Bytes>({
      pull(controller) {
        const part = parts[next++];
        if (part === undefined) controller.close();
        else controller.enqueue(part);
      },
    });
    const reader = openResponseStream(body, secret, nodeCryptoProvider).getReader();
    while (!(await reader.read()).done);
  };
}

/** Figures `seal-record-256` (µs), `seal-records` (records/s on one core), `bulk-seal` and `bulk-open` (MiB/s). */
export const sealRecordFigures: FigureGroup = async function* () {
  const sealer = startedSealer();
  const record = new Uint8Array(randomBytes(SMALL));
  const small = await measure({ ours: repeat(() => sealer.seal(record)), bare: repeat(bareSeal(SMALL)) });
  yield figure('seal-record-256', small.ours, 'µs', small.bare);
  yield figure('seal-records', 1e6 / small.ours, 'records/s', 1e6 / small.bare);

  const full = new Uint8Array(randomBytes(FULL));
  const bulkSealer = startedSealer();
  const open = await bulkOpener();
  const bulk = await measure({
    seal: repeat(() => bulkSealer.seal(full)),
    bareSeal: repeat(bareSeal(FULL)),
    open: repeatAsync(open),
    bareOpen: repeat(bareOpen(FULL)),
  });
  const perSecond = (microseconds: number, mebibytes: number) => (1e6 * mebibytes) / microseconds;
  const one = FULL / 2 ** 20;
  yield figure('bulk-seal', perSecond(bulk.seal, one), 'MiB/s', perSecond(bulk.bareSeal, one));
  yield figure('bulk-open', perSecond(bulk.open, BULK_MEBIBYTES), 'MiB/s', perSecond(bulk.bareOpen, one));
};
