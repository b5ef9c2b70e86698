// Renders what the contract suite found as the table in docs/engines.md. Run by itself, it writes it there.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ENGINE_SUPPORT, FEATURES, type Feature } from './features.ts';

export const DOCUMENT = fileURLToPath(new URL('../../../../docs/engines.md', import.meta.url));
const BEGIN = '<!-- the contract suite’s table: node test/backend/engine/contract/engine-table.ts -->\n';
const END = '<!-- end of the table -->';

/** The table as Markdown, its notes below. */
export function renderEngineTable(): string {
  const kinds = Object.keys(ENGINE_SUPPORT) as (keyof typeof ENGINE_SUPPORT)[];
  const notes: string[] = [];
  const cell = (kind: (typeof kinds)[number], feature: Feature): string => {
    const [support, note] = ENGINE_SUPPORT[kind][feature] ?? ['yes', ''];
    if (support === 'yes') return 'yes';
    const known = notes.indexOf(note) + 1;
    const number = known > 0 ? known : notes.push(note);
    return `${support === 'refused' ? 'refused' : 'differs'} (${number})`;
  };
  const rows = (Object.entries(FEATURES) as [Feature, string][]).map(
    ([feature, text]) => `| ${text} | ${kinds.map((kind) => cell(kind, feature)).join(' | ')} | not run |`,
  );
  const head = `| | ${kinds.map((kind) => `\`${kind}\``).join(' | ')} | \`vllm\` |\n| --- | ${kinds.map(() => '---').join(' | ')} | --- |`;
  return `${head}\n${rows.join('\n')}\n\n${notes.map((note, index) => `${index + 1}. ${note}`).join('\n')}\n`;
}

/** The document with the table that holds now. */
export function withEngineTable(document: string): string {
  const [before, rest] = document.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined)
    throw new Error('docs/engines.md has no place for the table');
  return `${before}${BEGIN}\n${renderEngineTable()}\n${END}${after}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(DOCUMENT, withEngineTable(readFileSync(DOCUMENT, 'utf8')));
