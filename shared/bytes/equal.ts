// Comparison of octets.

/**
 * Whether two arrays hold the same octets, in time that depends on their lengths only (as far as JavaScript can
 * promise). Arrays of different length are unequal; lengths are not secret here.
 */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}
