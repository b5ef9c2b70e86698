// Proof that a manifest has lain in a witnessed log since some time: an inclusion proof up to a checkpoint that witnesses cosigned then.

import { fromBase64url, toBase64 } from '../bytes/base64url.ts';
import { type Bytes, concat } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { equalBytes } from '../bytes/equal.ts';
import { integer, list, object, oneOf, readShape, type Shape } from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import type { KeyHolder } from './key-holders.ts';
import { labelledDigest } from './labelled-digest.ts';
import { ManifestError } from './manifest-error.ts';
import { verifyEd25519 } from './verify-ed25519.ts';

/** Members are the JSON's own. */
export interface LogProof {
  readonly version: 1;
  /** Position of the manifest's entry, from 0. */
  readonly index: number;
  /** Hashes from the leaf's sibling upwards (RFC 6962 section 2.1.1), base64url. */
  readonly path: readonly string[];
  /** A checkpoint as a signed note (C2SP tlog-checkpoint) with cosignatures (C2SP tlog-cosignature). */
  readonly checkpoint: string;
}

/** Since when a manifest has been public, as far as witnesses say. */
export interface Publication {
  /** The latest of the earliest `threshold` cosignatures: so many witnesses had seen it by then. */
  readonly since: Date;
}

/** Octets of a whole document. */
export const LOG_PROOF_MAXIMUM_BYTES = 32 * 1024;
const ENTRY_LABEL = 'cloister manifest log entry v1';
/** C2SP signed-note: the type octet of a timestamped Ed25519 cosignature. */
const COSIGNATURE_TYPE = 0x04;
const COSIGNATURE_OCTETS = 4 + 8 + 64;
/** 9999-12-31: what `Date` can hold with room to spare. */
const LATEST_SECONDS = 253_402_300_799n;
/** 2^53 leaves need no more. */
const DEEPEST_PATH = 53;

const checkpointText: Shape<string> = (value, path, problems) => {
  // Lines of ASCII, and the em dash of a signed note.
  if (typeof value === 'string' && value.length <= 16 * 1024 && /^[\n -~—]*$/.test(value)) return value;
  problems.push({ path, message: 'must be a signed note' });
  return undefined;
};
const hash: Shape<string> = (value, path, problems) => {
  if (typeof value === 'string' && /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(value)) return value;
  problems.push({ path, message: 'must be base64url of 32 octets' });
  return undefined;
};
const shape: Shape<LogProof> = object<LogProof>({
  version: oneOf(1),
  index: integer(0, Number.MAX_SAFE_INTEGER),
  path: list(hash, 0, DEEPEST_PATH),
  checkpoint: checkpointText,
});

/** The log's entry for a manifest: "cloister manifest log entry v1" ‖ 0x00 ‖ SHA-256 of the manifest's octets. */
export function logEntryOf(manifestOctets: Uint8Array): Promise<Bytes> {
  return labelledDigest(ENTRY_LABEL, manifestOctets);
}

/** The octets of a proof. @throws ManifestError when `parseLogProof` would refuse them. */
export function encodeLogProof(proof: LogProof): Bytes {
  const encoded = toUtf8(JSON.stringify(proof));
  parseLogProof(encoded);
  return encoded;
}

/** Reads a proof; says nothing about whether it is true. @throws ManifestError `log_proof_malformed`. */
export function parseLogProof(octets: Uint8Array): LogProof {
  const malformed = (message: string) => new ManifestError('log_proof_malformed', [{ path: '', message }]);
  if (octets.length > LOG_PROOF_MAXIMUM_BYTES) throw malformed(`over ${LOG_PROOF_MAXIMUM_BYTES} octets`);
  let value: unknown;
  try {
    value = parseStrictJson(octets);
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : 'not JSON');
  }
  const read = readShape(shape, value);
  if (!read.ok) throw new ManifestError('log_proof_malformed', read.problems);
  return read.value;
}

/**
 * Since when so many of these witnesses vouch that the manifest lies in the log; undefined when the proof shows nothing of the kind: it is
 * for another manifest, another log, too few witnesses, or a signature of a known witness does not hold.
 * The log's own signature is not asked for: a witness cosigns a checkpoint only after it verified it against the one before.
 */
export async function judgePublication(
  proof: LogProof,
  manifestOctets: Uint8Array,
  trust: {
    /** The log's origin: its checkpoints' first line. */
    readonly log: string;
    readonly witnesses: readonly KeyHolder[];
    readonly threshold: number;
  },
): Promise<Publication | undefined> {
  const note = splitNote(proof.checkpoint);
  const checkpoint = note && readCheckpoint(note.body);
  if (!note || !checkpoint || checkpoint.origin !== trust.log || trust.threshold < 1) return undefined;
  const root = await rootFrom(proof, checkpoint.size, await logEntryOf(manifestOctets));
  if (root === undefined || toBase64(root) !== checkpoint.root) return undefined;

  const times: number[] = [];
  for (const witness of trust.witnesses) {
    const time = await cosignedAt(note, witness);
    if (time === 'forged') return undefined;
    if (time !== undefined) times.push(time);
  }
  const since = times.sort((a, b) => a - b)[trust.threshold - 1];
  return since === undefined ? undefined : { since: new Date(since * 1000) };
}

interface Note {
  readonly body: string;
  readonly signatures: readonly { readonly name: string; readonly blob: string }[];
}

// C2SP signed-note: text, an empty line, and lines of em dash, name and base64.
function splitNote(text: string): Note | undefined {
  const end = text.lastIndexOf('\n\n');
  if (end < 0 || !text.endsWith('\n')) return undefined;
  const lines = text.slice(end + 2, -1).split('\n');
  const signatures = lines.map((line) => /^— ([^\s+]{1,127}) ([A-Za-z0-9+/]{1,512}={0,2})$/.exec(line));
  if (signatures.length > 64 || signatures.some((match) => match === null)) return undefined;
  return {
    body: text.slice(0, end + 1),
    signatures: signatures.map((match) => ({ name: match?.[1] ?? '', blob: match?.[2] ?? '' })),
  };
}

// C2SP tlog-checkpoint: origin, size, root; lines of extensions may follow.
function readCheckpoint(body: string): { origin: string; size: number; root: string } | undefined {
  const [origin, size, root] = body.split('\n');
  if (!origin || !size || !root || !/^(0|[1-9]\d{0,15})$/.test(size)) return undefined;
  const leaves = Number(size);
  return Number.isSafeInteger(leaves) ? { origin, size: leaves, root } : undefined;
}

// RFC 9162 section 2.1.3.2: the root that leaf and path give for a tree of that size.
async function rootFrom(proof: LogProof, size: number, entry: Bytes): Promise<Bytes | undefined> {
  if (proof.index >= size) return undefined;
  let node = proof.index;
  let last = size - 1;
  let root = await sha256(concat(Uint8Array.of(0), entry));
  const join = (left: Bytes, right: Bytes) => sha256(concat(Uint8Array.of(1), left, right));
  for (const text of proof.path) {
    if (last === 0) return undefined;
    const sibling = fromBase64url(text);
    if (node % 2 === 1 || node === last) {
      root = await join(sibling, root);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else root = await join(root, sibling);
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? root : undefined;
}

/** Unix seconds, undefined where the witness did not sign. */
async function cosignedAt(note: Note, witness: KeyHolder): Promise<number | 'forged' | undefined> {
  const key = fromBase64url(witness.ed25519);
  const id = (
    await sha256(concat(toUtf8(`${witness.name}\n`), Uint8Array.of(COSIGNATURE_TYPE), key))
  ).subarray(0, 4);
  for (const { name, blob } of note.signatures) {
    if (name !== witness.name) continue;
    const octets = fromBase64(blob);
    if (octets === undefined || !equalBytes(octets.subarray(0, 4), id)) continue;
    if (octets.length !== COSIGNATURE_OCTETS) return 'forged';
    const time = new DataView(octets.buffer).getBigUint64(4);
    const message = toUtf8(`cosignature/v1\ntime ${time}\n${note.body}`);
    if (time > LATEST_SECONDS) return 'forged';
    return (await verifyEd25519(key, octets.slice(12), message)) ? Number(time) : 'forged';
  }
  return undefined;
}

function fromBase64(text: string): Bytes | undefined {
  try {
    const octets = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return toBase64(octets) === text ? octets : undefined;
  } catch {
    return undefined;
  }
}
