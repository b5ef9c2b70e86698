// Takes members out of a JSON object and puts one in, leaving every other octet as the client wrote it.

/** Tokens that tell structure, in text that is known to be JSON. */
const STRUCTURE = /["{}[\],]/g;

/**
 * The object with every top-level member named in `removed` (compared after its escapes are resolved, as often as it occurs) left
 * out, and `name` with the text `value` as its first member. Numbers, order and spelling of the rest stay: reading and writing the
 * whole would lose digits.
 * @returns undefined where the text is no JSON object: an engine with a laxer parser must not see it either
 */
export function replaceMembers(
  text: string,
  removed: ReadonlySet<string>,
  name: string,
  value: string,
): string | undefined {
  if (!isObject(text)) return undefined;
  const kept = [`${JSON.stringify(name)}:${JSON.stringify(value)}`];
  let depth = 0;
  let start = 0;
  let member: string | undefined;
  const flush = (end: number): void => {
    if (member !== undefined && !removed.has(member)) kept.push(text.slice(start, end));
    member = undefined;
    start = end + 1;
  };
  STRUCTURE.lastIndex = 0;
  for (let match = STRUCTURE.exec(text); match !== null; match = STRUCTURE.exec(text)) {
    const at = match.index;
    switch (match[0]) {
      case '"': {
        const end = endOfString(text, at);
        if (depth === 1) member ??= JSON.parse(text.slice(at, end)) as string;
        STRUCTURE.lastIndex = end;
        break;
      }
      case '{':
      case '[':
        if (++depth === 1) start = at + 1;
        break;
      case ',':
        if (depth === 1) flush(at);
        break;
      default:
        if (--depth === 0) flush(at);
    }
  }
  return `{${kept.join(',')}}`;
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

// After the closing quote: the first one behind an even number of backslashes.
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); ; at = text.indexOf('"', at + 1)) {
    let before = at - 1;
    while (text[before] === '\\') before--;
    if ((at - before) % 2 === 1) return at + 1;
  }
}
