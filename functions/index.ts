// The Worker: one edge per isolate, and the Durable Object class that keeps its nodes.

import { createEdge } from './create-edge.ts';

export { Pool } from './directory/pool.ts';

export default createEdge({
  now: () => new Date(),
  randomOctets: (count) => crypto.getRandomValues(new Uint8Array(count)),
  fetch: (input, init) => fetch(input, init),
  // biome-ignore lint/suspicious/noConsole: a Worker has no other way to log; only closed events get here.
  log: (event) => console.log(JSON.stringify(event)),
});
