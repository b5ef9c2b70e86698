// Reads the body of an embeddings request.

import { ApiError } from './api-error.ts';
import { type Prompt, readPrompts } from './completion-request.ts';
import { asBody, invalid, readModel, whole } from './request-values.ts';

/** A checked embeddings request. */
export interface EmbeddingRequest {
  readonly model: string;
  readonly inputs: readonly Prompt[];
  readonly encoding: 'float' | 'base64';
}

export const MAX_INPUTS = 2048;

/**
 * Checks the parsed JSON of an embeddings request. `dimensions` is refused: cutting a vector is for models that were trained for it.
 * @throws ApiError with the member's name as `param`.
 */
export function readEmbeddingRequest(json: unknown): EmbeddingRequest {
  const body = asBody(json);
  const encoding = body.encoding_format ?? 'float';
  if (encoding !== 'float' && encoding !== 'base64') throw invalid('encoding_format', 'float or base64');
  if (whole(body.dimensions, 'dimensions', 1) !== undefined)
    throw new ApiError('unsupported_parameter', 'This engine does not offer dimensions.', 'dimensions');
  return { model: readModel(body), inputs: readPrompts(body, 'input', MAX_INPUTS), encoding };
}
