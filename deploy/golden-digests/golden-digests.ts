// `npm run golden-digests -- FILE.xml…`: golden values for a manifest out of NVIDIA's signed reference files.

import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { formatInstant, parseInstant } from '../../shared/bytes/instant.ts';
import { type GoldenValues, makeGoldenValues, type RimFile } from './golden-values.ts';
import { NVIDIA_RIM_ROOTS } from './nvidia-rim-root.ts';
import { RIM_MAXIMUM_OCTETS } from './plain-xml.ts';
import { RimError } from './rim-error.ts';

const USAGE = `npm run --silent golden-digests -- [options] FILE.xml...

Verifies NVIDIA's signed reference files (RIM) of drivers and VBIOSes for Hopper, and prints their golden values for a manifest.
Keep NVIDIA's name of a VBIOS's file, NV_GPU_VBIOS_PROJECT_SKU_CHIP_VERSION.xml: nothing else says which board it is for.

  --at TIME  judge the signers' certificates as of then, such as 2026-06-01T00:00:00Z (default: now)
  --json     print golden_drivers and golden_vbioses only, as JSON
  --help     this text

exit codes: 0 ok, 1 a file cannot be read, 2 usage, 4 a file was refused (its code is printed)`;
const MAXIMUM_FILES = 32;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const read = readArguments(argv);
  if (read === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  if (read.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  try {
    const files: RimFile[] = [];
    for (const path of read.files) files.push(await readRimFile(path));
    // One by one first, so that a refusal names its file; then together, because files can contradict each other.
    for (const file of files)
      await named(file, () => makeGoldenValues([file], { roots: NVIDIA_RIM_ROOTS, at: read.at }));
    const values = await makeGoldenValues(files, { roots: NVIDIA_RIM_ROOTS, at: read.at });
    process.stdout.write(read.json ? `${JSON.stringify(values, null, 2)}\n` : describe(values, read.at));
    return 0;
  } catch (error) {
    if (error instanceof RimError) {
      process.stderr.write(`refused: ${error.message}\n`);
      return 4;
    }
    if (error instanceof UnreadableFileError) {
      process.stderr.write(`${error.message}\n`);
      return 1;
    }
    throw error;
  }
}

/** A file that is not there or may not be read. */
class UnreadableFileError extends Error {
  override readonly name = 'UnreadableFileError';
}

async function readRimFile(path: string): Promise<RimFile> {
  const name = basename(path);
  let size: number;
  let octets: Uint8Array;
  try {
    ({ size } = await stat(path));
    octets = size > RIM_MAXIMUM_OCTETS ? new Uint8Array() : await readFile(path);
  } catch {
    throw new UnreadableFileError(`cannot read ${name}`);
  }
  if (size > RIM_MAXIMUM_OCTETS) throw new RimError('rim_too_large', `over ${RIM_MAXIMUM_OCTETS} octets`);
  return { name, octets };
}

async function named(file: RimFile, judge: () => Promise<unknown>): Promise<void> {
  try {
    await judge();
  } catch (error) {
    if (error instanceof RimError) process.stderr.write(`${file.name}:\n`);
    throw error;
  }
}

function describe({ golden_drivers, golden_vbioses }: GoldenValues, at: Date): string {
  const lines = [
    ...golden_drivers.map(({ version, blocks }) => `driver ${version}: ${blocks.length} blocks`),
    ...golden_vbioses.map(
      ({ version, project, project_sku, chip_sku, blocks }) =>
        `VBIOS ${version} of board ${project} ${project_sku} ${chip_sku} (by the file’s name): ${blocks.length} blocks`,
    ),
    `signed by NVIDIA, certificates valid at ${formatInstant(at)}, revocation not asked for`,
    'with --json: the members for a manifest',
  ];
  return `${lines.join('\n')}\n`;
}

function readArguments(
  argv: readonly string[],
):
  | { readonly files: readonly string[]; readonly at: Date; readonly json: boolean; readonly help: boolean }
  | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        at: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const at = values.at === undefined ? new Date() : parseInstant(values.at);
    const help = values.help === true;
    if (at === undefined || (!help && (positionals.length === 0 || positionals.length > MAXIMUM_FILES)))
      return undefined;
    return { files: positionals, at, json: values.json === true, help };
  } catch {
    return undefined;
  }
}
