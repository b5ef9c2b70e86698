// The owner's weight key: 32 octets, their one text form, and what is derived from them.

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { WeightsError } from './weights-error.ts';

/** Octets of a weight key. */
export const WEIGHT_KEY_OCTETS = 32;

const PREFIX = 'cloister-weight-key-v1:';
const KEY_ID_OCTETS = 16;
const DATA_KEY_LABEL = 'cloister weights v1 data key';
const KEY_ID_LABEL = 'cloister weights v1 key id';

/** The text of a key file: a prefix that tells people and secret scanners what it is, base64url, a line feed. */
export function formatWeightKey(key: Uint8Array): string {
  if (key.length !== WEIGHT_KEY_OCTETS) throw new WeightsError('weights_key_malformed');
  return `${PREFIX}${toBase64url(key)}\n`;
}

/**
 * Reads the text of a key file; the line feed at its end may be missing.
 * @throws WeightsError `weights_key_malformed`; the message does not repeat the text.
 */
export function parseWeightKey(text: string): Bytes {
  const line = text.endsWith('\n') ? text.slice(0, -1) : text;
  if (!line.startsWith(PREFIX)) throw new WeightsError('weights_key_malformed');
  let key: Bytes;
  try {
    key = fromBase64url(line.slice(PREFIX.length));
  } catch {
    throw new WeightsError('weights_key_malformed');
  }
  if (key.length !== WEIGHT_KEY_OCTETS) throw new WeightsError('weights_key_malformed');
  return key;
}

/** HKDF-SHA256 (RFC 5869) of the weight key without salt, info "cloister weights v1 key id": 16 octets that may be public. */
export function weightKeyId(key: Bytes): Promise<Bytes> {
  return derive(key, new Uint8Array(0), KEY_ID_LABEL, KEY_ID_OCTETS);
}

/** HKDF-SHA256 of the weight key with the file's salt, info "cloister weights v1 data key": the file's own AEAD key, 32 octets. */
export function deriveDataKey(key: Bytes, salt: Bytes): Promise<Bytes> {
  return derive(key, salt, DATA_KEY_LABEL, 32);
}

async function derive(key: Bytes, salt: Bytes, label: string, octets: number): Promise<Bytes> {
  const imported = await crypto.subtle.importKey('raw', key, 'HKDF', false, ['deriveBits']);
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt, info: toUtf8(label) };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, imported, 8 * octets));
}
