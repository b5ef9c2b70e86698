// Why encrypted weights could not be brought into memory, apart from what their own format refuses.

/** Every reason; stable. */
export type WeightsLoadErrorCode =
  /** The encrypted file is not there or cannot be read. */
  | 'weights_missing'
  /** The header names other weights than the deployment: another SHA-256 or another size. Nothing was decrypted. */
  | 'weights_not_as_deployed'
  /** The key has not been given to this node. */
  | 'weights_key_unavailable'
  /** The key lies in a file that others may read. */
  | 'weights_key_exposed'
  /** No file system here keeps files in memory only. Nothing was decrypted. */
  | 'weights_memory_unavailable'
  /** Less memory is free than the weights need. Nothing was decrypted. */
  | 'weights_memory_short';

const MESSAGES: Readonly<Record<WeightsLoadErrorCode, string>> = {
  weights_missing: 'the file of encrypted weights cannot be read',
  weights_not_as_deployed: 'the encrypted weights are not those that the deployment names',
  weights_key_unavailable: 'this node has not been given the key of the weights',
  weights_key_exposed: 'the key of the weights lies in a file that others than its owner may read',
  weights_memory_unavailable: 'there is no file system in memory for the weights: mount a tmpfs on /dev/shm',
  weights_memory_short: 'not enough memory is free for the weights',
};

/** A refusal. The message holds no content and no key. */
export class WeightsLoadError extends Error {
  override readonly name = 'WeightsLoadError';
  readonly code: WeightsLoadErrorCode;
  /** @param detail more for the operator: sizes. */
  constructor(code: WeightsLoadErrorCode, detail?: string) {
    super(detail === undefined ? MESSAGES[code] : `${MESSAGES[code]}: ${detail}`);
    this.code = code;
  }
}
