// One embeddings request over HTTP.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from './api-error.ts';
import type { Embedding } from './embedder.ts';
import { readEmbeddingRequest } from './embedding-request.ts';
import { readStanding } from './engine-headers.ts';
import type { LoadedModel } from './load-model.ts';
import { readJson } from './read-json.ts';
import { sendJson } from './send-json.ts';
import type { ServerOptions } from './server-options.ts';

/**
 * Answers `POST /v1/embeddings`: one vector of length 1 for each input, in their order. When the connection closes early, it stops
 * before the next input.
 * @throws ApiError
 */
export async function answerEmbeddings(
  { embedder, vocabulary }: LoadedModel,
  options: ServerOptions,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const json = await readJson(incoming);
  const { model, inputs, encoding } = readEmbeddingRequest(json);
  if (model !== options.modelId)
    throw new ApiError('model_not_found', 'This engine does not serve that model.', 'model');
  for (const input of inputs)
    if (typeof input !== 'string' && input.some((token) => token >= vocabulary))
      throw new ApiError('invalid_value', 'The model has no such token.', 'input');
  const { share } = readStanding(incoming, json).turn;
  const lease = await embedder.slots.take(gone.signal, share === undefined ? {} : { share });
  try {
    const embeddings: Embedding[] = [];
    for (const input of inputs) {
      gone.signal.throwIfAborted();
      embeddings.push(await embedder.embed(input));
    }
    const tokens = embeddings.reduce((sum, embedding) => sum + embedding.tokens, 0);
    sendJson(response, 200, {
      object: 'list',
      model,
      data: embeddings.map(({ vector }, index) => ({
        object: 'embedding',
        index,
        embedding: encoding === 'float' ? vector : toBase64(vector),
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  } finally {
    lease.release();
  }
}

// Single-precision numbers, little-endian, as OpenAI's SDKs read them.
function toBase64(vector: readonly number[]): string {
  const octets = Buffer.alloc(4 * vector.length);
  for (const [index, part] of vector.entries()) octets.writeFloatLE(part, 4 * index);
  return octets.toString('base64');
}
