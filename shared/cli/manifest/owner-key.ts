// An owner's key in a file that only its owner can read. The private half is never printed and never sent anywhere.

import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { toBase64url } from '../../bytes/base64url.ts';
import type { Bytes } from '../../bytes/concat.ts';
import { sha256 } from '../../bytes/digest.ts';
import { object, oneOf, readShape, type Shape, text } from '../../bytes/shape.ts';
import { parseStrictJson } from '../../bytes/strict-json.ts';
import type { KeyHolder } from '../../manifest/key-holders.ts';
import { ed25519Key } from '../../manifest/verify-ed25519.ts';

/** Somebody who can sign. */
export interface OwnerKey extends KeyHolder {
  readonly sign: (message: Uint8Array) => Bytes;
}

/** A key file that cannot be used; the message says why and holds nothing of it. */
export class OwnerKeyError extends Error {
  override readonly name = 'OwnerKeyError';
  readonly code: 'owner_key_exists' | 'owner_key_unreadable' | 'owner_key_exposed' | 'owner_key_malformed';
  constructor(code: OwnerKeyError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** The file's JSON: the private half as RFC 8037 has it. */
interface KeyFile {
  readonly version: 1;
  readonly name: string;
  /** base64url, 32 octets. */
  readonly ed25519: string;
  /** base64url, 32 octets. */
  readonly private: string;
}

const OTHERS = 0o077;
const shape: Shape<KeyFile> = object<KeyFile>({
  version: oneOf(1),
  name: text(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,126}$/, 'a name of letters, digits, dots, slashes and hyphens'),
  ed25519: ed25519Key,
  private: text(/^[A-Za-z0-9_-]{43}$/, 'base64url of 32 octets'),
});

/** Makes a key and writes it with mode 0600. @throws OwnerKeyError `owner_key_exists` rather than replace a file. */
export async function createOwnerKey(path: string, name: string): Promise<KeyHolder> {
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const content: KeyFile = { version: 1, name, ed25519: x, private: d };
  const read = readShape(shape, content);
  if (!read.ok) throw new OwnerKeyError('owner_key_malformed', describe(read.problems));
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
    throw new OwnerKeyError('owner_key_exists', `${path} exists already; a key is never replaced`);
  }
  try {
    await file.writeFile(`${JSON.stringify(content)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return { name, ed25519: x };
}

/** Reads a key. @throws OwnerKeyError also when others may read the file. */
export async function readOwnerKey(path: string): Promise<OwnerKey> {
  let octets: Uint8Array;
  try {
    const { mode } = await stat(path);
    if ((mode & OTHERS) !== 0)
      throw new OwnerKeyError('owner_key_exposed', `${path} may be read by others: chmod 600 ${path}`);
    octets = await readFile(path);
  } catch (error) {
    if (error instanceof OwnerKeyError) throw error;
    throw new OwnerKeyError('owner_key_unreadable', `the key file ${path} cannot be read`);
  }
  let value: unknown;
  try {
    value = parseStrictJson(octets);
  } catch {
    throw new OwnerKeyError('owner_key_malformed', `${path} is not a key file`);
  }
  const read = readShape(shape, value);
  if (!read.ok) throw new OwnerKeyError('owner_key_malformed', `${path}: ${describe(read.problems)}`);
  const { name, ed25519 } = read.value;
  const key = importKey(read.value);
  if (key === undefined)
    throw new OwnerKeyError(
      'owner_key_malformed',
      `${path}: the two halves of the key do not belong together`,
    );
  return { name, ed25519, sign: (message) => new Uint8Array(sign(null, message, key)) };
}

/** A short name of a public key for people to compare aloud: the first 8 octets of its SHA-256 in hex groups. */
export async function fingerprint(ed25519: string): Promise<string> {
  const hash = await sha256(new TextEncoder().encode(ed25519));
  return [...hash.subarray(0, 8)].map((octet) => octet.toString(16).padStart(2, '0')).join(':');
}

function importKey({ ed25519, private: d }: KeyFile): KeyObject | undefined {
  try {
    const key = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d, x: ed25519 }, format: 'jwk' });
    // What is imported derives the public half anew.
    const { x } = createPrivateKey(key.export({ format: 'pem', type: 'pkcs8' })).export({ format: 'jwk' });
    return x === ed25519 && toBase64url(new Uint8Array(Buffer.from(d, 'base64url'))) === d ? key : undefined;
  } catch {
    return undefined;
  }
}

function describe(problems: readonly { readonly path: string; readonly message: string }[]): string {
  return problems.map(({ path, message }) => `${path || 'key file'} ${message}`).join('; ');
}
