// `npm run test:mutations [-- --every n] [name …]`: turns every single bit of everything that is signed, and lists each that is not refused.

import { availableParallelism } from 'node:os';
import { capturedTargets } from './captured-targets.ts';
import { everyBit, type FlipTarget, sampledBits, searchFlips } from './flip-search.ts';
import { generatedTargets } from './generated-targets.ts';

/** Longer than any verification takes on a machine that does something else as well. */
const BOUND_MILLISECONDS = 5000;

const args = process.argv.slice(2);
const at = args.indexOf('--every');
const every = at < 0 ? 1 : Number(args[at + 1]);
if (!Number.isInteger(every) || every < 1) {
  process.stderr.write('--every takes a whole number: one bit of so many\n');
  process.exit(2);
}
const names = at < 0 ? args : args.toSpliced(at, 2);
const captured = capturedTargets();
const targets = [...(await generatedTargets()), ...captured].filter(
  ({ name }) => names.length === 0 || names.some((wanted) => name.includes(wanted)),
);
if (captured.length === 0)
  process.stdout.write('skipped: captured evidence, because there is no folder of vectors\n');

let tried = 0;
let wrong = 0;
let slowest = 0;
const began = performance.now();
for (const target of targets) {
  const outcome = await searchFlips(target, bitsOf(target));
  const late = outcome.slowest > BOUND_MILLISECONDS ? 1 : 0;
  tried += outcome.tried;
  wrong += outcome.accepted.length + outcome.untyped.length + late;
  slowest = Math.max(slowest, outcome.slowest);
  process.stdout.write(
    `${target.name}: ${outcome.tried} bits, ${outcome.accepted.length} accepted, ${outcome.untyped.length} untyped, slowest ${outcome.slowest.toFixed(0)} ms\n`,
  );
  for (const bit of outcome.accepted.slice(0, 20))
    process.stdout.write(`  accepted: bit ${bit & 7} of octet ${bit >> 3} of ${target.octets.length}\n`);
  for (const error of outcome.untyped.slice(0, 5)) process.stdout.write(`  ${error}\n`);
}
const seconds = ((performance.now() - began) / 1000).toFixed(0);
process.stdout.write(
  `${tried} bits turned in ${targets.length} things, ${wrong} wrong, slowest ${slowest.toFixed(0)} ms, ${seconds} s on ${availableParallelism()} cores\n`,
);
process.exitCode = wrong > 0 || tried === 0 ? 1 : 0;

function bitsOf({ octets }: FlipTarget): Iterable<number> {
  return every === 1 ? everyBit(octets) : sampledBits(octets, Math.ceil((octets.length * 8) / every), 1);
}
