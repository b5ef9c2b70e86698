// JSON with one spelling, for digests of values that this room makes itself.

/** What {@link canonicalJson} takes: no floats beyond integers, no undefined members. */
export type CanonicalValue =
  | null
  | boolean
  | number
  | string
  | readonly CanonicalValue[]
  | { readonly [member: string]: CanonicalValue };

/**
 * Members sorted by UTF-16 code units, no white space, as RFC 8785 has it; numbers must be safe integers.
 * @throws RangeError on any other number.
 */
export function canonicalJson(value: CanonicalValue): string {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError('not an integer');
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value as { readonly [member: string]: CanonicalValue });
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
