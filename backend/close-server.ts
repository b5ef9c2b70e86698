// Ends an HTTP server with its last answer: what is sealed and paced outlives what the engine said.

import type { Server } from 'node:http';

const POLL_MILLISECONDS = 100;

/** Takes no more connections; resolves when every answer has been sent, or after so many milliseconds, when it ends what is left. */
export async function closeServer(server: Server, milliseconds: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // a connection that is kept alive gets idle with its last answer
  const poll = setInterval(() => server.closeIdleConnections(), POLL_MILLISECONDS);
  const late = setTimeout(() => server.closeAllConnections(), Math.max(0, milliseconds));
  server.closeIdleConnections();
  await closed;
  clearInterval(poll);
  clearTimeout(late);
}
