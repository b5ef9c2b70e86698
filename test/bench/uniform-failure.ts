// How alike failures to open a request are in time: Welch's t between each two kinds, over interleaved samples.
//
//   node test/bench/uniform-failure.ts [--samples 100000] [--in-flight 6]
//
// Runs the adapter in this process, so there is no network to hide a difference. |t| below 4.5 is the target.

import { parseArgs } from 'node:util';
import { measureUniformFailure } from './measure-uniform-failure.ts';

const { values } = parseArgs({
  options: { samples: { type: 'string', default: '100000' }, 'in-flight': { type: 'string', default: '6' } },
});
await measureUniformFailure({
  samples: Number(values.samples),
  inFlight: Number(values['in-flight']),
  report: (line) => process.stdout.write(`${JSON.stringify(line)}\n`),
});
process.exit(0);
