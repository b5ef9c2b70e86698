// What a client seals with unless it is told otherwise: WebCrypto, and Node's own records where there are some.

import { nodeRecordKey } from './node-records.ts';
import type { SealingProvider } from './provider.ts';
import { webCryptoProvider } from './webcrypto-provider.ts';

/**
 * WebCrypto for everything that an exchange does once. The records of an answer go through `node:crypto` where the runtime hands it out: an
 * answer has hundreds of small ones, and in Node each of WebCrypto's goes to another thread and back, which takes longer than opening it.
 * The choice is made as it runs, at the first answer, and not by a conditional export: one build for all, and nothing to resolve wrongly.
 */
export const localProvider: SealingProvider = {
  ...webCryptoProvider,
  importRecordKey: (aeadId, key) =>
    nodeRecordKey(aeadId, key) ?? webCryptoProvider.importRecordKey(aeadId, key),
};
