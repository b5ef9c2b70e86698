// Puts an inner request into the engine's words: route, limits and features first, then what the engine must not see goes.

import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { INNER_HEADER } from '../../../shared/wire/header-names.ts';
import { PUBLIC_ERRORS, type PublicErrorCode, publicErrorBody } from '../../../shared/wire/public-error.ts';
import { checkFeatures } from '../limits/check-features.ts';
import { checkLimits, type LimitedApi } from '../limits/check-limits.ts';
import { type JsonBody, readJsonBody } from '../limits/read-json-body.ts';
import { headerValue, type InnerRequest } from '../open-request.ts';
import { Refusal, type RefusalDetail } from '../refusal.ts';
import { CACHE_SALT_HEADER } from './engine-traits.ts';
import { MessagesWriter, messagesError } from './messages-answer.ts';
import { readMessagesRequest, wantsThinking } from './messages-request.ts';
import { ResponsesWriter } from './responses-answer.ts';
import { readResponsesRequest } from './responses-request.ts';
import { translateAnswer } from './translate-answer.ts';
import type { Offer, Translation } from './translation.ts';
import { WITHHELD_MEMBERS } from './withheld-members.ts';

/** What is known of a route: the requests that it takes, if they have a body. */
const APIS: Readonly<Record<string, LimitedApi | undefined>> = {
  'GET /v1/models': undefined,
  'POST /v1/chat/completions': 'chat',
  'POST /v1/completions': 'completions',
  'POST /v1/embeddings': 'embeddings',
  'POST /v1/responses': 'responses',
  'POST /v1/messages': 'messages',
};
const CHAT_PATH = '/v1/chat/completions';
const MESSAGES_PATH = '/v1/messages';

/** Every route that the adapter can serve; a deployment offers some of them. */
export const SERVABLE_ROUTES: readonly string[] = Object.keys(APIS);

/**
 * What to ask the engine for an inner request.
 * @throws Refusal `route_not_offered`, and whatever is refused before a request is queued (limits/).
 */
export function translateRequest(inner: InnerRequest, offer: Offer): Translation {
  // A query chooses nothing here; Anthropic's clients send `?beta=true`.
  const path = inner.path.split('?', 1)[0] as string;
  const route = `${inner.method} ${path}`;
  if (!offer.routes.includes(route) || !Object.hasOwn(APIS, route)) throw new Refusal('route_not_offered');
  const api = APIS[route];
  if (api === undefined) return passOn(inner.method, path, inner, offer);
  const body = readJsonBody(inner.body);
  if (body.value.store === true) throw new Refusal('nothing_retained', { param: 'store' });
  checkLimits(api, body.value);
  if (api !== 'responses' && api !== 'messages') {
    checkFeatures(body.value, offer.features);
    return passOn(inner.method, path, inner, offer, body);
  }
  const [chat, writer] =
    api === 'responses'
      ? [readResponsesRequest(body.exact), new ResponsesWriter(body.value, offer)]
      : [readMessagesRequest(body.exact), new MessagesWriter(offer, wantsThinking(body.value))];
  checkFeatures(chat, offer.features);
  // Read above all the same: what is refused does not depend on who translates.
  if (offer.traits.nativeRoutes.includes(route)) return passOn(inner.method, path, inner, offer, body);
  const asked = readJsonBody(toUtf8(JSON.stringify(chat)));
  return {
    request: passOn(inner.method, CHAT_PATH, inner, offer, asked).request,
    answer: (response) => translateAnswer(response, writer),
    failureEvent: (code) => writer.failure(code),
  };
}

/** What a client is told of an error on a path, in the words of that path's API. */
export function errorBody(path: string, code: PublicErrorCode, detail?: RefusalDetail): object {
  const body = publicErrorBody(code, detail?.message, detail?.param);
  return path.split('?', 1)[0] === MESSAGES_PATH
    ? messagesError(PUBLIC_ERRORS[code].status, body.error)
    : body;
}

// OpenAI's own requests: the client's octets, less what the engine must not see, and the salt.
function passOn(
  method: string,
  path: string,
  inner: InnerRequest,
  { traits, salts }: Offer,
  body?: JsonBody,
): Translation {
  const salt = salts.saltOf(headerValue(inner.headers, INNER_HEADER.session));
  const added: [string, unknown][] = [];
  if (traits.cacheSalt === 'member') added.push(['cache_salt', salt]);
  if (traits.cacheSalt === 'no-reuse') added.push(['cache_prompt', false]);
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (body !== undefined && traits.cacheSalt === 'header') headers[CACHE_SALT_HEADER] = salt;
  return {
    request: {
      method,
      path,
      headers,
      body: body === undefined ? new Uint8Array(0) : body.edit(WITHHELD_MEMBERS, added),
    },
    answer: async (response) => response,
    failureEvent: (code) => `data: ${JSON.stringify(publicErrorBody(code))}\n\n`,
  };
}
