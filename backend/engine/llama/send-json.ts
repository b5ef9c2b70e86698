// Sends one JSON body and ends the response.

import type { ServerResponse } from 'node:http';

/** Sends `body`; does nothing when the other side has gone. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed || response.headersSent) return;
  const octets = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': octets.length,
    'cache-control': 'no-store',
  });
  response.end(octets);
}
