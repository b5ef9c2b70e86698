// Why the engine did not start or did not answer.

/** Every reason; stable. */
export type EngineErrorCode =
  /** The model's file is not there or cannot be read. */
  | 'engine_model_missing'
  /** The model's file is not the one that the deployment names. Nothing was started. */
  | 'engine_model_mismatch'
  /** A file of the engine's program is not the one that the deployment names, or cannot be read. Nothing was started. */
  | 'engine_program_mismatch'
  /** The program ended before it was ready. */
  | 'engine_start_failed'
  /** The program was not ready in time; it was stopped. */
  | 'engine_start_timeout'
  /** Nothing listens: stopped, crashed earlier, or never started. The request was not begun. */
  | 'engine_unavailable'
  /** The connection ended before the answer did. */
  | 'engine_crashed'
  /** The answer took longer than the cap. */
  | 'engine_timeout'
  /** The answer was longer than the cap. */
  | 'engine_answer_too_large'
  /** The answer is no HTTP, or a redirect, which is never followed. */
  | 'engine_answer_invalid'
  /** The caller's signal aborted the request. */
  | 'engine_aborted';

/** A failure of the engine. Carries no content: neither of the request nor of the answer. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
