// The Rust crates `ohttp` and `bhttp` as a stock client of our adapter and a stock gateway of our client.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { fromHex, toHex } from '../../shared/bytes/hex.ts';
import { fromUtf8, toUtf8 } from '../../shared/bytes/utf8.ts';
import { encodeBhttpRequest } from '../../shared/sealing/bhttp-request.ts';
import { decodeBhttpResponse } from '../../shared/sealing/bhttp-response.ts';
import { parseKeyConfigList } from '../../shared/sealing/key-config.ts';
import type { SealingProvider } from '../../shared/sealing/provider.ts';
import { sealRequest } from '../../shared/sealing/seal-request.ts';
import { HYBRID_AES128_SUITE, type Suite, X25519_SUITE } from '../../shared/sealing/suite.ts';
import { webCryptoProvider } from '../../shared/sealing/webcrypto-provider.ts';
import { MEDIA_TYPE, type SealedRequestType } from '../../shared/wire/media-types.ts';
import { startLoopbackAdapter } from '../bench/loopback-adapter.ts';
import { LinePeer } from './line-peer.ts';

const PROJECT = fileURLToPath(new URL('./rust', import.meta.url));
const PROGRAM = `${PROJECT}/target/release/cloister-interop`;
/** Longer than one chunk, so that pieces and chunks differ. */
const QUESTION = JSON.stringify({
  model: 'm',
  messages: [{ role: 'user', content: 'Is my secret safe with you? '.repeat(1500) }],
  stream: true,
});
const EVENTS = ['data: one\n\n', 'data: two\n\n', `data: ${'long '.repeat(5000)}\n\n`, 'data: [DONE]\n\n'];

/** One check: what it is, and a promise that rejects when it does not hold. */
export interface Check {
  readonly name: string;
  run(): Promise<void>;
}

/** Builds the peer; undefined where cargo is absent or cannot get the crates. */
export function buildRustPeer(): string | undefined {
  try {
    execFileSync('cargo', ['build', '--release', '--locked', '--quiet'], { cwd: PROJECT, stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? 'cargo is not installed'
      : `cargo could not build the peer: ${error instanceof Error ? error.message.split('\n')[0] : 'unknown'}`;
  }
}

// The crate knows X-Wing, but none of its suites has AES-256-GCM.
const CLIENTS: readonly (readonly [form: 'chunked' | 'whole', name: string, suite: Suite])[] = [
  ['chunked', 'X25519, AES-128-GCM', X25519_SUITE],
  ['chunked', 'X-Wing, AES-128-GCM', HYBRID_AES128_SUITE],
  ['whole', 'X25519, AES-128-GCM', X25519_SUITE],
  ['whole', 'X-Wing, AES-128-GCM', HYBRID_AES128_SUITE],
];

// Our client sends the chunked form only.
const GATEWAYS: readonly (readonly [name: string, args: readonly string[], suite: Suite])[] = [
  ['X25519, AES-128-GCM', ['x25519'], X25519_SUITE],
  ['X-Wing, AES-128-GCM', ['x-wing'], HYBRID_AES128_SUITE],
];

const PROVIDERS: readonly (readonly [string, SealingProvider])[] = [
  ['node:crypto', nodeCryptoProvider],
  ['WebCrypto', webCryptoProvider],
];

/** Every check with this peer. */
export const rustChecks: readonly Check[] = [
  ...CLIENTS.map(([form, name, suite]) => ({
    name: `ohttp 0.8 client, our adapter: ${form}, ${name}`,
    run: () => stockClient(form, suite),
  })),
  ...GATEWAYS.flatMap(([name, args, suite]) =>
    PROVIDERS.map(([runtime, provider]) => ({
      name: `our client (${runtime}), ohttp 0.8 gateway: chunked, ${name}`,
      run: () => stockGateway(args, suite, provider),
    })),
  ),
];

async function stockClient(form: 'chunked' | 'whole', suite: Suite): Promise<void> {
  let asked = '';
  const heard: string[] = [];
  // The engine gives one event after another was read by the peer: a sealer that waits to fill a chunk would stop here.
  let release: () => void = () => undefined;
  const adapter = await startLoopbackAdapter({
    suites: [suite],
    respond: (request) => {
      asked = fromUtf8(request.body as Bytes);
      const left = [...EVENTS];
      const body = new ReadableStream<Bytes>({
        async pull(controller) {
          const event = left.shift();
          if (event === undefined) return controller.close();
          if (form === 'chunked' && left.length < EVENTS.length - 1)
            await new Promise<void>((resolve) => {
              release = resolve;
              if (heard.join('').includes(EVENTS[EVENTS.length - left.length - 2] as string)) resolve();
            });
          controller.enqueue(toUtf8(event));
        },
      });
      return { status: 200, headers: { 'content-type': 'text/event-stream' }, body };
    },
  });
  const peer = new LinePeer(PROGRAM, ['client', form]);
  try {
    peer.say(toHex(adapter.keyList));
    peer.say(toHex(toUtf8(QUESTION)));
    const type: SealedRequestType = form === 'chunked' ? MEDIA_TYPE.chunkedRequest : MEDIA_TYPE.request;
    const response = await fetch(adapter.url, {
      method: 'POST',
      headers: { ...adapter.headers, 'content-type': type },
      body: ReadableStream.from(peer.hearBody()) as ReadableStream<Bytes>,
      duplex: 'half',
    });
    expect(response.status === 200, `the adapter answered ${response.status}`);
    const answered = peer.sayBody(response.body as ReadableStream<Bytes>);
    let status = '';
    for (let line = await peer.hear(); line !== 'end'; line = await peer.hear()) {
      const [word, value = ''] = line.split(' ');
      if (word === 'status') status = value;
      if (word === 'piece') heard.push(fromUtf8(fromHex(value)));
      release();
    }
    await answered;
    // The adapter adds to the body and changes nothing that the client wrote.
    const { messages } = JSON.parse(asked || '{}') as { messages?: unknown };
    expect(
      JSON.stringify(messages) === JSON.stringify((JSON.parse(QUESTION) as { messages: unknown }).messages),
      'the engine was asked something else',
    );
    expect(status === '200', `the peer read status ${status}`);
    expect(eventsOf(heard.join('')) === EVENTS.join(''), 'the peer read another answer');
  } finally {
    peer.end();
    adapter.close();
  }
}

/** The events without the comments that padding puts between them (`:` lines of the event-stream format). */
function eventsOf(text: string): string {
  return text.replace(/^:.*\n+/gm, '');
}

async function stockGateway(args: readonly string[], suite: Suite, provider: SealingProvider): Promise<void> {
  const peer = new LinePeer(PROGRAM, ['gateway', 'chunked', ...args]);
  try {
    const [config] = parseKeyConfigList(fromHex(await peer.hear()));
    if (config === undefined) throw new Error('the peer offered no configuration');
    const plaintext = encodeBhttpRequest({
      method: 'POST',
      scheme: 'https',
      authority: 'cloister.invalid',
      path: '/v1/chat/completions',
      headers: [['content-type', 'application/json']],
      body: toUtf8(QUESTION),
      paddedLength: 65_536,
    });
    const exchange = await sealRequest({ config, suite, plaintext, provider });
    await peer.sayBody(exchange.body);
    const request = await peer.hear();
    expect(
      request === `request POST /v1/chat/completions ${toHex(toUtf8(QUESTION))}`,
      'the peer read another request',
    );
    const sealed = ReadableStream.from(peer.hearBody()) as ReadableStream<Bytes>;
    const { status, body } = await decodeBhttpResponse(exchange.openResponse(sealed), {
      maxHeaderBytes: 1024,
    });
    expect(status === 200, `we read status ${status}`);
    expect((await new Response(body).text()) === QUESTION, 'we read another answer');
  } finally {
    peer.end();
  }
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
