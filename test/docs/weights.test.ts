// docs/weights.md says what the code does: the worked example is computed again, and every refusal is named.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { weightsExample } from './weights-example.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const document = read('docs/weights.md');

test('the worked example is what the code computes', async () => {
  expect(document).toContain(`\`\`\`\n${await weightsExample()}\n\`\`\``);
});

test.each(['shared/weights/weights-error.ts', 'backend/engine/weights/weights-load-error.ts'])(
  'every code of %s is explained',
  (path) => {
    const codes = [...read(path).matchAll(/^ {2}\| '(weights_\w+)'/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(5);
    for (const code of codes) expect(document).toContain(`\`${code}\``);
  },
);
