// bubblewrap's command line for a profile: what stands fixed, and the places that the program sees.

import type { ProfileKind } from './sandboxed-engine.ts';
import { PRIVATE_SOCKET } from './sandboxed-engine.ts';
import type { Place, SystemPlaces } from './system-places.ts';

/** The options in their order; bubblewrap carries them out in this order, so places come before the root is closed. */
export interface BubblewrapLine {
  readonly binary: string;
  readonly before: readonly string[];
  readonly places: readonly Place[];
  readonly after: readonly string[];
}

/** Descriptors that the launcher hands to bubblewrap; it closes them before the program runs. */
export const BUBBLEWRAP_DESCRIPTORS = { info: 4, filter: 5, options: 6 } as const;

const ROOT_OCTETS = 1 << 20;
const SCRATCH_OCTETS = 1 << 30;
const PRIVATE_FOLDER = PRIVATE_SOCKET.slice(0, PRIVATE_SOCKET.lastIndexOf('/'));

/**
 * The line for one kind of profile. All namespaces and none nested; no capability; nothing of the environment; a root of one
 * mebibyte that holds mount points and is closed at the end; `/dev` with two devices, and no `/proc`, no `/sys`, no `/tmp`.
 * bubblewrap is never uid 0 (the launcher sees to that). No `--new-session`: the launcher leads a session without a terminal,
 * and all in one process group can be ended by one signal.
 */
export function composeBubblewrap(
  binary: string,
  kind: ProfileKind,
  system: SystemPlaces,
  declared: readonly string[],
  devices: readonly string[],
): BubblewrapLine {
  const scratch = (path: string, octets: number) => [
    '--perms',
    '0700',
    '--size',
    String(octets),
    '--tmpfs',
    path,
  ];
  return {
    binary,
    before: [
      ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts'],
      ...['--unshare-cgroup-try', '--disable-userns', '--die-with-parent', '--cap-drop', 'ALL', '--clearenv'],
      ...['--uid', '65534', '--gid', '65534', '--hostname', 'engine'],
      ...['--perms', '0755', '--size', String(ROOT_OCTETS), '--tmpfs', '/'],
      ...system.links.flatMap(({ path, to }) => ['--symlink', to, path]),
      // Before the places: one of them may lie below, and what is mounted later hides what was there.
      ...(kind === 'fd' ? [] : scratch(PRIVATE_FOLDER, 4096)),
      // CUDA's library keeps caches
      ...(kind === 'cuda'
        ? [...scratch('/tmp', SCRATCH_OCTETS), ...scratch('/dev/shm', SCRATCH_OCTETS)]
        : []),
    ],
    places: [...system.places, ...declared.map((path) => ({ source: path, target: path }))],
    after: [
      ...['/dev/null', '/dev/urandom', ...devices].flatMap((path) => ['--dev-bind', path, path]),
      // CUDA's library reads /proc
      ...(kind === 'cuda' ? ['--proc', '/proc', '--remount-ro', '/proc'] : []),
      ...['--remount-ro', '/', '--chdir', '/'],
    ],
  };
}

/** Everything before the program's own command line, the environment included. */
export function bubblewrapOptions(line: BubblewrapLine, env: Readonly<Record<string, string>>): string[] {
  return [
    ...line.before,
    ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...line.places.flatMap(({ source, target }) => ['--ro-bind', source, target]),
    ...line.after,
    ...['--info-fd', String(BUBBLEWRAP_DESCRIPTORS.info), '--seccomp', String(BUBBLEWRAP_DESCRIPTORS.filter)],
  ];
}

/** Names in the root of such a sandbox: what the probe may find there. */
export function rootNames(line: BubblewrapLine): string[] {
  const words = [...line.before, ...line.after, ...line.places.map(({ target }) => target)];
  const paths = words.filter((word) => word.startsWith('/') && word !== '/');
  return [...new Set(paths.map((path) => path.split('/')[1] ?? ''))].sort();
}
