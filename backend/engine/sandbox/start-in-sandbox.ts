// Starts a program in a sandbox: files made reachable, profile built, probe passed, listening socket handed over.

import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { checkConfinement } from './check-confinement.ts';
import { offerListener } from './hand-over-listener.ts';
import { MINIMUM_LANDLOCK_ABI } from './landlock-rules.ts';
import {
  currentArchitecture,
  loadNativeCalls,
  locateKoffi,
  type NativeCall,
  readLandlockAbi,
} from './native-calls.ts';
import { buildProfile, type Profile } from './profile.ts';
import { assertIsolated, digestReport, runProbe } from './run-probe.ts';
import { SandboxError } from './sandbox-error.ts';
import type { DriverName, SandboxedEngine, SandboxedProgram, SandboxOptions } from './sandboxed-engine.ts';
import { type Launcher, type LaunchSite, spawnLauncher } from './spawn-launcher.ts';
import { type StagedFiles, stageFiles } from './stage-files.ts';
import { watchParent } from './watch-parent.ts';

export { SandboxError, type SandboxErrorCode } from './sandbox-error.ts';
export type * from './sandboxed-engine.ts';

/** The user and group that have nothing: what a caller with uid 0 is dropped to. */
const NOBODY = 65534;

/**
 * Starts a program with nothing but its declared files, its environment and one listening Unix socket (descriptor 3).
 *
 * `landlock` probes the very profile first and starts nothing if any attempt went through. `none` confines nothing (it keeps
 * the unprivileged user, the limits and the end with the parent), probes all the same, and its report says `not-isolated`.
 * `auto` is `landlock` for now, and never `none`.
 * @throws SandboxError `sandbox_unavailable`, `sandbox_probe_failed`, `sandbox_program_invalid` or `sandbox_start_failed`
 */
export async function startInSandbox(
  driver: DriverName,
  program: SandboxedProgram,
  options: SandboxOptions,
): Promise<SandboxedEngine> {
  checkProgram(program, options);
  const architecture = currentArchitecture();
  const koffi = locateKoffi(architecture);
  const call = loadNativeCalls(koffi);
  const chosen = driver === 'none' ? 'none' : 'landlock';
  const landlockAbi = chosen === 'none' ? 0 : requireLandlock(call);

  const user = process.getuid?.() === 0 ? NOBODY : undefined;
  const files = stageFiles([...program.readOnly, process.execPath, koffi], user);
  try {
    const site = { architecture, node: files.at(process.execPath), koffi: files.at(koffi), user };
    const profile = buildProfile({
      driver: chosen,
      landlockAbi,
      architecture,
      readOnly: program.readOnly.map(files.at),
      limits: program.limits,
      ownUser: user !== undefined,
    });
    return await startProfile(profile, site, files, program, options, call);
  } catch (error) {
    files.remove();
    throw error;
  }
}

async function startProfile(
  profile: Profile,
  site: LaunchSite,
  files: StagedFiles,
  program: SandboxedProgram,
  options: SandboxOptions,
  call: NativeCall,
): Promise<SandboxedEngine> {
  const env = Object.fromEntries(
    Object.entries(program.env).map(([name, value]) => [name, files.inText(value)]),
  );
  const listener = await offerListener(options.runFolder, 'engine.sock');
  // Started already, it knows nothing of the program: that saves a start of Node after the probe.
  let launcher: Launcher;
  try {
    launcher = spawnLauncher(site, listener.descriptor);
  } catch (error) {
    await listener.withdraw();
    throw error;
  }
  let endWatch = (): void => {};
  const cleanUp = async (): Promise<void> => {
    launcher.kill();
    await launcher.exited;
    endWatch();
    await listener.withdraw();
    files.remove();
  };
  try {
    endWatch = watchParent(launcher.pid);
    dropOutput(launcher, options);
    const probe = await runProbe(profile, { site, call, random: options.random, env });
    if (profile.driver !== 'none') assertIsolated(probe);
    await launcher.become(profile, program.argv.map(files.inText), env);
    if (profile.driver !== 'none') checkConfinement(launcher.pid);
    await listener.complete();
    const exited = launcher.exited;
    let cleaned: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      cleaned ??= cleanUp();
      return cleaned;
    };
    void exited.then(stop);
    return {
      driver: profile.driver,
      probe,
      probeDigest: await digestReport(probe),
      socketPath: listener.socketPath,
      pid: launcher.pid,
      exited,
      stop,
    };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/**
 * The Landlock ABI of this kernel.
 * @throws SandboxError `sandbox_unavailable`, saying what is missing and the remedy
 */
export function requireLandlock(call: NativeCall): number {
  const abi = readLandlockAbi(call);
  if (abi >= MINIMUM_LANDLOCK_ABI) return abi;
  throw new SandboxError(
    'sandbox_unavailable',
    abi === 0
      ? 'this kernel has no Landlock: boot Linux 6.2 or later with landlock in its lsm= list'
      : `this kernel has Landlock ABI ${abi}, needed is ${MINIMUM_LANDLOCK_ABI}: boot Linux 6.2 or later`,
  );
}

function dropOutput(launcher: Launcher, options: SandboxOptions): void {
  for (const stream of ['stdout', 'stderr'] as const)
    launcher[stream].on('data', (piece: Buffer) => options.onOutputDropped?.(stream, piece.length));
}

function checkProgram(program: SandboxedProgram, options: SandboxOptions): void {
  const refuse = (message: string) => new SandboxError('sandbox_program_invalid', message);
  const [command] = program.argv;
  if (command === undefined || !isAbsolute(command)) throw refuse('argv[0] must be an absolute path');
  if (!program.readOnly.every(isAbsolute)) throw refuse('readOnly holds absolute paths only');
  for (const path of program.readOnly)
    if (statSync(path, { throwIfNoEntry: false }) === undefined)
      throw refuse('a readOnly path does not exist');
  const texts = [...program.argv, ...Object.entries(program.env).flat()];
  if (texts.some((text) => text.includes('\0'))) throw refuse('an argument or value holds a zero octet');
  if (Object.keys(program.env).some((name) => name === '' || name.includes('=')))
    throw refuse('a name in env is empty or holds an equals sign');
  for (const limit of Object.values(program.limits))
    if (!Number.isSafeInteger(limit) || limit < 1) throw refuse('limits are positive integers');
  const folder = statSync(options.runFolder, { throwIfNoEntry: false });
  if (!isAbsolute(options.runFolder) || folder?.isDirectory() !== true)
    throw refuse('runFolder must be an absolute path of a folder');
  if ((folder.mode & 0o077) !== 0 || folder.uid !== process.getuid?.())
    throw refuse('runFolder must be the caller’s own, with mode 0700');
}
