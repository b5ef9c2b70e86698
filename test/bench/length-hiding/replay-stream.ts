// Sends a recorded stream through the node's own answering and sealing code, on a clock that jumps, and notes what can be seen.

import { type AnswerOutcome, answerRequest } from '../../../backend/adapter/answer-request.ts';
import { EngineCadence } from '../../../backend/adapter/engine-cadence.ts';
import type { OpenedRequest } from '../../../backend/adapter/open-request.ts';
import type { PaddingPolicy } from '../../../backend/adapter/padding-policy.ts';
import type { Engine } from '../../../backend/engine/engine.ts';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { makeResponseSealer, type ResponseSealer } from '../../../shared/sealing/response-sealer.ts';
import { X25519_SUITE } from '../../../shared/sealing/suite.ts';
import { MEDIA_TYPE } from '../../../shared/wire/media-types.ts';
import { offerOf } from '../../harness/offer.ts';
import type { RecordedStream } from './recording.ts';
import { VirtualClock } from './virtual-clock.ts';

const ROUTE = 'POST /v1/chat/completions';
const SECRET_OCTETS = 32;
/** The end of a filled event, with the number of the piece it stands for. */
const MARK = /@(\d+)@\n\n/g;

/** What an observer of the sealed answer sees, and what its reader waits for. */
export interface Replay {
  /** Moment (milliseconds after the request) and octets of each sealed piece, from the response nonce to the final chunk. */
  readonly seen: readonly { readonly at: number; readonly octets: number }[];
  /** For each token piece how much later it left than the engine gave it, in milliseconds. */
  readonly delays: readonly number[];
  /** When the first token left. */
  readonly firstToken: number;
  /** How much later than the engine's end the answer ended. */
  readonly endDelay: number;
}

/** `padding` undefined: without the defence. */
export async function replayStream(
  stream: RecordedStream,
  padding: PaddingPolicy | undefined,
  engineCadence = new EngineCadence(),
): Promise<Replay> {
  const clock = new VirtualClock();
  const leftAt: number[] = [];
  const opened = {
    inner: { method: 'POST', path: '/v1/chat/completions', headers: [], body: toUtf8('{}') },
    sealer: watchMarks(realSealer(), (piece) => {
      leftAt[piece] = clock.now();
    }),
    refusal: undefined,
  } as unknown as OpenedRequest;
  const outcome: AnswerOutcome = { status: 0, outcome: 'complete' };
  const seen: { at: number; octets: number }[] = [];
  await clock.run(
    (async () => {
      const engine = replayEngine(stream, clock);
      const signal = new AbortController().signal;
      for await (const piece of answerRequest(opened, engine, offerOf([ROUTE]), signal, outcome, {
        padding,
        clock,
        engineCadence,
      }))
        seen.push({ at: clock.now(), octets: piece.length });
    })(),
  );
  // The first piece says who speaks and the last two how it ended: tokens are between.
  for (let piece = stream.at.length - 2; piece >= 0; piece--) leftAt[piece] ??= leftAt[piece + 1] as number;
  const delays = stream.at.slice(1, -2).map((at, i) => (leftAt[i + 1] ?? Number.NaN) - at);
  return {
    seen,
    delays,
    firstToken: leftAt[1] ?? Number.NaN,
    endDelay: (seen.at(-1)?.at ?? 0) - stream.endAt,
  };
}

function realSealer(): ResponseSealer {
  const { random } = nodeCryptoProvider;
  const secret = { suite: X25519_SUITE, enc: random(SECRET_OCTETS), secret: random(16) };
  return makeResponseSealer(MEDIA_TYPE.chunkedRequest, secret, nodeCryptoProvider, random);
}

// Looks at what is sealed for the marks of whole events; one that two pieces share
// has left with the second. Where the cut went through the mark itself, the event after it tells.
function watchMarks(sealer: ResponseSealer, left: (piece: number) => void): ResponseSealer {
  let text = '';
  return {
    contentType: sealer.contentType,
    start: () => sealer.start(),
    finish: () => sealer.finish(),
    seal(plaintext) {
      text += new TextDecoder('latin1').decode(plaintext);
      let end = 0;
      for (const mark of text.matchAll(MARK)) {
        left(Number(mark[1]));
        end = mark.index + mark[0].length;
      }
      text = text.slice(Math.max(end, text.length - 16));
      return sealer.seal(plaintext);
    },
  };
}

/** An event of exactly this many octets, at least 9. */
function filledEvent(octets: number, piece: number): Bytes {
  const start = 'data: ';
  const mark = `@${piece}@\n\n`;
  if (octets < start.length + mark.length) return toUtf8(`data: ${'.'.repeat(octets - 8)}\n\n`);
  return toUtf8(`${start}${'.'.repeat(octets - start.length - mark.length)}${mark}`);
}

// A real engine does not wait for its reader, so pieces come at their recorded moments whoever reads.
function replayEngine({ headAt, at, octets, endAt }: RecordedStream, clock: VirtualClock): Engine {
  const request = async () => {
    await clock.until(headAt);
    const body = new ReadableStream<Bytes>({
      async start(controller) {
        for (const [piece, time] of at.entries()) {
          await clock.until(time);
          controller.enqueue(filledEvent(octets[piece] as number, piece));
        }
        await clock.until(endAt);
        controller.close();
      },
    });
    return { status: 200, headers: { 'content-type': 'text/event-stream' }, body };
  };
  return { request } as unknown as Engine;
}
