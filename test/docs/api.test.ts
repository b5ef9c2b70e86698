// docs/api.md against the code: limits, routes, features, members that are withheld.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SERVABLE_ROUTES } from '../../backend/adapter/dialects/translate-request.ts';
import { WITHHELD_MEMBERS } from '../../backend/adapter/dialects/withheld-members.ts';
import { FEATURES } from '../../backend/adapter/limits/check-features.ts';
import { REQUEST_LIMIT } from '../../backend/adapter/limits/request-limits.ts';

const document = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
const column = (pattern: RegExp) => [...document.matchAll(pattern)].map(([, name = '']) => name);

describe('docs/api.md', () => {
  test('has every limit with its number, and no other', () => {
    const rows = [...document.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(([, name, most]) => [
      name,
      Number(most),
    ]);
    expect(Object.fromEntries(rows)).toEqual(REQUEST_LIMIT);
  });

  test('has every route that can be served, and no other', () => {
    expect(column(/^\| `((?:GET|POST) [^`]+)` \|/gm)).toEqual(expect.arrayContaining([...SERVABLE_ROUTES]));
    expect(column(/^\| `((?:GET|POST) [^`]+)` \|/gm)).toHaveLength(SERVABLE_ROUTES.length);
  });

  test('has every feature, in order', () => {
    const [, table = ''] = document.split('| feature | what it switches on |');
    const rows = [...(table.split('\n\n')[0] ?? '').matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name);
    expect(rows).toEqual([...FEATURES]);
  });

  test('has every member that is withheld', () => {
    const [, list = ''] = document.split('unless one of the following is among them:');
    const named = [...(list.split('Those reach past')[0] ?? '').matchAll(/`([a-z_]+)`/g)].map(
      ([, name]) => name,
    );
    expect(named).toEqual([...WITHHELD_MEMBERS]);
  });
});
