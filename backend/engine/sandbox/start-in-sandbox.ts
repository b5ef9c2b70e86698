// Starts a program in a sandbox: files made reachable, profile built, probe passed, listening socket handed over.

import { statSync } from 'node:fs';
import { constants } from 'node:os';
import { isAbsolute } from 'node:path';
import { allocateUser, type SandboxUser } from './allocate-user.ts';
import { checkConfinement } from './check-confinement.ts';
import { checkDeviceFiles } from './check-devices.ts';
import { offerListener } from './hand-over-listener.ts';
import { currentArchitecture, loadNativeCalls, locateKoffi } from './native-calls.ts';
import { profileInput, readyDriver } from './plan-sandbox.ts';
import { buildProfile, type Profile } from './profile.ts';
import { assertIsolated, assertUnchanged, digestReport, runProbe } from './run-probe.ts';
import { SandboxError } from './sandbox-error.ts';
import type {
  Driver,
  DriverName,
  EngineExit,
  SandboxedEngine,
  SandboxedProgram,
  SandboxOptions,
} from './sandboxed-engine.ts';
import { type Launcher, type LaunchSite, type Started, spawnLauncher } from './spawn-launcher.ts';
import { type StagedFiles, stageFiles } from './stage-files.ts';
import { watchParent } from './watch-parent.ts';

export { requireLandlock } from './plan-sandbox.ts';
export { SandboxError, type SandboxErrorCode } from './sandbox-error.ts';
export type * from './sandboxed-engine.ts';

/** The user of gVisor's container, which counts and signals its processes in a kernel of its own. */
const NOBODY: SandboxUser = { id: 65534, release: () => {} };

/**
 * Starts a program with nothing but its declared files, its environment and one listening Unix socket (descriptor 3).
 *
 * Every driver but `none` probes the very profile first and starts nothing if any attempt went through. `none` confines nothing
 * (it keeps the unprivileged user, the limits and the end with the parent), probes all the same, and its report says
 * `not-isolated`. `auto` never ends in it; see `chooseDriver`.
 * @throws SandboxError `sandbox_unavailable`, `sandbox_probe_failed`, `sandbox_probe_changed`, `sandbox_program_invalid` or
 * `sandbox_start_failed`
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
  const ready = readyDriver(driver, call);

  const user = await takeUser(ready.driver);
  let files: StagedFiles | undefined;
  const giveBack = (): void => {
    files?.remove();
    user?.release();
  };
  try {
    files = stageFiles([...program.readOnly, process.execPath, koffi], user?.id);
    const site = {
      architecture,
      node: files.at(process.execPath),
      koffi: files.at(koffi),
      user: user?.id,
      call,
    };
    const profile = buildProfile(
      profileInput(ready, program, program.readOnly.map(files.at), architecture, user !== undefined),
    );
    return await startProfile(profile, site, { ...files, remove: giveBack }, program, options);
  } catch (error) {
    giveBack();
    throw error;
  }
}

// Who is not root has one user, its own, for everything.
async function takeUser(driver: Driver): Promise<SandboxUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  return driver === 'gvisor' ? NOBODY : allocateUser();
}

async function startProfile(
  profile: Profile,
  site: LaunchSite,
  files: StagedFiles,
  program: SandboxedProgram,
  options: SandboxOptions,
): Promise<SandboxedEngine> {
  const env = Object.fromEntries(
    Object.entries(program.env).map(([name, value]) => [name, files.inText(value)]),
  );
  const listener = await offerListener(options.runFolder, 'engine.sock');
  // Started already, it knows nothing of the program: that saves a start of Node after the probe.
  let launcher: Launcher;
  let endWatch = (): void => {};
  try {
    launcher = spawnLauncher(site, listener.descriptor, {
      driver: profile.driver,
      onContainer: (ending) => {
        endWatch();
        endWatch = watchParent(launcher.pid, ending);
      },
    });
  } catch (error) {
    await listener.withdraw();
    throw error;
  }
  const cleanUp = async (): Promise<void> => {
    await launcher.end();
    endWatch();
    await listener.withdraw();
    files.remove();
  };
  try {
    endWatch = watchParent(launcher.pid);
    dropOutput(launcher, options);
    const probe = await runProbe(profile, { site, random: options.random, env });
    if (profile.driver !== 'none') assertIsolated(probe);
    if (options.expectedProbe !== undefined) assertUnchanged(probe, options.expectedProbe);
    const started: Started = await launcher.become(profile, program.argv.map(files.inText), env, 'engine');
    // gVisor's own check is in becoming: what the host sees is its kernel
    if (profile.gvisor === undefined && profile.driver !== 'none') checkConfinement(started.pid);
    if (profile.bubblewrap !== undefined) checkOwnWorld(started);
    await (started.socketPath === undefined ? listener.complete() : listener.withdraw());
    const exited = launcher.exited.then((exit) => (isNested(profile) ? readNestedExit(exit) : exit));
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
      socketPath: started.socketPath ?? listener.socketPath,
      pid: started.pid,
      exited,
      stop,
    };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

const isNested = (profile: Profile) => profile.bubblewrap !== undefined || profile.gvisor !== undefined;

// bubblewrap and runsc tell their program's signal as 128 and its number, as a shell does.
function readNestedExit(exit: EngineExit): EngineExit {
  const number = (exit.code ?? 0) - 128;
  const signal = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return signal === undefined ? exit : { code: null, signal };
}

// The probe judged by the namespaces that it had; the engine must have its own as well.
function checkOwnWorld({ own }: Started): void {
  if (own.network && own.processes && own.rootNames.length > 0) return;
  throw new SandboxError('sandbox_start_failed', 'the started program shares a namespace with the host');
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
  checkDeviceFiles(program.devices ?? []);
  const folder = statSync(options.runFolder, { throwIfNoEntry: false });
  if (!isAbsolute(options.runFolder) || folder?.isDirectory() !== true)
    throw refuse('runFolder must be an absolute path of a folder');
  if ((folder.mode & 0o077) !== 0 || folder.uid !== process.getuid?.())
    throw refuse('runFolder must be the caller’s own, with mode 0700');
}
