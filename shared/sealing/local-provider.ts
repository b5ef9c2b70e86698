// What a client seals with unless it is told otherwise: WebCrypto, and Node's own records where there are some.

import { nodeRecords } from './node-records.ts';
import type { SealingProvider } from './provider.ts';
import { webCryptoProvider } from './webcrypto-provider.ts';

/** Asked at each use: nothing is touched before the first. */
const answers = () => nodeRecords() ?? webCryptoProvider;

/**
 * WebCrypto for a request, which is one record or a few. An answer goes through `node:crypto` where the runtime hands it out: it has
 * hundreds of small records, and in Node each of WebCrypto's goes to another thread and back, which takes longer than opening it.
 * The choice is made as it runs and not by a conditional export: one build for all, and nothing that a bundler could resolve wrongly.
 */
export const localProvider: SealingProvider = {
  ...webCryptoProvider,
  extract: (salt, ikm) => answers().extract(salt, ikm),
  expand: (prk, info, octets) => answers().expand(prk, info, octets),
  importRecordKey: (aeadId, key) => answers().importRecordKey(aeadId, key),
};
