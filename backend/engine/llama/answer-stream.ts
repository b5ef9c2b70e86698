// Server-sent events of one answer.

import type { ServerResponse } from 'node:http';

/** Begins the stream; the result sends one event. */
export function openStream(response: ServerResponse): (data: unknown) => void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  });
  return (data) => void response.write(`data: ${JSON.stringify(data)}\n\n`);
}

/** Ends it as OpenAI's API does. */
export function closeStream(response: ServerResponse): void {
  response.end('data: [DONE]\n\n');
}
