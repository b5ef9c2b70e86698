// `cloister weights`: encrypts a model's weights for its owner, decrypts them again, and tells what a file is.

import * as nodeCrypto from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Bytes } from '../bytes/concat.ts';
import { toHex } from '../bytes/hex.ts';
import { type OctetSource, sourceOfFile } from '../weights/octet-source.ts';
import { openWeights, readHeader } from '../weights/open-weights.ts';
import { makeHeader, type PlaintextFacts, sealWeights } from '../weights/seal-weights.ts';
import { WeightsError } from '../weights/weights-error.ts';
import { encryptedLength, type WeightsHeader } from '../weights/weights-header.ts';
import { UsageError } from './exit-code.ts';
import { ProgressLine } from './progress-line.ts';
import type { Terminal } from './terminal.ts';
import { makeWeightKeyFile, readWeightKeyFile } from './weight-key-file.ts';
import { refuseExisting, writeNewFile } from './write-new-file.ts';

/** What a command needs besides its arguments. */
export interface WeightsCommandContext {
  readonly terminal: Terminal;
  /** Where progress is drawn, when it is a terminal. */
  readonly screen: NodeJS.WriteStream;
  /** Aborting leaves nothing behind. */
  readonly signal: AbortSignal;
}

const PIECE_OCTETS = 1 << 20;
/** Plaintext is its owner's alone; what is encrypted may be read like any other file. */
const MODE = { plaintext: 0o600, encrypted: 0o644 } as const;

/**
 * Runs `cloister weights …`; `args` are the words behind `weights`.
 * @throws UsageError; WeightsError; the file system's errors.
 */
export async function weightsCommand(args: readonly string[], context: WeightsCommandContext): Promise<void> {
  const { values, positionals } = read(args);
  const [action, input, output] = positionals;
  const { key, json = false } = values;
  const newKey = values['new-key'] === true;
  switch (action) {
    case 'inspect':
      if (input === undefined || positionals.length > 2)
        throw new UsageError('cloister weights inspect FILE');
      return inspect(input, json, context);
    case 'encrypt':
    case 'decrypt':
      if (input === undefined || output === undefined || positionals.length > 3 || key === undefined)
        throw new UsageError(`cloister weights ${action} IN OUT --key FILE`);
      if (action === 'encrypt') return encrypt({ input, output, key, newKey, json }, context);
      if (newKey) throw new UsageError('--new-key is for encrypt');
      return decrypt(input, output, key, context);
    default:
      throw new UsageError('cloister weights encrypt, decrypt or inspect');
  }
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { key: { type: 'string' }, 'new-key': { type: 'boolean' }, json: { type: 'boolean' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'unknown option');
  }
}

interface Encryption {
  readonly input: string;
  readonly output: string;
  readonly key: string;
  readonly newKey: boolean;
  readonly json: boolean;
}

async function encrypt(order: Encryption, context: WeightsCommandContext): Promise<void> {
  await refuseExisting(order.output);
  const known = order.newKey ? undefined : await readWeightKeyFile(order.key);
  await withFile(order.input, async (file) => {
    const before = await file.stat({ bigint: true });
    if (!before.isFile()) throw new UsageError(`${order.input} is no file`);
    const facts = await hashAll(file, Number(before.size), context);
    const made = order.newKey ? await makeWeightKeyFile(order.key) : undefined;
    try {
      const key = known ?? (made?.key as Bytes);
      const header = await makeHeader(facts, key, (octets) => new Uint8Array(nodeCrypto.randomBytes(octets)));
      const progress = progressOf('encrypting', encryptedLength(header), context);
      await writeNewFile(
        order.output,
        MODE.encrypted,
        checked(sealWeights(header, sourceOfFile(file), key, nodeCrypto), context.signal, () =>
          refuseChanged(file, before),
        ),
        (octets) => progress.add(octets),
      ).finally(() => progress.end());
      report(header, {}, order.json, context.terminal);
    } catch (error) {
      await made?.discard();
      throw error;
    } finally {
      known?.fill(0);
      made?.key.fill(0);
    }
  });
}

async function decrypt(
  input: string,
  output: string,
  keyFile: string,
  context: WeightsCommandContext,
): Promise<void> {
  await refuseExisting(output);
  const key = await readWeightKeyFile(keyFile);
  try {
    await withFile(input, async (file) => {
      const source = sourceOfFile(file);
      const header = await readHeader(source);
      const progress = progressOf('decrypting', header.plaintextOctets, context);
      const pieces = checked(openWeights(header, source, key, nodeCrypto), context.signal);
      await writeNewFile(output, MODE.plaintext, pieces, (octets) => progress.add(octets)).finally(() =>
        progress.end(),
      );
    });
  } finally {
    key.fill(0);
  }
}

async function inspect(input: string, json: boolean, context: WeightsCommandContext): Promise<void> {
  await withFile(input, async (file) => {
    const header = await readHeader(sourceOfFile(file));
    const { size } = await file.stat();
    const { sha256 } = await hashAll(file, size, context);
    report(header, { encrypted_bytes: size, encrypted_sha256: toHex(sha256) }, json, context.terminal);
    if (size < encryptedLength(header)) throw new WeightsError('weights_truncated');
    if (size > encryptedLength(header)) throw new WeightsError('weights_trailing_octets');
  });
}

// The snake-case names are those of the deployment and of the node's configuration, where owners copy them to.
function report(header: WeightsHeader, more: object, json: boolean, terminal: Terminal): void {
  const facts = {
    algorithm: 'AES-256-GCM STREAM',
    chunk_bytes: header.chunkOctets,
    key_id: toHex(header.keyId),
    bytes: header.plaintextOctets,
    sha256: toHex(header.plaintextSha256),
    ...more,
  };
  if (json) terminal.data(JSON.stringify(facts));
  else for (const [name, value] of Object.entries(facts)) terminal.data(`${name.padEnd(17)} ${value}`);
}

async function withFile(path: string, use: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path).catch(() => {
    throw new UsageError(`${path} cannot be read`);
  });
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

async function hashAll(
  file: FileHandle,
  octets: number,
  context: WeightsCommandContext,
): Promise<PlaintextFacts> {
  const progress = progressOf('hashing', octets, context);
  const hash = nodeCrypto.createHash('sha256');
  const source: OctetSource = sourceOfFile(file);
  let total = 0;
  for (;;) {
    context.signal.throwIfAborted();
    const piece = await source.read(PIECE_OCTETS);
    if (piece.length === 0) break;
    hash.update(piece);
    total += piece.length;
    progress.add(piece.length);
  }
  progress.end();
  return { octets: total, sha256: new Uint8Array(hash.digest()) };
}

/** Passes pieces on until aborted; `atEnd` may still refuse all of them. */
async function* checked(
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  atEnd?: () => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    signal.throwIfAborted();
    yield piece;
  }
  await atEnd?.();
}

// The header's digest is of the first reading, the chunks are of the second: a file that was written to in between would be
// encrypted to something that nobody can open.
async function refuseChanged(
  file: FileHandle,
  before: { readonly size: bigint; readonly mtimeNs: bigint; readonly ctimeNs: bigint },
): Promise<void> {
  const after = await file.stat({ bigint: true });
  if (after.size !== before.size || after.mtimeNs !== before.mtimeNs || after.ctimeNs !== before.ctimeNs)
    throw new WeightsError('weights_input_changed');
}

function progressOf(what: string, octets: number, { screen }: WeightsCommandContext): ProgressLine {
  return new ProgressLine(screen, what, octets, () => performance.now());
}
