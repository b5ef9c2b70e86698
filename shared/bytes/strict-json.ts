// Reads JSON once and in one way: valid UTF-8, no duplicate member names, bounded depth.

import { fromUtf8 } from './utf8.ts';

const MAXIMUM_DEPTH = 32;
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;

/** JSON that was refused. `code` is stable: `bytes_invalid_json`. Never carries the text. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
  readonly code = 'bytes_invalid_json';
  readonly reason: 'syntax' | 'duplicate member' | 'too deep';
  constructor(reason: 'syntax' | 'duplicate member' | 'too deep') {
    super(`not acceptable as JSON: ${reason}`);
    this.reason = reason;
  }
}

/**
 * Parses JSON octets (RFC 8259) without a second reading: a member name may occur once per object, compared after
 * its escapes are resolved (RFC 8259 section 4 leaves duplicates open, and two readers choose differently).
 * @throws StrictJsonError on invalid UTF-8 or syntax, a byte order mark, a duplicate name, or nesting beyond 32.
 */
export function parseStrictJson(octets: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = fromUtf8(octets);
    value = JSON.parse(text);
  } catch {
    throw new StrictJsonError('syntax');
  }
  refuseDuplicates(text);
  return value;
}

// The text is known to be valid JSON here, so its tokens alone tell the structure.
function refuseDuplicates(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let nameExpected = false;
  for (const [token] of text.matchAll(TOKEN)) {
    const names = open.at(-1);
    if (token === '{' || token === '[') {
      if (open.length === MAXIMUM_DEPTH) throw new StrictJsonError('too deep');
      open.push(token === '{' ? new Set() : undefined);
      nameExpected = token === '{';
    } else if (token === '}' || token === ']') {
      open.pop();
      nameExpected = false;
    } else if (token === ',') {
      nameExpected = names !== undefined;
    } else if (token !== ':' && nameExpected && names) {
      const name = JSON.parse(token) as string;
      if (names.has(name)) throw new StrictJsonError('duplicate member');
      names.add(name);
      nameExpected = false;
    }
  }
}
