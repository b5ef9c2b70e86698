// `npm run protocol`: writes the worked example into shared/PROTOCOL.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { replaceWorkedExample } from './render-example.ts';

const path = new URL('../../../shared/PROTOCOL.md', import.meta.url);
writeFileSync(path, await replaceWorkedExample(readFileSync(path, 'utf8')));
