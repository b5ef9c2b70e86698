import { describe, expect, it } from 'vitest';
import {
  boolean,
  hexText,
  instant,
  integer,
  list,
  object,
  octets,
  oneOf,
  readShape,
  rule,
  text,
  wordOr,
} from '../../../shared/bytes/shape.ts';

const paths = (result: ReturnType<typeof readShape>) =>
  result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`);

describe('shapes', () => {
  const shape = object<{ a: number; b?: readonly string[]; c: { d: boolean } }>(
    { a: integer(0, 9), b: list(text(/^x+$/, 'some x'), 1, 2), c: object<{ d: boolean }>({ d: boolean }) },
    ['b'],
  );
  it('gives the value, without optional members that are absent', () => {
    expect(readShape(shape, { a: 1, c: { d: true } })).toEqual({ ok: true, value: { a: 1, c: { d: true } } });
  });
  it('reports all problems with their paths', () => {
    expect(paths(readShape(shape, { a: 10, b: ['x', 'y'], c: { e: 1, 'f g': 2 }, toString: 1 }))).toEqual([
      'toString: unknown member',
      'a: must be a whole number from 0 to 9',
      'b[1]: must be some x',
      'c.e: unknown member',
      'c."f g": unknown member',
      'c.d: missing',
    ]);
  });
  it('refuses members that JavaScript would hide', () => {
    const value = JSON.parse('{"a":1,"c":{"d":true},"__proto__":{},"constructor":1}') as unknown;
    expect(paths(readShape(shape, value))).toEqual([
      '__proto__: unknown member',
      'constructor: unknown member',
    ]);
  });
  it('shows names of strangers without what a terminal would obey', () => {
    expect(paths(readShape(shape, { a: 1, c: { d: true }, 'x\u009b1m': 1 }))).toEqual([
      '"x?1m": unknown member',
    ]);
  });
  it('refuses the wrong kind of value', () => {
    for (const value of [null, [], 'x', 1, undefined]) expect(readShape(shape, value).ok).toBe(false);
    for (const value of [1.5, '1', null, Number.NaN, -1])
      expect(readShape(integer(0, 9), value).ok).toBe(false);
    for (const value of ['', 'A0', '0', '000', 0]) expect(readShape(hexText(1), value).ok).toBe(false);
    for (const value of ['AA==', 'A', 'AB', '', null]) expect(readShape(octets(1), value).ok).toBe(false);
    for (const value of ['2026-02-30T00:00:00Z', '2026-01-01', '2026-01-01T00:00:00.000Z', 1])
      expect(readShape(instant, value).ok).toBe(false);
    expect(readShape(oneOf('a', null), 'b').ok).toBe(false);
    expect(readShape(list(boolean, 1, 2), []).ok).toBe(false);
    expect(readShape(list(boolean, 1, 2), [true, true, true]).ok).toBe(false);
    expect(readShape(wordOr('any', hexText(1)), 'all').ok).toBe(false);
    expect(
      paths(
        readShape(
          rule(integer(0, 9), (n) => (n % 2 ? 'must be even' : undefined)),
          3,
        ),
      ),
    ).toEqual([': must be even']);
  });
  it('reads each kind of value', () => {
    expect(readShape(octets(1, 2), 'AAE')).toEqual({ ok: true, value: Uint8Array.of(0, 1) });
    expect(readShape(instant, '2026-02-28T23:59:59Z')).toMatchObject({ ok: true });
    expect(readShape(oneOf(false), false)).toEqual({ ok: true, value: false });
    expect(readShape(oneOf('a', null), null)).toEqual({ ok: true, value: null });
    expect(readShape(wordOr('any', hexText(1)), 'any')).toEqual({ ok: true, value: 'any' });
  });
});
