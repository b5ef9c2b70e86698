// One chat completion over HTTP: reads it, waits for its turn, answers whole or streamed, stops when the caller is gone.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AnswerEnd, AnswerPiece } from './answer-piece.ts';
import { closeStream, openStream } from './answer-stream.ts';
import { ApiError } from './api-error.ts';
import {
  type Choice,
  finishChunk,
  pieceChunk,
  roleChunk,
  usageChunk,
  wholeCompletion,
} from './chat-completion.ts';
import { readChatRequest } from './chat-request.ts';
import { newHead } from './completion-head.ts';
import { readStanding } from './engine-headers.ts';
import { generateChat, prepareChat } from './generate-chat.ts';
import type { LoadedModel } from './load-model.ts';
import { readJson } from './read-json.ts';
import { sendJson } from './send-json.ts';
import type { ServerOptions } from './server-options.ts';

/**
 * Answers `POST /v1/chat/completions`. When the connection closes early, generation stops at the next token and the
 * sequence goes to whoever's turn is next. Several choices are generated one after another on one sequence.
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
  const json = await readJson(incoming);
  const request = readChatRequest(json);
  if (request.model !== options.modelId)
    throw new ApiError('model_not_found', 'This engine does not serve that model.', 'model');
  const chat = await prepareChat(loaded, request);
  const { salt, turn } = readStanding(incoming, json);
  const lease = await loaded.slots.take(gone.signal, turn);
  const { slot } = lease;
  const head = newHead(options.modelId, 'chatcmpl');
  const generate = (index: number, onPiece: (piece: AnswerPiece) => void) =>
    generateChat(loaded, slot, request, chat, options, index, gone.signal, onPiece);
  try {
    await slot.enter(salt);
    if (!request.stream) {
      const choices: Choice[] = [];
      for (let index = 0; index < request.choices; index++) {
        const pieces: AnswerPiece[] = [];
        choices.push({ pieces, end: await generate(index, (piece) => pieces.push(piece)) });
      }
      return sendJson(response, 200, wholeCompletion(head, choices, request.logprobs !== undefined));
    }
    const send = openStream(response);
    const ends: AnswerEnd[] = [];
    for (let index = 0; index < request.choices; index++) {
      send(roleChunk(head, index));
      const end = await generate(index, (piece) => send(pieceChunk(head, index, piece)));
      send(finishChunk(head, index, end));
      ends.push(end);
    }
    if (request.includeUsage) send(usageChunk(head, ends));
    closeStream(response);
  } finally {
    await slot.leave(salt);
    lease.release();
  }
}
