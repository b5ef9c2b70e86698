// Searches octets for a secret in every form that software gives text without anybody asking for it.

import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';

/** What is searched for in one go. Case is ignored where a form has two spellings. */
interface Form {
  readonly name: string;
  readonly octets: Buffer;
  readonly ignoreCase?: true;
}

const MOST_OUTPUT_OCTETS = 16 * 1024 * 1024;
/** Compressed inside compressed is followed this far. */
const DEPTH = 2;

/** Decompressors, the octets by which their streams begin, and how to read one that is cut or has something behind it. */
const UNPACKERS: readonly {
  readonly name: string;
  readonly magic: readonly Buffer[];
  readonly unpack: (octets: Buffer) => Buffer;
}[] = [
  {
    name: 'gzip',
    magic: [Buffer.of(0x1f, 0x8b, 0x08)],
    unpack: unpackGzip,
  },
  {
    name: 'deflate',
    magic: [0x01, 0x5e, 0x9c, 0xda].map((level) => Buffer.of(0x78, level)),
    unpack: (octets) =>
      inflateSync(octets, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MOST_OUTPUT_OCTETS }),
  },
  {
    name: 'zstd',
    magic: [Buffer.of(0x28, 0xb5, 0x2f, 0xfd)],
    unpack: (octets) =>
      zstdDecompressSync(octets, {
        finishFlush: constants.ZSTD_e_flush,
        maxOutputLength: MOST_OUTPUT_OCTETS,
      }),
  },
  {
    // Brotli has no magic number: it can only be tried where a body begins.
    name: 'br',
    magic: [Buffer.from('\r\n\r\n')],
    unpack: (octets) =>
      brotliDecompressSync(
        octets.subarray(0, 4).equals(Buffer.from('\r\n\r\n')) ? octets.subarray(4) : octets,
        {
          finishFlush: constants.BROTLI_OPERATION_FLUSH,
          maxOutputLength: MOST_OUTPUT_OCTETS,
        },
      ),
  },
];

// zlib reports what lies behind a gzip stream as an error; the stream inside ends by itself. The usual header has 10 octets.
function unpackGzip(octets: Buffer): Buffer {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MOST_OUTPUT_OCTETS };
  return tryTo(() => gunzipSync(octets, options)) ?? inflateRawSync(octets.subarray(10), options);
}

/** Every form in which the secret occurs, such as `base64 at 2` or `hex in gzip`; empty when it occurs in none. */
export function findSecret(haystack: Uint8Array, secret: string): string[] {
  const forms = formsOf(secret);
  const found = new Set<string>();
  searchIn(Buffer.from(haystack.buffer, haystack.byteOffset, haystack.byteLength), forms, '', DEPTH, found);
  return [...found];
}

function searchIn(
  octets: Buffer,
  forms: readonly Form[],
  where: string,
  depth: number,
  found: Set<string>,
): void {
  // HTTP's chunk framing can stand in the middle of a word.
  const views = [octets, withoutChunkFraming(octets)].filter((view) => view !== undefined);
  for (const view of views) {
    let lower: Buffer | undefined;
    for (const { name, octets: needle, ignoreCase } of forms) {
      if (ignoreCase) lower ??= Buffer.from(view.toString('latin1').toLowerCase(), 'latin1');
      if ((ignoreCase ? lower : view)?.includes(needle)) found.add(name + where);
    }
    if (depth === 0) continue;
    for (const { name, magic, unpack } of UNPACKERS)
      for (const at of [...(name === 'br' ? [0] : []), ...magic.flatMap((each) => placesOf(view, each))]) {
        const unpacked = tryTo(() => unpack(view.subarray(at)));
        if (unpacked !== undefined && unpacked.length > 0)
          searchIn(unpacked, forms, `${where} in ${name}`, depth - 1, found);
      }
  }
}

function withoutChunkFraming(octets: Buffer): Buffer | undefined {
  const text = octets.toString('latin1');
  const joined = text.replaceAll(/\r\n[0-9a-f]{1,8}\r\n/gi, '');
  return joined.length === text.length ? undefined : Buffer.from(joined, 'latin1');
}

function placesOf(octets: Buffer, magic: Buffer): number[] {
  const places: number[] = [];
  for (let at = octets.indexOf(magic); at >= 0; at = octets.indexOf(magic, at + 1)) places.push(at);
  return places;
}

function tryTo<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function formsOf(secret: string): Form[] {
  const raw = Buffer.from(secret);
  const little = Buffer.from(secret, 'utf16le');
  const forms: Form[] = [
    { name: 'raw', octets: raw },
    { name: 'utf-16le', octets: little },
    { name: 'utf-16be', octets: Buffer.from(little).swap16() },
    { name: 'hex', octets: Buffer.from(raw.toString('hex')), ignoreCase: true },
    { name: 'json', octets: Buffer.from(JSON.stringify(secret).slice(1, -1)) },
    { name: 'json escapes', octets: Buffer.from(jsonEscapes(secret)), ignoreCase: true },
    { name: 'percent', octets: Buffer.from(encodeURIComponent(secret).toLowerCase()), ignoreCase: true },
    { name: 'percent throughout', octets: Buffer.from(percent(raw)), ignoreCase: true },
  ];
  for (const alphabet of ['base64', 'base64url'] as const)
    for (const before of [0, 1, 2])
      forms.push({ name: `${alphabet} at ${before}`, octets: Buffer.from(inner(raw, before, alphabet)) });
  return forms;
}

const jsonEscapes = (secret: string) =>
  Array.from(
    { length: secret.length },
    (_, at) => `\\u${secret.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');
const percent = (octets: Buffer) =>
  [...octets].map((octet) => `%${octet.toString(16).padStart(2, '0')}`).join('');

// The characters of base64 that depend on the secret alone when `before` octets (modulo 3) stand in front of it.
function inner(secret: Buffer, before: number, alphabet: 'base64' | 'base64url'): string {
  const text = Buffer.concat([Buffer.alloc(before), secret])
    .toString(alphabet)
    .replaceAll('=', '');
  const spoiltAtEnd = (before + secret.length) % 3 === 0 ? 0 : 1;
  return text.slice(Math.ceil((before * 8) / 6), text.length - spoiltAtEnd);
}

/** One way to write a text, by the name under which `findSecret` reports it. */
export interface Disguise {
  readonly name: string;
  /** Whether the result is ASCII text, which any log or file can hold. */
  readonly isText: boolean;
  readonly apply: (text: string) => Buffer;
}

const ascii = (name: string, apply: (text: string) => string): Disguise => ({
  name,
  isText: true,
  apply: (text) => Buffer.from(apply(text)),
});
const packed = (name: string, apply: (octets: Buffer) => Buffer): Disguise => ({
  name: `raw in ${name}`,
  isText: false,
  // Repeated, because a compressor stores what occurs once as it is.
  apply: (text) => apply(Buffer.from(`${text.repeat(9)}${text}`)),
});

/** Every disguise, for planting canaries. */
export const DISGUISES: readonly Disguise[] = [
  ascii('raw', (text) => text),
  { name: 'utf-16le', isText: false, apply: (text) => Buffer.from(text, 'utf16le') },
  { name: 'utf-16be', isText: false, apply: (text) => Buffer.from(text, 'utf16le').swap16() },
  ...(['base64', 'base64url'] as const).flatMap((alphabet) =>
    [0, 1, 2].map((at) =>
      ascii(`${alphabet} at ${at}`, (text) => Buffer.from(`${'?'.repeat(at)}${text}>>`).toString(alphabet)),
    ),
  ),
  ascii('hex', (text) => Buffer.from(text).toString('hex')),
  ascii('hex', (text) => Buffer.from(text).toString('hex').toUpperCase()),
  ascii('json', (text) => JSON.stringify({ text })),
  ascii('json escapes', jsonEscapes),
  ascii('json escapes', (text) => jsonEscapes(text).toUpperCase().replaceAll('\\U', '\\u')),
  ascii('percent', encodeURIComponent),
  ascii('percent throughout', (text) => percent(Buffer.from(text))),
  packed('gzip', (octets) => gzipSync(octets)),
  packed('deflate', (octets) => deflateSync(octets)),
  packed('zstd', (octets) => zstdCompressSync(octets)),
];

/** Brotli, which can be found only where it begins: at the start of the octets or of an HTTP body. */
export const BROTLI: Disguise = packed('br', (octets) => brotliCompressSync(octets));
