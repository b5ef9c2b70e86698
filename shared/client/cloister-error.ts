// What can go wrong on the client's side once a request was asked for. Verification has its own error (verifier/).

export type CloisterErrorCode =
  /** The edge did not answer at all. Nothing was sent, or whether it arrived is not known. */
  | 'edge_unreachable'
  /** The directory listed no node that could serve. Nothing was sent. */
  | 'no_node_available'
  /** What the directory gave is not a directory answer. Nothing was sent. */
  | 'directory_malformed'
  /** A success that was not sealed. It is not from the node; its body was not read. */
  | 'unsealed_response'
  /** The answer ended before its authenticated end: what came until then is genuine, and incomplete. */
  | 'stream_truncated'
  /** The answer was altered on the way, or is not for this request. Nothing after the last good piece was handed out. */
  | 'response_corrupted'
  /** The request uses something that cannot be sealed. Nothing was sent. */
  | 'request_unsupported';

/** A client-side failure with a stable `code`; never carries content. */
export class CloisterError extends Error {
  override readonly name: string = 'CloisterError';
  readonly code: CloisterErrorCode;
  constructor(code: CloisterErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The answer was cut: a crash, a lost connection, or someone between. A cut answer never ends like a finished one. */
export class StreamTruncatedError extends CloisterError {
  override readonly name = 'StreamTruncatedError';
  constructor(options?: ErrorOptions) {
    super(
      'stream_truncated',
      'The answer was cut before its end. What you have is genuine but incomplete. Ask again.',
      options,
    );
  }
}
