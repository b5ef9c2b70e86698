import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PUBLIC_ERRORS } from '../../shared/wire/public-error.ts';

const document = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const [, service = ''] = document.split('## From the service');
const rows = [
  ...(service.split('## From the client')[0] ?? '').matchAll(/^\| `([a-z_]+)` \| (\d{3}) \|/gm),
].map(([, code, status]) => ({ code: code ?? '', status: Number(status) }));

describe('docs/errors.md', () => {
  test('has one row for every public code, with its status, and no other', () => {
    const catalogue = Object.entries(PUBLIC_ERRORS).map(([code, { status }]) => ({ code, status }));
    const sort = (list: typeof rows) => [...list].sort((a, b) => (a.code < b.code ? -1 : 1));
    expect(sort(rows)).toEqual(sort(catalogue));
  });

  test('has a row for every code of the client', () => {
    const source = readFileSync(new URL('../../shared/client/cloister-error.ts', import.meta.url), 'utf8');
    const codes = [...source.matchAll(/^ {2}\| '([a-z_]+)'/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(4);
    for (const code of codes) expect(document).toContain(`| \`${code}\` |`);
  });
});
