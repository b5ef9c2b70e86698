// Takes DER apart and puts it together again, so that a test can change one value and every length above it fits.

import { der } from '../../../backend/tee/simulated/der-writer.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';

/** A value: primitive with octets, constructed with values. */
export type DerNode =
  | { readonly tag: number; readonly octets: Bytes }
  | { readonly tag: number; readonly values: readonly DerNode[] };

/** The values in some octets. */
export function readTree(octets: Bytes): readonly DerNode[] {
  const nodes: DerNode[] = [];
  for (let at = 0; at < octets.length; ) {
    const tag = octets[at] as number;
    const first = octets[at + 1] as number;
    const count = first < 0x80 ? 0 : first & 0x7f;
    let length = count === 0 ? first : 0;
    for (let i = 0; i < count; i++) length = length * 256 + (octets[at + 2 + i] as number);
    const from = at + 2 + count;
    const content = octets.slice(from, from + length);
    nodes.push(tag & 0x20 ? { tag, values: readTree(content) } : { tag, octets: content });
    at = from + length;
  }
  return nodes;
}

/** The octets of values. */
export function writeTree(nodes: readonly DerNode[]): Bytes {
  return concat(
    ...nodes.map((node) =>
      'values' in node ? der(node.tag, writeTree(node.values)) : der(node.tag, node.octets),
    ),
  );
}

/** Every form of the octets in which one constructed value, the outermost first, holds one more value at its end. */
export function* lengthened(
  octets: Bytes,
  more: DerNode,
): Generator<{ readonly path: string; readonly octets: Bytes }> {
  const nodes = readTree(octets);
  for (const path of pathsOf(nodes, []))
    yield { path: path.join('.'), octets: writeTree(withMore(nodes, path, more)) };
}

function* pathsOf(nodes: readonly DerNode[], above: readonly number[]): Generator<readonly number[]> {
  for (const [index, node] of nodes.entries()) {
    if (!('values' in node)) continue;
    yield [...above, index];
    yield* pathsOf(node.values, [...above, index]);
  }
}

function withMore(
  nodes: readonly DerNode[],
  [index, ...rest]: readonly number[],
  more: DerNode,
): readonly DerNode[] {
  return nodes.map((node, at) => {
    if (at !== index || !('values' in node)) return node;
    return {
      tag: node.tag,
      values: rest.length === 0 ? [...node.values, more] : withMore(node.values, rest, more),
    };
  });
}
