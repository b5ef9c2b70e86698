// Why a model could not be had.

/**
 * Why one source did not give the model:
 * - `absent`: there is nothing to ask (no such file, no pip on this machine).
 * - `unreachable`: nobody answered in time.
 * - `refused`: the source answered, but not with the file.
 * - `wrong_digest`: what came is not the pinned file; it was removed.
 */
export type SourceErrorCode = 'absent' | 'unreachable' | 'refused' | 'wrong_digest';

/** One source's failure. The message is for the person who waits for the model. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly code: SourceErrorCode;
  constructor(code: SourceErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A source that was tried, and why it did not give the model. */
export interface FailedSource {
  readonly source: string;
  readonly code: SourceErrorCode;
  readonly reason: string;
}

/** No source gave the model. The message names every one that was tried and how to bring the file oneself. */
export class ModelUnavailableError extends Error {
  override readonly name = 'ModelUnavailableError';
  readonly code = 'model_unavailable';
  readonly tried: readonly FailedSource[];
  constructor(
    model: { readonly name: string; readonly file: string; readonly sha256: string },
    tried: readonly FailedSource[],
  ) {
    super(
      [
        `${model.name} could not be had. Tried:`,
        ...tried.map(({ source, reason }) => `  ${source}: ${reason}`),
        `Bring the file ${model.file} (SHA-256 ${model.sha256}) from anywhere and name its path.`,
      ].join('\n'),
    );
    this.tried = tried;
  }
}
