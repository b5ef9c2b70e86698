// The routes of the llama server: health, models, chat completions, completions, embeddings.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { answerChat } from './answer-chat.ts';
import { answerCompletion } from './answer-completion.ts';
import { answerEmbeddings } from './answer-embeddings.ts';
import { ApiError, RETRY_AFTER_SECONDS } from './api-error.ts';
import type { LoadedModel } from './load-model.ts';
import { sendJson } from './send-json.ts';
import type { ServerOptions } from './server-options.ts';

/** What the server knows about its model while and after it loads. */
export interface LoadState {
  /** Share of the model read so far, 0 to 1. */
  progress: number;
  loaded: LoadedModel | undefined;
}

/** An HTTP server over `state`; it answers health at once and everything else when the model is loaded. */
export function createLlamaServer(options: ServerOptions, state: LoadState): Server {
  const started = Math.floor(Date.now() / 1000);
  const server = createServer((incoming, response) => {
    route(options, state, started, incoming, response).catch((error: unknown) => refuse(response, error));
  });
  // One peer, the adapter, behind one socket: it decides when a connection is done.
  server.keepAliveTimeout = 0;
  server.headersTimeout = 0;
  server.requestTimeout = 0;
  return server;
}

const ANSWERS: Readonly<Record<string, typeof answerChat>> = {
  '/v1/chat/completions': answerChat,
  '/v1/completions': answerCompletion,
  '/v1/embeddings': answerEmbeddings,
};

async function route(
  options: ServerOptions,
  state: LoadState,
  started: number,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (incoming.url ?? '').split('?', 1)[0] ?? '';
  if (path === '/health') {
    only('GET', incoming);
    return sendJson(response, state.loaded === undefined ? 503 : 200, health(state));
  }
  if (path === '/v1/models') {
    only('GET', incoming);
    const model = { id: options.modelId, object: 'model', created: started, owned_by: 'cloister' };
    return sendJson(response, 200, { object: 'list', data: [model] });
  }
  const answer = Object.hasOwn(ANSWERS, path) ? ANSWERS[path] : undefined;
  if (answer === undefined) throw new ApiError('not_found', 'This engine does not offer that route.');
  only('POST', incoming);
  if (state.loaded === undefined) throw new ApiError('engine_loading', 'The model is still loading.');
  return answer(state.loaded, options, incoming, response);
}

function only(method: 'GET' | 'POST', incoming: IncomingMessage): void {
  if (incoming.method !== method)
    throw new ApiError('method_not_allowed', `This route takes ${method} only.`);
}

function health(state: LoadState): unknown {
  if (state.loaded === undefined) return { status: 'loading', progress: state.progress };
  return {
    status: 'ready',
    progress: 1,
    ...state.loaded.slots.counts(),
    contextTokens: state.loaded.contextTokens,
  };
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  const known = error instanceof ApiError ? error : new ApiError('generation_failed', 'The engine failed.');
  if (!response.headersSent) {
    // An unread body would be taken for the next request.
    response.setHeader('connection', 'close');
    if (known.status === 503) response.setHeader('retry-after', RETRY_AFTER_SECONDS);
    sendJson(response, known.status, known.body());
    return;
  }
  // A stream that has begun cannot change its status. It is cut, so that it never looks complete; the adapter says why.
  response.destroy();
}
