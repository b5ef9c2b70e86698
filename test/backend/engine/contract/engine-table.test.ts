// That the documentation shows what the suite found.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DOCUMENT, withEngineTable } from './engine-table.ts';

it('docs/engines.md has the table of the contract suite', () => {
  const document = readFileSync(DOCUMENT, 'utf8');
  expect(withEngineTable(document), 'run node test/backend/engine/contract/engine-table.ts').toBe(document);
});
