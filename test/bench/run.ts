// `npm run bench [-- --json] [-- group …]`: prints every figure with a floor from the same run.

import { adapterFigures } from './adapter.ts';
import { engineFigures } from './engine.ts';
import { isolationFigures } from './isolation.ts';
import type { FigureGroup } from './measure.ts';
import { openRequestFigures } from './open-request.ts';
import { peerFigures } from './peers.ts';
import { sandboxFigures } from './sandbox.ts';
import { sealRecordFigures } from './seal-record.ts';
import { sizeFigures } from './size.ts';
import { verifierFigures } from './verifier.ts';
import { verifyFleetFigures } from './verify-fleet.ts';
import { weightsFigures } from './weights.ts';

const GROUPS: Readonly<Record<string, FigureGroup>> = {
  'open-request': openRequestFigures,
  'seal-record': sealRecordFigures,
  peers: peerFigures,
  adapter: adapterFigures,
  engine: engineFigures,
  sandbox: sandboxFigures,
  isolation: isolationFigures,
  verifier: verifierFigures,
  size: sizeFigures,
  'verify-fleet': verifyFleetFigures,
  weights: weightsFigures,
};

const args = process.argv.slice(2);
const json = args.includes('--json');
const wanted = args.filter((argument) => !argument.startsWith('--'));
const unknown = wanted.find((name) => GROUPS[name] === undefined);
if (unknown !== undefined) {
  process.stderr.write(`no such group: ${unknown}; there are ${Object.keys(GROUPS).join(', ')}\n`);
  process.exit(2);
}

if (!json) process.stdout.write(row(['figure', 'value', 'floor', 'unit', 'ratio']));
for (const [name, figures] of Object.entries(GROUPS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for await (const outcome of figures()) {
    if ('skipped' in outcome) process.stderr.write(`skipped ${outcome.name}: ${outcome.skipped}\n`);
    else if (json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
    else {
      const { name: figureName, value, floor, unit, ratio } = outcome;
      process.stdout.write(row([figureName, value, floor, unit, ratio]));
    }
  }
}

function row([name, value, floor, unit, ratio]: readonly (string | number)[]): string {
  const cells = [String(name).padEnd(44), ...[value, floor].map((cell) => String(cell).padStart(12))];
  return `${cells.join('')}  ${String(unit).padEnd(14)}${String(ratio).padStart(8)}\n`;
}
