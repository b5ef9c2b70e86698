// The engine's program: llama.cpp behind OpenAI's HTTP API on an inherited listening socket (fd 3). Says nothing anywhere else.

import { loadModel } from './load-model.ts';
import { createLlamaServer, type LoadState } from './serve.ts';
import { readServerOptions, type ServerOptions } from './server-options.ts';

/** Why the program ended by itself; the adapter sees only this number. */
const EXIT = { usage: 64, modelNotLoaded: 65, failed: 70 } as const;
const LISTENING_FD = 3;

function fail(code: number): never {
  process.exit(code);
}

function readOptions(): ServerOptions {
  try {
    return readServerOptions(process.argv.slice(2));
  } catch {
    return fail(EXIT.usage);
  }
}

// The library warns on the console, and quotes schemas in it: nothing in this process has anything to say there.
const say = () => true;
process.stdout.write = say;
process.stderr.write = say;
// A stack trace could quote content, so none is ever printed.
process.on('uncaughtException', () => fail(EXIT.failed));
process.on('unhandledRejection', () => fail(EXIT.failed));

// The adapter holds the other end: when it dies, so does the engine, under every sandbox driver.
process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();

const options = readOptions();
const state: LoadState = { progress: 0, loaded: undefined };
createLlamaServer(options, state).listen({ fd: LISTENING_FD });
try {
  state.loaded = await loadModel(options, (share) => {
    state.progress = share;
  });
} catch {
  fail(EXIT.modelNotLoaded);
}
