// Bundles a target and puts a counter on every branch, so that the fuzzer sees which edges an input takes.

import { parse } from 'acorn';
import { build } from 'esbuild';

/** Edges, hashed: enough for parsers of a few thousand branches. */
export const MAP_SIZE = 1 << 14;

/** What one input took. */
export interface Coverage {
  /** How often each edge was taken, 255 at most. */
  readonly counts: Uint8Array;
  /** The edges that were taken, the first `taken` of them. */
  readonly edges: Uint16Array;
  taken: number;
  /** The branch that came last. */
  last: number;
}

/** One target, loaded with its counters. */
export interface InstrumentedTarget {
  /** Tries one input. It throws only what no input may cause. */
  readonly fuzz: (input: Uint8Array<ArrayBuffer>) => void | Promise<void>;
  readonly coverage: Coverage;
}

/** Forgets what an input took, in as many steps as it took. */
export function clearCoverage(coverage: Coverage): void {
  for (let i = 0; i < coverage.taken; i++) coverage.counts[coverage.edges[i] as number] = 0;
  coverage.taken = 0;
  coverage.last = 0;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

// Edge = this branch with the one before it, as AFL counts them.
const RUNTIME = `
export const __coverage = { counts: new Uint8Array(${MAP_SIZE}), edges: new Uint16Array(${MAP_SIZE}), taken: 0, last: 0 };
const __b = (branch) => {
  const edge = (__coverage.last ^ branch) & ${MAP_SIZE - 1};
  const count = __coverage.counts[edge];
  if (count === 0) __coverage.edges[__coverage.taken++] = edge;
  if (count < 255) __coverage.counts[edge] = count + 1;
  __coverage.last = branch >> 1;
};
`;

/** @param path of a module that exports `fuzz` */
export async function loadInstrumented(path: string): Promise<InstrumentedTarget> {
  const built = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'es2024',
    // Only our own code is measured; packages stay outside.
    packages: 'external',
    absWorkingDir: new URL('../..', import.meta.url).pathname,
    logLevel: 'error',
  });
  const source = instrument(built.outputFiles[0]?.text ?? '');
  const url = `data:text/javascript;base64,${Buffer.from(RUNTIME + source).toString('base64')}`;
  const loaded = (await import(url)) as { fuzz: InstrumentedTarget['fuzz']; __coverage: Coverage };
  return { fuzz: loaded.fuzz, coverage: loaded.__coverage };
}

/** The source with a counter at the start of every function, branch, loop, case and short-circuited operand. */
export function instrument(source: string): string {
  const insertions: [at: number, text: string][] = [];
  let branches = 0;
  // Spread over the map: neighbours in the source must not be neighbours there.
  const counter = (): string => `__b(${Math.imul(++branches, 0x9e3779b1) >>> 18})`;

  function statement(node: Node): void {
    if (node.type === 'BlockStatement') insertions.push([node.start + 1, `${counter()};`]);
    else insertions.push([node.start, `{${counter()};`], [node.end, '}']);
  }

  function expression(node: Node): void {
    insertions.push([node.start, `(${counter()},(`], [node.end, '))']);
  }

  function mark(node: Node): void {
    const part = (key: string): Node => node[key] as Node;
    switch (node.type) {
      case 'ArrowFunctionExpression':
        if (node.expression === true) expression(part('body'));
        else statement(part('body'));
        break;
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ForStatement':
      case 'ForOfStatement':
      case 'ForInStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
      case 'CatchClause':
        statement(part('body'));
        break;
      case 'IfStatement':
        statement(part('consequent'));
        if (node.alternate) statement(part('alternate'));
        break;
      case 'ConditionalExpression':
        expression(part('consequent'));
        expression(part('alternate'));
        break;
      case 'LogicalExpression':
        expression(part('right'));
        break;
      case 'SwitchCase': {
        const [first] = node.consequent as Node[];
        if (first !== undefined) insertions.push([first.start, `${counter()};`]);
      }
    }
  }

  function walk(node: Node): void {
    mark(node);
    for (const value of Object.values(node))
      for (const child of Array.isArray(value) ? value : [value])
        if (typeof child?.type === 'string') walk(child as Node);
  }

  walk(parse(source, { ecmaVersion: 'latest', sourceType: 'module' }) as unknown as Node);
  // Outer nodes were marked first: openings keep that order at one place, closings turn it round.
  const ordered = insertions.map(([at, text], order) => ({ at, text, order, closes: /^[)}]/.test(text) }));
  ordered.sort(
    (a, b) =>
      a.at - b.at ||
      Number(b.closes) - Number(a.closes) ||
      (a.closes ? b.order - a.order : a.order - b.order),
  );
  let written = '';
  let from = 0;
  for (const { at, text } of ordered) {
    written += source.slice(from, at) + text;
    from = at;
  }
  return written + source.slice(from);
}
