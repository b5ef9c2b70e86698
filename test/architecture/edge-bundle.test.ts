// What is in the edge, from the bundler's own list of inputs: nothing that can open a sealed byte.

import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BuiltEdge, buildEdge } from '../harness/build-edge.ts';

let edge: BuiltEdge;

beforeAll(async () => {
  edge = await buildEdge();
}, 60_000);

/** The package of an input, or undefined for a file of ours. */
function packageOf(input: string): string | undefined {
  return /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(input)?.[1];
}

describe('the edge bundle', () => {
  it('is made of functions, shared/wire and shared/bytes, and of no other file of ours', () => {
    const ours = Object.keys(edge.metafile.inputs).filter((input) => packageOf(input) === undefined);
    expect(ours).toContain('functions/index.ts');
    expect(ours.filter((input) => !/^(functions|shared\/wire|shared\/bytes)\//.test(input))).toEqual([]);
  });

  it('holds three packages, and none that knows HPKE, a KEM or a curve', () => {
    const packages = new Set(Object.keys(edge.metafile.inputs).map(packageOf));
    packages.delete(undefined);
    expect([...packages].sort()).toEqual(['hono', 'jose', 'valibot']);
  });

  it('imports nothing at run time but the runtime itself', () => {
    const external = Object.values(edge.metafile.outputs).flatMap((output) => output.imports);
    expect(external.map((each) => each.path)).toEqual(['cloudflare:workers']);
  });

  it('has no string of the sealing path in it', () => {
    const text = edge.bundle.toString('utf8');
    // The labels without which nothing sealed can be opened (RFC 9458 section 4, draft-08 section 6).
    for (const label of ['message/bhttp', 'HPKE-v1']) expect(text.includes(label), label).toBe(false);
    // The search finds what is there.
    expect(text.includes('message/ohttp-chunked-req')).toBe(true);
  });

  it('is small', () => {
    const octets = gzipSync(edge.bundle).length;
    process.stderr.write(`edge bundle: ${edge.bundle.length} octets, ${octets} gzipped\n`);
    expect(octets).toBeLessThan(40 * 1024);
  });
});
