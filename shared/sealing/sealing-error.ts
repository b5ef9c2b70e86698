// The one error of this room: something sealed, or about to be sealed, that a rule refuses.

/** Why something was refused. Closed and stable; docs and tests name every member. */
export type SealingErrorCode =
  /** A key configuration list, or a public key in it, that RFC 9458 section 3 does not allow. */
  | 'key_config_malformed'
  /** No suite that both sides have, or one outside the profile. */
  | 'suite_unsupported'
  /** No such key, or one that was erased. */
  | 'key_unknown'
  /** Sealed octets whose header or encapsulated secret cannot be right. */
  | 'request_malformed'
  /** The body ended before its authenticated end. */
  | 'request_truncated'
  /** More octets than the caller's limits. */
  | 'request_too_large'
  | 'response_malformed'
  /** The body ended before its authenticated end: what was read so far is genuine, but not all. */
  | 'response_truncated'
  /** A chunk announces, or is, more than the largest chunk. */
  | 'chunk_too_large'
  /** A non-final chunk without content (draft-ietf-ohai-chunked-ohttp-08 forbids it since -07). */
  | 'chunk_empty'
  /** More chunks in one message than one AEAD key may protect. */
  | 'chunk_limit'
  /** Decapsulation or authentication failed. One code for both: the difference would be an oracle. */
  | 'open_failed'
  | 'bhttp_malformed'
  | 'bhttp_truncated'
  | 'bhttp_too_large'
  /** Something single-use was used again, out of order, or after its end. */
  | 'closed';

/** Which direction a parser reads, for the code of what it refuses. */
export type Direction = 'request' | 'response';

/** A refusal. `code` says which rule; the message holds no content, key, nonce or ciphertext. */
export class SealingError extends Error {
  override readonly name = 'SealingError';
  readonly code: SealingErrorCode;
  constructor(code: SealingErrorCode) {
    super(`sealing: ${code.replaceAll('_', ' ')}`);
    this.code = code;
  }
}
