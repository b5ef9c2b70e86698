import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { replaceWorkedExample } from './render-example.ts';

test('the worked example of PROTOCOL.md is what the code computes, octet by octet', async () => {
  const document = readFileSync(new URL('../../../shared/PROTOCOL.md', import.meta.url), 'utf8');
  expect(await replaceWorkedExample(document)).toBe(document);
});
