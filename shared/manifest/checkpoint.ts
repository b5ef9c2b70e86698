// Checkpoints of a transparency log and the witnesses' dated cosignatures on them.

import { fromBase64url, toBase64 } from '../bytes/base64url.ts';
import { type Bytes, concat } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { equalBytes } from '../bytes/equal.ts';
import { fromUtf8, toUtf8 } from '../bytes/utf8.ts';
import type { KeyHolder } from './key-holders.ts';
import { verifyEd25519 } from './verify-ed25519.ts';

/** C2SP signed-note: the type octet of a timestamped Ed25519 cosignature. */
const COSIGNATURE_TYPE = 0x04;
const COSIGNATURE_OCTETS = 4 + 8 + 64;
/** 9999-12-31: what `Date` can hold with room to spare. */
const LATEST_SECONDS = 253_402_300_799n;

/** A signed note: the text that is signed, and its signature lines. */
export interface Note {
  readonly body: string;
  readonly signatures: readonly { readonly name: string; readonly blob: string }[];
}

/** Splits a signed note (C2SP signed-note): text, an empty line, and lines of em dash, name and base64. Undefined for anything else. */
export function splitNote(text: string): Note | undefined {
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

/** Reads a checkpoint (C2SP tlog-checkpoint): origin, size, root as base64; lines of extensions may follow. */
export function readCheckpoint(body: string): { origin: string; size: number; root: string } | undefined {
  const [origin, size, root] = body.split('\n');
  if (!origin || !size || !root || !/^(0|[1-9]\d{0,15})$/.test(size)) return undefined;
  const leaves = Number(size);
  return Number.isSafeInteger(leaves) ? { origin, size: leaves, root } : undefined;
}

/** When this witness cosigned (C2SP tlog-cosignature), in Unix seconds; undefined where it did not; a signature in its name that does not hold is `forged`. */
export async function cosignedAt(note: Note, witness: KeyHolder): Promise<number | 'forged' | undefined> {
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

/**
 * A time at which the note, cosignatures included, cannot have existed yet, when fewer than `threshold` of the witnesses lie: the
 * `threshold`th latest of their times. Undefined with fewer cosignatures, with a forged one, for what is no checkpoint, and for a
 * threshold below one.
 */
export async function cosignedSince(
  octets: Uint8Array,
  witnesses: readonly KeyHolder[],
  threshold: number,
): Promise<Date | undefined> {
  const note = readNote(octets);
  if (!note || !readCheckpoint(note.body) || threshold < 1) return undefined;
  const times: number[] = [];
  for (const witness of witnesses) {
    const time = await cosignedAt(note, witness);
    if (time === 'forged') return undefined;
    if (time !== undefined) times.push(time);
  }
  const since = times.sort((a, b) => b - a)[threshold - 1];
  return since === undefined ? undefined : new Date(since * 1000);
}

function readNote(octets: Uint8Array): Note | undefined {
  try {
    return splitNote(fromUtf8(octets));
  } catch {
    return undefined;
  }
}

function fromBase64(text: string): Bytes | undefined {
  try {
    const octets = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return toBase64(octets) === text ? octets : undefined;
  } catch {
    return undefined;
  }
}
