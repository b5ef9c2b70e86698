// Sealing one record of a streamed answer, and bulk in records of 16 KiB, against bare AES-GCM calls of the same interface.

import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { openResponseStream } from '../../shared/sealing/open-response.ts';
import type { SealingProvider } from '../../shared/sealing/provider.ts';
import { makeResponseSealer } from '../../shared/sealing/response-sealer.ts';
import { HYBRID_SUITE } from '../../shared/sealing/suite.ts';
import { webCryptoProvider } from '../../shared/sealing/webcrypto-provider.ts';
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

function startedSealer(provider: SealingProvider) {
  const sealer = makeResponseSealer(MEDIA_TYPE.chunkedRequest, secret, provider, provider.random);
  const nonce = sealer.start();
  return { nonce, seal: (octets: Uint8Array) => sealer.seal(octets), finish: () => sealer.finish() };
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

type Calls = (octets: number) => Promise<() => Promise<void> | void>;

/** Opens as many records as the bulk has, each its own octets: one record again and again would never leave the processor's cache. */
const bareOpen: Calls = async (octets) => {
  const nonce = randomBytes(12);
  const records = Array.from({ length: BULK_RECORDS }, () => {
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    const sealed = cipher.update(randomBytes(octets));
    cipher.final();
    return { sealed, tag: cipher.getAuthTag() };
  });
  return () => {
    for (const { sealed, tag } of records) {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce);
      decipher.setAuthTag(tag);
      decipher.update(sealed);
      decipher.final();
    }
  };
};

async function webKey() {
  const imported = await crypto.subtle.importKey('raw', randomBytes(32), 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ]);
  return { key: imported, algorithm: { name: 'AES-GCM', iv: randomBytes(12) } };
}

/** The same through WebCrypto: as many calls at once as our stream has. */
const bareWebOpen: Calls = async (octets) => {
  const { key, algorithm } = await webKey();
  const sealed = await Promise.all(
    Array.from({ length: BULK_RECORDS }, () => crypto.subtle.encrypt(algorithm, key, randomBytes(octets))),
  );
  return () => eightAtOnce((i) => crypto.subtle.decrypt(algorithm, key, sealed[i] as ArrayBuffer));
};

const bareWebSeal: Calls = async (octets) => {
  const { key, algorithm } = await webKey();
  const plaintext = new Uint8Array(randomBytes(octets));
  return () => eightAtOnce(() => crypto.subtle.encrypt(algorithm, key, plaintext));
};

async function eightAtOnce(call: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const turn = async (): Promise<void> => {
    while (next < BULK_RECORDS) await call(next++);
  };
  await Promise.all(Array.from({ length: 8 }, turn));
}

async function bulkOpener(provider: SealingProvider): Promise<() => Promise<void>> {
  const sealer = startedSealer(nodeCryptoProvider);
  const parts: Bytes[] = [sealer.nonce];
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
    const reader = openResponseStream(body, secret, provider).getReader();
    while (!(await reader.read()).done);
  };
}

/** Figures `seal-record-256` (µs), `seal-records` (records/s on one core), `bulk-seal` and `bulk-open` (MiB/s), over both providers. */
export const sealRecordFigures: FigureGroup = async function* () {
  const sealer = startedSealer(nodeCryptoProvider);
  const record = new Uint8Array(randomBytes(SMALL));
  const small = await measure({ ours: repeat(() => sealer.seal(record)), bare: repeat(bareSeal(SMALL)) });
  yield figure('seal-record-256', small.ours, 'µs', small.bare);
  yield figure('seal-records', 1e6 / small.ours, 'records/s', 1e6 / small.bare);

  const full = new Uint8Array(randomBytes(FULL));
  const bulkSealer = startedSealer(nodeCryptoProvider);
  const webSealer = startedSealer(webCryptoProvider);
  const bare = bareSeal(FULL);
  const bulk = await measure({
    seal: repeat(() => {
      for (let i = 0; i < BULK_RECORDS; i++) bulkSealer.seal(full);
    }),
    bareSeal: repeat(() => {
      for (let i = 0; i < BULK_RECORDS; i++) bare();
    }),
    open: repeatAsync(await bulkOpener(nodeCryptoProvider)),
    bareOpen: repeatAsync(await bareOpen(FULL)),
    webSeal: repeatAsync(() => eightAtOnce(async () => webSealer.seal(full))),
    bareWebSeal: repeatAsync(await bareWebSeal(FULL)),
    webOpen: repeatAsync(await bulkOpener(webCryptoProvider)),
    bareWebOpen: repeatAsync(await bareWebOpen(FULL)),
  });
  const perSecond = (microseconds: number) => (1e6 * BULK_MEBIBYTES) / microseconds;
  yield figure('bulk-seal', perSecond(bulk.seal), 'MiB/s', perSecond(bulk.bareSeal));
  yield figure('bulk-open', perSecond(bulk.open), 'MiB/s', perSecond(bulk.bareOpen));
  yield figure('bulk-seal-webcrypto', perSecond(bulk.webSeal), 'MiB/s', perSecond(bulk.bareWebSeal));
  yield figure('bulk-open-webcrypto', perSecond(bulk.webOpen), 'MiB/s', perSecond(bulk.bareWebOpen));
};
