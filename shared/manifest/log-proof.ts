// Proof that a manifest has lain in a witnessed log since some time: an inclusion proof up to a checkpoint that witnesses cosigned then.

import { fromBase64url, toBase64 } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { leafHash, rootOfPath } from '../bytes/merkle-tree.ts';
import { integer, list, object, oneOf, readShape, type Shape } from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { cosignedAt, readCheckpoint, splitNote } from './checkpoint.ts';
import type { KeyHolder } from './key-holders.ts';
import { labelledDigest } from './labelled-digest.ts';
import { ManifestError } from './manifest-error.ts';

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
  const path = proof.path.map(fromBase64url);
  const leaf = await leafHash(await logEntryOf(manifestOctets));
  const root = await rootOfPath(leaf, { index: proof.index, size: checkpoint.size, path });
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
