// One chat completion over HTTP: reads it, waits for its turn, answers whole or streamed, stops when the caller is gone.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from './api-error.ts';
import {
  type CompletionHead,
  finishChunk,
  newHead,
  pieceChunk,
  roleChunk,
  usageChunk,
  wholeCompletion,
} from './chat-completion.ts';
import { type ChatRequest, readChatRequest } from './chat-request.ts';
import { type AnswerEnd, type AnswerPiece, generateChat, prepareChat } from './generate-chat.ts';
import type { LoadedModel } from './load-model.ts';
import { readJson } from './read-json.ts';
import { sendJson } from './send-json.ts';
import type { ServerOptions } from './server-options.ts';

type Generate = (onPiece: (piece: AnswerPiece) => void) => Promise<AnswerEnd>;

/**
 * Answers `POST /v1/chat/completions`. When the connection closes early, generation stops at the next token and the
 * sequence goes to whoever waits next.
 * @throws ApiError before the answer has begun.
 */
export async function answerChat(
  loaded: LoadedModel,
  options: ServerOptions,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const request = readChatRequest(await readJson(incoming));
  if (request.model !== options.modelId)
    throw new ApiError('model_not_found', 'This engine does not serve that model.', 'model');
  const chat = await prepareChat(loaded, request);
  const sequence = await loaded.slots.take(gone.signal);
  try {
    const generate: Generate = (onPiece) =>
      generateChat(loaded, sequence, request, chat, options, gone.signal, onPiece);
    const head = newHead(options.modelId);
    if (request.stream) await answerStreamed(response, head, request, generate);
    else await answerWhole(response, head, generate);
  } finally {
    loaded.slots.release(sequence);
  }
}

async function answerWhole(
  response: ServerResponse,
  head: CompletionHead,
  generate: Generate,
): Promise<void> {
  const pieces: AnswerPiece[] = [];
  const end = await generate((piece) => pieces.push(piece));
  sendJson(response, 200, wholeCompletion(head, pieces, end));
}

async function answerStreamed(
  response: ServerResponse,
  head: CompletionHead,
  request: ChatRequest,
  generate: Generate,
): Promise<void> {
  const send = (data: unknown) => response.write(`data: ${JSON.stringify(data)}\n\n`);
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  });
  send(roleChunk(head));
  const end = await generate((piece) => send(pieceChunk(head, piece)));
  send(finishChunk(head, end));
  if (request.includeUsage) send(usageChunk(head, end));
  response.end('data: [DONE]\n\n');
}
