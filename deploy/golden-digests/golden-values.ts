// Golden values of a manifest out of verified reference files.

import { list, readShape, type Shape } from '../../shared/bytes/shape.ts';
import {
  driverVersion,
  type GoldenDriver,
  type GoldenVbios,
  goldenDriver,
  goldenVbios,
  vbiosName,
  vbiosVersion,
} from '../../shared/manifest/gpu-reference-value.ts';
import { type Rim, readRim } from './read-rim.ts';
import { RimError } from './rim-error.ts';
import { type RimTrust, verifyRimSignature } from './verify-rim-signature.ts';

/** A reference file and the name it was published under. */
export interface RimFile {
  /**
   * NVIDIA's id of the file, with or without `.xml`, such as `NV_GPU_VBIOS_1010_0200_882_96005E0001`. Only it says which board a VBIOS
   * is for, and nothing signs it; a driver's file needs none.
   */
  readonly name: string;
  readonly octets: Uint8Array;
}

/** The members of a manifest's reference value, ready to be put there. */
export interface GoldenValues {
  readonly golden_drivers: readonly GoldenDriver[];
  readonly golden_vbioses: readonly GoldenVbios[];
}

const VBIOS_ID = /^NV_GPU_VBIOS_([0-9A-Z]{1,16})_([0-9A-Z]{1,16})_([0-9A-Z]{1,16})_([0-9A-Z]{10})(?:\.XML)?$/;
const DRIVER_ID = /^NV_GPU_DRIVER_GH100_([0-9.]{1,20}?)(?:\.XML)?$/;

/**
 * Verifies files and gives what they say, in the manifest's form.
 * @throws RimError; its codes say which check failed.
 */
export async function makeGoldenValues(files: readonly RimFile[], trust: RimTrust): Promise<GoldenValues> {
  const drivers: GoldenDriver[] = [];
  const vbioses: GoldenVbios[] = [];
  for (const { name, octets } of files) {
    const rim = readRim(await verifyRimSignature(octets, trust));
    if (fits(driverVersion, rim.version)) drivers.push(makeDriver(rim, name));
    else if (fits(vbiosVersion, rim.version)) vbioses.push(makeVbios(rim, name));
    else throw new RimError('rim_version', 'neither a driver’s nor a VBIOS’s');
  }
  refuseTwice(drivers.map(({ version }) => version));
  refuseTwice(vbioses.map(vbiosName));
  for (const driver of drivers)
    for (const vbios of vbioses) {
      const twice = driver.blocks.find(({ block }) => vbios.blocks.some((other) => other.block === block));
      if (twice) throw new RimError('rim_block_conflict', `block ${twice.block}`);
    }
  return {
    golden_drivers: held(list(goldenDriver, 0, 16), drivers),
    golden_vbioses: held(list(goldenVbios, 0, 16), vbioses),
  };
}

function makeDriver({ version, blocks }: Rim, name: string): GoldenDriver {
  const named = DRIVER_ID.exec(name.toUpperCase())?.[1];
  if (VBIOS_ID.test(name.toUpperCase()) || (named !== undefined && named !== version))
    throw new RimError('rim_version', 'the file’s name says another version than its content');
  return { version, blocks };
}

function makeVbios({ version, blocks }: Rim, name: string): GoldenVbios {
  const [, project, project_sku, chip_sku, plain] = VBIOS_ID.exec(name.toUpperCase()) ?? [];
  if (project === undefined || project_sku === undefined || chip_sku === undefined)
    throw new RimError(
      'rim_board_unknown',
      'a VBIOS’s file must be named NV_GPU_VBIOS_PROJECT_SKU_CHIP_VERSION.xml',
    );
  if (plain !== version.replaceAll('.', ''))
    throw new RimError('rim_version', 'the file’s name says another version than its content');
  return { version, project, project_sku, chip_sku, blocks };
}

function refuseTwice(names: readonly string[]): void {
  if (new Set(names).size !== names.length)
    throw new RimError('rim_given_twice', 'two files for one version');
}

function fits(shape: Shape<string>, value: string): boolean {
  return readShape(shape, value).ok;
}

// The manifest's own shapes have the last word.
function held<T>(shape: Shape<T>, value: unknown): T {
  const read = readShape(shape, value);
  if (!read.ok) throw new RimError('rim_content_malformed', 'not in the form that a manifest takes');
  return read.value;
}
