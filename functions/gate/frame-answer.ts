// The headers that every answer of the edge carries: request id, CORS and the browser's safety switches.

import { OUTER_HEADER } from '../../shared/wire/header-names.ts';

// Credentials are bearer keys that a page sends by hand, never cookies, so any origin may ask.
const EVERY_ANSWER: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': [
    OUTER_HEADER.requestId,
    OUTER_HEADER.directory,
    OUTER_HEADER.incremental,
    'etag',
    'link',
    'retry-after',
    'www-authenticate',
  ].join(', '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // Nothing here is a page. An answer that a browser shows anyway can run and load nothing.
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'cross-origin',
  'strict-transport-security': 'max-age=31536000',
};

/** Sets them on an answer that was built here (its headers are mutable). */
export function frameAnswer(answer: Response, requestId: string): void {
  for (const [name, value] of Object.entries(EVERY_ANSWER)) answer.headers.set(name, value);
  answer.headers.set(OUTER_HEADER.requestId, requestId);
}

const ALLOWED_REQUEST_HEADERS = [
  OUTER_HEADER.authorization,
  'content-type',
  'if-none-match',
  OUTER_HEADER.key,
  OUTER_HEADER.pool,
  OUTER_HEADER.incremental,
].join(', ');

/** Answers a preflight for a path that browsers may use with these methods. */
export function preflight(methods: string): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-methods': methods,
      'access-control-allow-headers': ALLOWED_REQUEST_HEADERS,
      // Two hours: the longest that Chromium keeps one.
      'access-control-max-age': '7200',
    },
  });
}
