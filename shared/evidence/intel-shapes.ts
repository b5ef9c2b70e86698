// Shapes that Intel's signed documents have in common.

import type { Bytes } from '../bytes/concat.ts';
import { fromHex } from '../bytes/hex.ts';
import { list, oneOf, refuse, type Shape, text } from '../bytes/shape.ts';

/** What Intel says of a level of an enclave or a TDX module. */
export type ModuleStatus = 'UpToDate' | 'OutOfDate' | 'Revoked';

/** One of the three. */
export const moduleStatus: Shape<ModuleStatus> = oneOf('UpToDate', 'OutOfDate', 'Revoked');

/** Hex of exactly so many octets, decoded. Intel writes both cases. */
export function hexOctets(octets: number): Shape<Bytes> {
  return (value, path, problems) =>
    typeof value === 'string' && value.length === 2 * octets && /^[0-9A-Fa-f]*$/.test(value)
      ? fromHex(value.toLowerCase())
      : refuse(path, `must be hex of ${octets} octets`, problems);
}

/** Names of security advisories, such as `INTEL-SA-00837`. */
export const advisories: Shape<readonly string[]> = list(
  text(/^[A-Z0-9-]{1,32}$/, 'the name of an advisory'),
  0,
  256,
);
