// Runs one module's functions in another runtime: bundled once, called by name with JSON both ways.

import { build } from 'esbuild';

/** What an entry exports as `calls`. Arguments and results are JSON. */
export type Calls = Readonly<Record<string, (...args: never[]) => unknown>>;

/** A runtime with an entry loaded. */
export interface Runtime {
  readonly name: string;
  /** Calls one function of the entry; its failure comes back as an Error with the other side's text. */
  call(name: string, ...args: readonly unknown[]): Promise<unknown>;
  close(): Promise<void>;
}

/** How a call's end travels back. */
export type Reply = { readonly value?: unknown } | { readonly error: string };

/** What a reply says. */
export function readReply(reply: Reply): unknown {
  if ('error' in reply) throw new Error(reply.error);
  return reply.value;
}

// Runs inside the other runtime: never throws, so that every failure arrives with its stack.
const CALLER = `
async function answer(name, args) {
  try { return { value: await calls[name](...args) }; }
  catch (error) { return { error: String(error?.stack ?? error) }; }
}`;

/**
 * One ECMAScript module: the entry and `tail`, which can use `answer(name, args)`.
 * @param entry absolute path of a module that exports `calls`
 */
export async function bundle(entry: string, tail: string): Promise<string> {
  const built = await build({
    stdin: {
      contents: `import { calls } from ${JSON.stringify(entry)};${CALLER}${tail}`,
      resolveDir: new URL('.', import.meta.url).pathname,
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    logLevel: 'error',
  });
  const file = built.outputFiles[0];
  if (file === undefined) throw new Error('the bundler wrote nothing');
  return file.text;
}
