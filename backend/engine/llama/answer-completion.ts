// One text completion over HTTP: prompts as they are, one after another, each with as many choices as asked for.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Token } from 'node-llama-cpp';
import type { AnswerPiece } from './answer-piece.ts';
import { closeStream, openStream } from './answer-stream.ts';
import { ApiError } from './api-error.ts';
import { newHead } from './completion-head.ts';
import { type CompletionRequest, type Prompt, readCompletionRequest } from './completion-request.ts';
import { readStanding } from './engine-headers.ts';
import { SPARE_TOKENS } from './generate-chat.ts';
import { generateTokens } from './generate-tokens.ts';
import type { LoadedModel } from './load-model.ts';
import { readJson } from './read-json.ts';
import { tokenBias } from './sampler-options.ts';
import { sendJson } from './send-json.ts';
import type { ServerOptions } from './server-options.ts';
import { type TextChoice, textChunk, textUsageChunk, wholeText } from './text-completion.ts';

interface PreparedPrompt {
  readonly tokens: readonly Token[];
  readonly echo: string;
  readonly maxTokens: number;
}

/**
 * Answers `POST /v1/completions`.
 * @throws ApiError before the answer has begun.
 */
export async function answerCompletion(
  loaded: LoadedModel,
  options: ServerOptions,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const json = await readJson(incoming);
  const request = readCompletionRequest(json);
  if (request.model !== options.modelId)
    throw new ApiError('model_not_found', 'This engine does not serve that model.', 'model');
  tokenBias(loaded, request);
  const prompts = request.prompts.map((prompt) => prepare(loaded, request, prompt));
  const promptTokens = prompts.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const { salt, turn } = readStanding(incoming, json);
  const lease = await loaded.slots.take(gone.signal, turn);
  const { slot } = lease;
  const head = newHead(options.modelId, 'cmpl');
  const send = request.stream ? openStream(response) : undefined;
  try {
    await slot.enter(salt);
    const choices: TextChoice[] = [];
    for (const { tokens, echo, maxTokens } of prompts) {
      for (let choice = 0; choice < request.choices; choice++) {
        const index = choices.length;
        const pieces: AnswerPiece[] = [];
        const onPiece = (piece: AnswerPiece) => {
          if (send === undefined) pieces.push(piece);
          else send(textChunk(head, index, piece, null));
        };
        if (send !== undefined && echo !== '') send(textChunk(head, index, { text: echo }, null));
        const { stop, logprobs } = request;
        const task = { prompt: tokens, maxTokens, choice, stop, logprobs };
        const made = await generateTokens(loaded, slot, request, options, task, gone.signal, onPiece);
        const end = { ...made, promptTokens: tokens.length, completionTokens: made.tokens };
        send?.(textChunk(head, index, { text: '' }, end.finishReason));
        choices.push({ echo, pieces, end });
      }
    }
    if (send === undefined)
      return sendJson(response, 200, wholeText(head, choices, promptTokens, request.logprobs !== undefined));
    if (request.includeUsage) send(textUsageChunk(head, choices, promptTokens));
    closeStream(response);
  } finally {
    await slot.leave(salt);
    lease.release();
  }
}

function prepare(loaded: LoadedModel, request: CompletionRequest, prompt: Prompt): PreparedPrompt {
  const tokens = toTokens(loaded, prompt);
  const room = loaded.contextTokens - SPARE_TOKENS - tokens.length;
  if (room < 1)
    throw new ApiError(
      'context_length_exceeded',
      `The limit is ${loaded.contextTokens} tokens of prompt and answer together; a prompt alone has ${tokens.length}.`,
      'prompt',
    );
  const text = () => (typeof prompt === 'string' ? prompt : loaded.model.detokenize(tokens));
  return { tokens, echo: request.echo ? text() : '', maxTokens: Math.min(request.maxTokens ?? room, room) };
}

// Who sends a prompt as it is writes the template's marks as well: they count as marks.
function toTokens({ model, vocabulary }: LoadedModel, prompt: Prompt): Token[] {
  if (typeof prompt !== 'string') {
    if (prompt.some((token) => token >= vocabulary))
      throw new ApiError('invalid_value', 'The model has no such token.', 'prompt');
    return prompt.map((token) => token as Token);
  }
  const { bos, shouldPrependBosToken } = model.tokens;
  const tokens = model.tokenize(prompt, true);
  return shouldPrependBosToken && bos !== null && tokens[0] !== bos ? [bos, ...tokens] : tokens;
}
