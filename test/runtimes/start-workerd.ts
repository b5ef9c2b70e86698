// An entry inside workerd, through miniflare.

import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { unstable_readConfig as readConfig } from 'wrangler';
import { bundle, type Reply, type Runtime, readReply } from './runtime.ts';

const TAIL = `
export default { async fetch(request) {
  const { name, args } = await request.json();
  return Response.json(await answer(name, args));
} };`;

/** Starts workerd, with the compatibility date and flags that the edge is deployed with. */
export async function startWorkerd(entry: string): Promise<Runtime> {
  const config = readConfig({ config: fileURLToPath(new URL('../../wrangler.toml', import.meta.url)) });
  const workerd = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      modules: [{ type: 'ESModule', path: 'entry.mjs', contents: await bundle(entry, TAIL) }],
      ...(config.compatibility_date === undefined ? {} : { compatibilityDate: config.compatibility_date }),
      compatibilityFlags: config.compatibility_flags,
    }),
  );
  await workerd.ready;
  return {
    name: 'workerd',
    async call(name, ...args) {
      const response = await workerd.dispatchFetch('http://runtime.invalid/', {
        method: 'POST',
        body: JSON.stringify({ name, args }),
      });
      return readReply((await response.json()) as Reply);
    },
    close: () => workerd.dispose(),
  };
}
