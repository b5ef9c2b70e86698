// Opens a socket file once, so that later connections reach that very socket whatever happens to its name.

import { closeSync, constants, fstatSync, openSync } from 'node:fs';

const O_PATH = 0o10000000;

/** A socket that this process holds. */
export interface PinnedSocket {
  /** For `connect` of this process. */
  readonly path: string;
  release(): void;
}

/** Pins a socket; undefined where there is none, or where the name is a link or anything else than a socket. */
export function pinSocket(path: string): PinnedSocket | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  if (!fstatSync(descriptor).isSocket()) {
    closeSync(descriptor);
    return undefined;
  }
  let open = true;
  return {
    path: `/proc/${process.pid}/fd/${descriptor}`,
    release() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}
