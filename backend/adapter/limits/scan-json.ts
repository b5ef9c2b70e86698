// Walks JSON text once: how deep it goes, whether a name occurs twice in an object, and where the outermost members stand.

/** One member of the outermost object, `"name": value`, as a range of the text. */
export interface OuterMember {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** A range of the text. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** What is wrong with the text, or what it is made of. */
export type JsonScan =
  | { readonly problem: 'too deep' | 'too many' | 'duplicate member' }
  | {
      readonly problem: undefined;
      /** Empty when the text is no object. */
      readonly members: readonly OuterMember[];
      /** Numbers that may not survive being read as a double: long, or with an exponent. */
      readonly wideNumbers: readonly TextRange[];
    };

/** A double holds every integer and every decimal of so many digits (IEEE 754: 15.95 digits). */
const SURE_DIGITS = 15;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** White space is at or below it, and no token begins there. */
const SPACE = 0x20;

/**
 * Looks at the structure only; what it says holds once the text has turned out to be JSON. It comes before the parser, which takes seconds for
 * megabytes of brackets (measured, V8 13.6), and is linear in the text, whatever that is. Two readers choose differently among equal names, so
 * none may be there.
 * @throws SyntaxError for a name that no JSON has.
 */
export function scanJson(text: string, maximumDepth: number, maximumValues: number): JsonScan {
  /** For each open object the names so far: none, one, or several. Null for a list. */
  const open: (Set<string> | string | undefined | null)[] = [];
  const members: OuterMember[] = [];
  const wideNumbers: TextRange[] = [];
  let values = 0;
  let nameExpected = false;
  let member: { name: string; start: number } | undefined;
  // Where the value before ended: a member ends there and not at the comma after it.
  let valueEnd = 0;
  const endMember = (): void => {
    if (member !== undefined) members.push({ ...member, end: valueEnd });
    member = undefined;
  };
  let at = 0;
  while (at < text.length) {
    const start = at++;
    const code = text.charCodeAt(start);
    if (code <= SPACE || code === COLON) continue;
    if (code === COMMA) {
      if (open.length === 1) endMember();
      nameExpected = open[open.length - 1] !== null;
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      if (open.length === 1) endMember();
      open.pop();
      nameExpected = false;
      valueEnd = at;
    } else if (code === QUOTE && nameExpected) {
      at = valueEnd = endOfString(text, start);
      nameExpected = false;
      const name = nameIn(text, start, at);
      const names = open[open.length - 1];
      if (names === undefined) open[open.length - 1] = name;
      else if (names instanceof Set) {
        if (names.has(name)) return { problem: 'duplicate member' };
        names.add(name);
      } else {
        if (names === name) return { problem: 'duplicate member' };
        open[open.length - 1] = new Set([names as string, name]);
      }
      if (open.length === 1) member = { name, start };
    } else {
      if (++values > maximumValues) return { problem: 'too many' };
      if (code === OPEN_OBJECT || code === OPEN_LIST) {
        if (open.length === maximumDepth) return { problem: 'too deep' };
        nameExpected = code === OPEN_OBJECT;
        open.push(nameExpected ? undefined : null);
      } else if (code === QUOTE) at = valueEnd = endOfString(text, start);
      else {
        at = valueEnd = endOfWord(text, start);
        if (isWide(text, start, at)) wideNumbers.push({ start, end: at });
      }
    }
  }
  return { problem: undefined, members, wideNumbers };
}

function nameIn(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end - 1);
  return name.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : name;
}

function endOfString(text: string, start: number): number {
  for (let quote = start; ; ) {
    quote = text.indexOf('"', quote + 1);
    if (quote < 0) return text.length;
    let before = quote;
    while (before - 1 > start && text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
}

function endOfWord(text: string, start: number): number {
  let at = start + 1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code <= SPACE || code === COMMA || code === CLOSE_LIST || code === CLOSE_OBJECT) break;
  }
  return at;
}

// Not a literal: those begin with a letter, and hold an e each.
function isWide(text: string, start: number, end: number): boolean {
  if (end - start > SURE_DIGITS) return true;
  if (text.charCodeAt(start) > COLON) return false;
  for (let at = start; at < end; at++) if ((text.charCodeAt(at) | 0x20) === 0x65) return true;
  return false;
}
