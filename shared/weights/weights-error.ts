// The one error of this room: encrypted weights, or a key for them, that a rule refuses.

/** Why something was refused. Closed and stable; docs and tests name every member. */
export type WeightsErrorCode =
  /** Not the header of encrypted weights, or a field outside its range. */
  | 'weights_header_malformed'
  /** A version or an algorithm that this program does not know. */
  | 'weights_version_unsupported'
  /** Text that is no weight key. */
  | 'weights_key_malformed'
  /** A genuine key, but not the one that the header names. */
  | 'weights_key_wrong'
  /** The octets end before the last chunk does. */
  | 'weights_truncated'
  /** Octets follow the last chunk. */
  | 'weights_trailing_octets'
  /** A chunk is not authentic at this place of this file: changed, moved, or sealed for another header. */
  | 'weights_chunk_forged'
  /** All chunks are authentic, and together not what the header says: the SHA-256 differs. */
  | 'weights_digest_mismatch'
  /** The plaintext to be sealed is not as long as its header says: the file changed meanwhile. */
  | 'weights_input_changed'
  /** No octets, or more than 2^32 chunks hold. */
  | 'weights_length_unsupported';

const MESSAGES: Readonly<Record<WeightsErrorCode, string>> = {
  weights_header_malformed: 'this is no file of encrypted weights, or its header is damaged',
  weights_version_unsupported:
    'the encrypted weights have a version or an algorithm that this program does not know',
  weights_key_malformed: 'this is no weight key',
  weights_key_wrong: 'the weights were encrypted under another key',
  weights_truncated: 'the encrypted weights are cut short',
  weights_trailing_octets: 'octets follow the end of the encrypted weights',
  weights_chunk_forged: 'a chunk of the encrypted weights is not authentic',
  weights_digest_mismatch: 'the decrypted weights do not have the SHA-256 that their header names',
  weights_input_changed: 'the weights changed while they were read',
  weights_length_unsupported: 'weights must have at least one octet and at most 2^32 chunks',
};

/** A refusal. The message holds no key, nonce or content. */
export class WeightsError extends Error {
  override readonly name = 'WeightsError';
  readonly code: WeightsErrorCode;
  constructor(code: WeightsErrorCode) {
    super(MESSAGES[code]);
    this.code = code;
  }
}
