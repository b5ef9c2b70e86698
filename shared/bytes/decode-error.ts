// The one error of this room: text that is not the encoding it claims to be.

/** Text that a strict decoder refused. `code` is stable: `bytes_invalid_encoding`. Never carries the text. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly code = 'bytes_invalid_encoding';
  constructor(encoding: 'base64url' | 'base64' | 'hex' | 'utf-8') {
    super(`not valid ${encoding}`);
  }
}
