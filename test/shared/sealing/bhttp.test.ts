// Binary HTTP: the RFC's examples, what is written and read back, and every refusal.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { fromHex } from '../../../shared/bytes/hex.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { FieldLines } from '../../../shared/sealing/bhttp-fields.ts';
import { decodeBhttpRequest, encodeBhttpRequest } from '../../../shared/sealing/bhttp-request.ts';
import { decodeBhttpResponse } from '../../../shared/sealing/bhttp-response.ts';
import { BhttpResponseWriter } from '../../../shared/sealing/bhttp-response-writer.ts';
import { decodeVarint, encodeVarint, varintLength } from '../../../shared/sealing/varint.ts';
import { haveVectors, readVectorJson } from '../../harness/vectors.ts';
import { codeOf, collect, cutAt, drain, piecesOf, streamOf } from './harness/streams.ts';

const LIMITS = { maxHeaderBytes: 4096 };
const when = haveVectors ? describe : describe.skip;
const examples = haveVectors ? readVectorJson<Record<string, string>>('bhttp/rfc9292-examples.json') : {};
const example = (name: string) => fromHex(examples[name] ?? '');
const octetsOf = (text: string): Bytes => Uint8Array.from(text, (c) => c.charCodeAt(0));
/** A length-prefixed string. */
const p = (text: string): Bytes => concat(encodeVarint(text.length), octetsOf(text));

const REQUEST = {
  method: 'POST',
  scheme: 'https',
  authority: 'node.example',
  path: '/v1/chat/completions?x=1',
  headers: [
    ['content-type', 'application/json'],
    ['x-latin', 'caf\xe9'],
    ['x-empty', ''],
  ] satisfies FieldLines,
  body: toUtf8('{"stream":true}'),
};

async function readResponse(...pieces: Uint8Array[]) {
  const interim: [number, FieldLines][] = [];
  const { status, headers, body } = await decodeBhttpResponse(streamOf(...pieces), {
    ...LIMITS,
    onInformational: (code, fields) => interim.push([code, fields]),
  });
  return { interim, status, headers, body: await collect(body) };
}

when(`RFC 9292 examples${haveVectors ? '' : ' (skipped: vectors absent)'}`, () => {
  const HEADERS = [
    ['user-agent', 'curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3'],
    ['host', 'www.example.com'],
    ['accept-language', 'en, mi'],
  ];

  it.each([
    ['knownLengthRequest', 2],
    ['indeterminateLengthRequestPadded', 12],
  ])('%s, whole and with up to %i octets cut', async (name, omissible) => {
    const octets = example(name);
    const whole = decodeBhttpRequest(octets, LIMITS);
    expect(whole).toEqual({
      method: 'GET',
      scheme: 'https',
      authority: '',
      path: '/hello.txt',
      headers: HEADERS,
      body: new Uint8Array(0),
    });
    for (let cut = 1; cut < octets.length; cut++) {
      const attempt = () => decodeBhttpRequest(octets.subarray(0, octets.length - cut), LIMITS);
      if (cut <= omissible) expect(attempt()).toEqual(whole);
      else {
        // Cut inside the control data, the path is shorter or the header section is missing; only the latter is legal.
        const code = await codeOf(attempt);
        if (code === 'none') expect(octets.length - cut).toBe(1 + 4 + 6 + 1 + 11);
        else expect(code).toBe('bhttp_truncated');
      }
    }
  });

  it('indeterminateLengthResponseWith1xx', async () => {
    const octets = example('indeterminateLengthResponseWith1xx');
    const whole = await readResponse(octets);
    expect(whole.interim.map(([status]) => status)).toEqual([102, 103]);
    expect(whole.interim[0]?.[1]).toEqual([['running', '"sleep 15"']]);
    expect(whole.interim[1]?.[1]).toHaveLength(2);
    expect(whole.status).toBe(200);
    expect(whole.headers).toContainEqual(['vary', 'Accept-Encoding']);
    expect(fromUtf8(whole.body)).toBe('Hello World! My content includes a trailing CRLF.\r\n');
    expect(await readResponse(...piecesOf(octets, 1))).toEqual(whole);
    // The trailer section may be left out; the end of the content may not.
    expect((await readResponse(octets.subarray(0, -1))).body).toEqual(whole.body);
    expect(await codeOf(readResponse(octets.subarray(0, -2)))).toBe('bhttp_truncated');
  });

  it('knownLengthResponseWithTrailer', async () => {
    const octets = example('knownLengthResponseWithTrailer');
    const whole = await readResponse(octets);
    expect(whole).toMatchObject({ status: 200, headers: [], interim: [] });
    expect(fromUtf8(whole.body)).toBe('This content contains CRLF.\r\n');
    for (let at = 0; at <= octets.length; at++)
      expect(await readResponse(octets.subarray(0, at), octets.subarray(at))).toEqual(whole);
  });
});

describe('request', () => {
  it('comes back as it was written', () => {
    expect(decodeBhttpRequest(encodeBhttpRequest(REQUEST), LIMITS)).toEqual(REQUEST);
  });

  it('is padded to the asked length, and not cut to it', () => {
    const padded = encodeBhttpRequest({ ...REQUEST, paddedLength: 1024 });
    expect(padded).toHaveLength(1024);
    expect(decodeBhttpRequest(padded, LIMITS)).toEqual(REQUEST);
    expect(encodeBhttpRequest({ ...REQUEST, paddedLength: 1 })).toEqual(encodeBhttpRequest(REQUEST));
  });

  it('leaves connection fields behind, when written and when read', () => {
    const headers: FieldLines = [
      ['connection', 'close'],
      ['te', 'trailers'],
      ['accept', '*/*'],
    ];
    expect(decodeBhttpRequest(encodeBhttpRequest({ ...REQUEST, headers }), LIMITS).headers).toEqual([
      ['accept', '*/*'],
    ]);
    const sneaked = indeterminate(p('transfer-encoding'), p('chunked'), p('a'), p('b'));
    expect(decodeBhttpRequest(sneaked, LIMITS).headers).toEqual([['a', 'b']]);
  });

  it('comes back whatever it holds', () => {
    const name = fc.stringMatching(/^x-[a-z0-9]{1,8}$/);
    const value = fc.stringMatching(/^([!-~\x80-\xff]([ -~]{0,20}[!-~])?)?$/);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value), { maxLength: 6 }),
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(600),
        (headers, body, paddedLength) => {
          const request = { ...REQUEST, headers, body: body.slice() };
          const octets = encodeBhttpRequest({ ...request, paddedLength });
          expect(decodeBhttpRequest(octets, LIMITS)).toEqual(request);
        },
      ),
    );
  });

  it('gathers content chunks, of which one may be a single octet', () => {
    const octets = concat(indeterminate().subarray(0, -2), p('a'), p('bc'), p('def'), Uint8Array.of(0, 0));
    expect(fromUtf8(decodeBhttpRequest(octets, LIMITS).body)).toBe('abcdef');
  });

  it('either reads or refuses with a code of binary HTTP, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(0, 2), (rest, framing) => {
        try {
          decodeBhttpRequest(
            concat(Uint8Array.of(framing), p('GET'), p('https'), p(''), p('/'), rest),
            LIMITS,
          );
        } catch (error) {
          expect(String((error as { code: string }).code)).toMatch(/^bhttp_/);
        }
      }),
      { numRuns: 500 },
    );
  });

  const control = (method: string, scheme: string, authority: string, path: string) =>
    concat(Uint8Array.of(2), p(method), p(scheme), p(authority), p(path), Uint8Array.of(0, 0, 0));
  const refusals: [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(0), 'bhttp_truncated'],
    ['a response', concat(Uint8Array.of(3), encodeVarint(200)), 'bhttp_malformed'],
    ['an unknown framing', Uint8Array.of(4), 'bhttp_malformed'],
    ['an empty method', control('', 'https', 'a', '/'), 'bhttp_malformed'],
    ['a method with a space', control('GET /', 'https', 'a', '/'), 'bhttp_malformed'],
    ['a scheme that is none', control('GET', '1:', 'a', '/'), 'bhttp_malformed'],
    ['an authority with a line break', control('GET', 'https', 'a\r\nb', '/'), 'bhttp_malformed'],
    ['an empty path', control('GET', 'https', 'a', ''), 'bhttp_malformed'],
    ['a path with a space', control('GET', 'https', 'a', '/ HTTP/1.1'), 'bhttp_malformed'],
    ['an upper-case name', indeterminate(p('Accept'), p('x')), 'bhttp_malformed'],
    ['a pseudo-field', indeterminate(p(':path'), p('/other')), 'bhttp_malformed'],
    ['a name with a space', indeterminate(p('a b'), p('x')), 'bhttp_malformed'],
    ['a value with CR LF', indeterminate(p('a'), p('x\r\nb: c')), 'bhttp_malformed'],
    ['a value with NUL', indeterminate(p('a'), p('x\0')), 'bhttp_malformed'],
    ['a value that ends with a space', indeterminate(p('a'), p('x ')), 'bhttp_malformed'],
    [
      'octets behind the end that are not zero',
      concat(indeterminate(), Uint8Array.of(0, 1)),
      'bhttp_malformed',
    ],
    [
      'a name that runs past the end',
      concat(indeterminate().subarray(0, -3), Uint8Array.of(9, 97)),
      'bhttp_truncated',
    ],
    [
      'content that runs past the end',
      concat(indeterminate().subarray(0, -2), Uint8Array.of(9, 97)),
      'bhttp_truncated',
    ],
    ['content without its end', concat(indeterminate().subarray(0, -2), p('abc')), 'bhttp_truncated'],
    [
      'a field that runs past its section',
      concat(known(Uint8Array.of(3)), p('a'), p('b'), Uint8Array.of(0, 0)),
      'bhttp_malformed',
    ],
    ['a section that runs past the end', concat(known(Uint8Array.of(9)), p('a')), 'bhttp_truncated'],
    ['headers above the limit', indeterminate(p('a'), p('x'.repeat(4096))), 'bhttp_too_large'],
    [
      'an upper-case trailer',
      concat(indeterminate().subarray(0, -1), p('A'), p('x'), Uint8Array.of(0)),
      'bhttp_malformed',
    ],
  ];
  it.each(refusals)('refuses %s', async (_, octets, code) => {
    expect(await codeOf(() => decodeBhttpRequest(octets, LIMITS))).toBe(code);
  });

  it.each([
    ['a name in upper case', { headers: [['Accept', 'x']] }],
    ['a value with a line break', { headers: [['a', 'x\ny']] }],
    ['a value beyond one octet', { headers: [['a', '\u20ac']] }],
    ['an empty path', { path: '' }],
  ] as [string, Partial<typeof REQUEST>][])('does not write %s', async (_, change) => {
    expect(await codeOf(() => encodeBhttpRequest({ ...REQUEST, ...change }))).toBe('bhttp_malformed');
  });

  function indeterminate(...fields: Uint8Array[]): Bytes {
    return concat(Uint8Array.of(2), p('GET'), p('https'), p(''), p('/'), ...fields, Uint8Array.of(0, 0, 0));
  }
  function known(headers: Uint8Array): Bytes {
    return concat(Uint8Array.of(0), p('GET'), p('https'), p(''), p('/'), headers);
  }
});

describe('response', () => {
  function written(): { octets: Bytes; pieces: Bytes[] } {
    const writer = new BhttpResponseWriter();
    const pieces = [
      writer.informational(102),
      writer.informational(102, [['x-padding', '...']]),
      writer.head(200, [['content-type', 'text/event-stream']]),
      writer.content(toUtf8('data: one\n\n')),
      writer.content(new Uint8Array(0)),
      writer.content(toUtf8('data: two\n\n')),
      writer.end(7),
    ];
    return { octets: concat(...pieces), pieces };
  }

  it('comes back as it was written, however it is split', async () => {
    const { octets, pieces } = written();
    const expected = await readResponse(...pieces);
    expect(expected.interim).toEqual([
      [102, []],
      [102, [['x-padding', '...']]],
    ]);
    expect(fromUtf8(expected.body)).toBe('data: one\n\ndata: two\n\n');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(octets.length), { maxLength: 10 }), async (places) => {
        expect(await readResponse(...cutAt(octets, places))).toEqual(expected);
      }),
    );
  });

  it('gives each content chunk when it arrives, and the head before any', async () => {
    const { pieces } = written();
    const source = new TransformStream<Uint8Array, Uint8Array>();
    const writer = source.writable.getWriter();
    const send = (piece: Uint8Array) => void writer.write(piece);
    for (const piece of pieces.slice(0, 3)) send(piece);
    const { body } = await decodeBhttpResponse(source.readable, LIMITS);
    const reader = body.getReader();
    send(pieces[3] as Bytes);
    expect(fromUtf8((await reader.read()).value as Bytes)).toBe('data: one\n\n');
    send(pieces[5] as Bytes);
    expect(fromUtf8((await reader.read()).value as Bytes)).toBe('data: two\n\n');
    send(pieces[6] as Bytes);
    void writer.close();
    expect((await reader.read()).done).toBe(true);
  });

  it('does not end before its source does, and fails when its source fails', async () => {
    const { octets } = written();
    const failing = new ReadableStream<Bytes>(
      {
        start: (controller) => controller.enqueue(octets),
        pull: (controller) => controller.error(new RangeError('cut')),
      },
      { highWaterMark: 0 },
    );
    const { body } = await decodeBhttpResponse(failing, LIMITS);
    const { octets: content, error } = await drain(body);
    expect(fromUtf8(content)).toBe('data: one\n\ndata: two\n\n');
    expect(error).toBeInstanceOf(RangeError);
  });

  it('cancels its source when it is cancelled, and when it refuses', async () => {
    const reasons: unknown[] = [];
    const open = (octets: Uint8Array) =>
      new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(octets),
        cancel: (reason) => void reasons.push(reason),
      });
    const { body } = await decodeBhttpResponse(open(written().octets), LIMITS);
    await body.cancel('enough');
    expect(reasons).toEqual(['enough']);
    expect(await codeOf(decodeBhttpResponse(open(Uint8Array.of(9)), LIMITS))).toBe('bhttp_malformed');
    expect(reasons).toHaveLength(2);
    const refused = await decodeBhttpResponse(open(concat(written().octets, Uint8Array.of(1))), LIMITS);
    expect(await codeOf(refused.body)).toBe('bhttp_malformed');
    expect(reasons).toHaveLength(3);
  });

  it('takes a message without its empty last sections', async () => {
    const head = concat(Uint8Array.of(3), encodeVarint(204));
    expect(await readResponse(head)).toMatchObject({ status: 204, headers: [], body: new Uint8Array(0) });
    expect(await readResponse(concat(Uint8Array.of(1), encodeVarint(204)))).toMatchObject({ status: 204 });
  });

  const ok = concat(Uint8Array.of(3), encodeVarint(200));
  const refusals: [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(0), 'bhttp_truncated'],
    ['a request', Uint8Array.of(2), 'bhttp_malformed'],
    ['no status', Uint8Array.of(3), 'bhttp_truncated'],
    ['a status of 99', concat(Uint8Array.of(3), encodeVarint(99)), 'bhttp_malformed'],
    ['a status of 600', concat(Uint8Array.of(3), encodeVarint(600)), 'bhttp_malformed'],
    ['a status of 101', concat(Uint8Array.of(3), encodeVarint(101), Uint8Array.of(0)), 'bhttp_malformed'],
    [
      'an interim response and no final one',
      concat(Uint8Array.of(3), encodeVarint(102), Uint8Array.of(0)),
      'bhttp_truncated',
    ],
    ['half a status', Uint8Array.of(3, 0x40), 'bhttp_truncated'],
    ['an upper-case name', concat(ok, p('A'), p('x'), Uint8Array.of(0, 0, 0)), 'bhttp_malformed'],
    ['a value with CR', concat(ok, p('a'), p('x\ry'), Uint8Array.of(0, 0, 0)), 'bhttp_malformed'],
    ['headers that never end', concat(ok, p('a'), p('x')), 'bhttp_truncated'],
    ['headers above the limit', concat(ok, p('a'), encodeVarint(2 ** 40)), 'bhttp_too_large'],
    [
      'a known section above the limit',
      concat(Uint8Array.of(1), encodeVarint(200), encodeVarint(5000)),
      'bhttp_too_large',
    ],
    [
      'a field that runs past its section',
      concat(Uint8Array.of(1), encodeVarint(200), Uint8Array.of(3), p('a'), p('b'), Uint8Array.of(0, 0)),
      'bhttp_malformed',
    ],
    ['a content chunk that is cut', concat(ok, Uint8Array.of(0, 9, 1, 2)), 'bhttp_truncated'],
    ['content without its end', concat(ok, Uint8Array.of(0, 2, 1, 2)), 'bhttp_truncated'],
    [
      'known content that is cut',
      concat(Uint8Array.of(1), encodeVarint(200), Uint8Array.of(0, 9, 1, 2)),
      'bhttp_truncated',
    ],
    ['octets behind the end that are not zero', concat(ok, Uint8Array.of(0, 0, 0, 0, 1)), 'bhttp_malformed'],
    [
      'a pseudo-field among the trailers',
      concat(ok, Uint8Array.of(0, 0), p(':a'), p('x'), Uint8Array.of(0)),
      'bhttp_malformed',
    ],
  ];
  it.each(refusals)('refuses %s, whole and in single octets', async (_, octets, code) => {
    expect(await codeOf(readResponse(octets))).toBe(code);
    expect(await codeOf(readResponse(...piecesOf(octets, 1)))).toBe(code);
  });

  it('either reads or refuses with a code of binary HTTP, whatever the octets', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(1, 3), async (rest, framing) => {
        const code = await codeOf(readResponse(concat(Uint8Array.of(framing), encodeVarint(200), rest)));
        expect(code).toMatch(/^(none|bhttp_.*)$/);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses what is not octets', async () => {
    const text = ReadableStream.from(['text']) as unknown as ReadableStream<Uint8Array>;
    await expect(decodeBhttpResponse(text, LIMITS)).rejects.toThrow(TypeError);
  });

  it('is written in its order only', async () => {
    const writer = new BhttpResponseWriter();
    expect(await codeOf(() => writer.content(Uint8Array.of(1)))).toBe('closed');
    expect(await codeOf(() => writer.end())).toBe('closed');
    expect(await codeOf(() => writer.informational(200))).toBe('bhttp_malformed');
    expect(await codeOf(() => writer.informational(101))).toBe('bhttp_malformed');
    expect(await codeOf(() => writer.head(102, []))).toBe('bhttp_malformed');
    expect(await codeOf(() => writer.head(200, [['A', 'x']]))).toBe('bhttp_malformed');
    writer.head(200, []);
    expect(await codeOf(() => writer.informational(102))).toBe('closed');
    expect(await codeOf(() => writer.head(200, []))).toBe('closed');
    writer.end();
    expect(await codeOf(() => writer.content(Uint8Array.of(1)))).toBe('closed');
    expect(await codeOf(() => writer.end())).toBe('closed');
  });
});

describe('varint', () => {
  it('comes back, in the shortest form', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const octets = encodeVarint(value);
        expect(varintLength(octets[0] as number)).toBe(octets.length);
        expect(decodeVarint(octets)).toBe(value);
      }),
    );
    const edges = [0, 63, 64, 16383, 16384, 2 ** 30 - 1, 2 ** 30, Number.MAX_SAFE_INTEGER];
    expect(edges.map((edge) => encodeVarint(edge).length)).toEqual([1, 1, 2, 2, 4, 4, 8, 8]);
    expect(edges.map((edge) => decodeVarint(encodeVarint(edge)))).toEqual(edges);
  });

  it('gives RFC 9000 appendix A.1', () => {
    expect(decodeVarint(fromHex('9d7f3e7d'))).toBe(494_878_333);
    expect(decodeVarint(fromHex('7bbd'))).toBe(15_293);
    expect(decodeVarint(fromHex('4025'))).toBe(37);
    expect(() => encodeVarint(-1)).toThrow(RangeError);
  });
});
