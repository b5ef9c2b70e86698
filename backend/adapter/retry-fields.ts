// What a sealed error tells SDKs about asking again: OpenAI's retry 409 and 5xx by themselves unless told otherwise.

import type { FieldLines } from '../../shared/sealing/bhttp-fields.ts';
import type { PublicErrorCode } from '../../shared/wire/public-error.ts';

/** A running generation may take minutes; a second is short enough to notice that a lost one was cancelled. */
const IN_PROGRESS_MILLISECONDS = '1000';

/** Of all errors only those that started nothing and may pass are worth another try of the same request. */
export function retryFields(code: PublicErrorCode): FieldLines {
  switch (code) {
    case 'engine_unavailable':
      return [['x-should-retry', 'true']];
    case 'in_progress':
      return [
        ['x-should-retry', 'true'],
        ['retry-after-ms', IN_PROGRESS_MILLISECONDS],
      ];
    default:
      return [['x-should-retry', 'false']];
  }
}
