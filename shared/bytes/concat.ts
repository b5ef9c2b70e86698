// Joins byte arrays into one.

/** Bytes backed by a plain ArrayBuffer, which is what every Web API takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A new array that holds all parts in order; the parts are copied. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
