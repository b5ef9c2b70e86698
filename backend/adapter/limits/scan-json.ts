// Walks JSON text once: how deep it goes, whether a name occurs twice in an object, and where the outermost members stand.

/** One member of the outermost object, `"name": value`, as a range of the text. */
export interface OuterMember {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** What is wrong with the text, or what it is made of. */
export type JsonScan =
  | { readonly problem: 'too deep' | 'duplicate member' }
  | {
      readonly problem: undefined;
      /** Empty when the text is no object. */
      readonly members: readonly OuterMember[];
      /** Whether some number may not survive being read as a double: long, or with an exponent. */
      readonly hasWideNumber: boolean;
    };

/** A double holds every integer and every decimal of so many digits (IEEE 754: 15.95 digits). */
const SURE_DIGITS = 15;

/** `text` must be valid JSON: only its structure is looked at. Two readers choose differently among equal names, so none may be there. */
export function scanJson(text: string, maximumDepth: number): JsonScan {
  const open: (Set<string> | undefined)[] = [];
  const members: OuterMember[] = [];
  let hasWideNumber = false;
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
    const start = at;
    switch (text[at]) {
      case '{':
      case '[':
        if (open.length === maximumDepth) return { problem: 'too deep' };
        nameExpected = text[at] === '{';
        open.push(nameExpected ? new Set() : undefined);
        at++;
        break;
      case '}':
      case ']':
        if (open.length === 1) endMember();
        open.pop();
        nameExpected = false;
        valueEnd = ++at;
        break;
      case ',':
        if (open.length === 1) endMember();
        nameExpected = open.at(-1) !== undefined;
        at++;
        break;
      case '"':
        at = endOfString(text, at);
        valueEnd = at;
        if (nameExpected) {
          const name = JSON.parse(text.slice(start, at)) as string;
          const names = open.at(-1);
          if (names?.has(name)) return { problem: 'duplicate member' };
          names?.add(name);
          if (open.length === 1) member = { name, start };
          nameExpected = false;
        }
        break;
      case ' ':
      case '\t':
      case '\n':
      case '\r':
      case ':':
        at++;
        break;
      default:
        while (at < text.length && !',]} \t\n\r'.includes(text[at] as string)) at++;
        valueEnd = at;
        hasWideNumber ||= isWide(text, start, at);
    }
  }
  return { problem: undefined, members, hasWideNumber };
}

function endOfString(text: string, start: number): number {
  for (let quote = start; ; ) {
    quote = text.indexOf('"', quote + 1);
    let before = quote;
    while (text[before - 1] === '\\') before--;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
}

// Not a literal: those are short and hold an e each.
function isWide(text: string, start: number, end: number): boolean {
  if (end - start > SURE_DIGITS) return true;
  const first = text[start] as string;
  return first !== 't' && first !== 'f' && first !== 'n' && /e/i.test(text.slice(start, end));
}
