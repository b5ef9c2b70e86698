// A Unix socket that the adapter binds and the engine inherits: the channel needs no shared folder and no socket call inside.

import { renameSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { SandboxError } from './sandbox-error.ts';

/** Capacity of `sun_path` with its closing zero (unix(7)): 108 octets. */
const LONGEST_PATH = 107;

/** A bound socket on its way to another process. */
export interface ListenerOffer {
  /** The listening descriptor, to be inherited by the child. */
  readonly descriptor: number;
  /** Where clients dial after {@link complete}. */
  readonly socketPath: string;
  /** Call once the child holds the descriptor: from here on only the child accepts. */
  complete(): Promise<void>;
  /** Closes and removes whatever is left on this side. */
  withdraw(): Promise<void>;
}

/**
 * Binds `name` in the folder and listens.
 * @throws SandboxError `sandbox_program_invalid` where the path is too long for a socket; `sandbox_unavailable` where this
 * Node no longer shows the descriptor of a server.
 */
export async function offerListener(folder: string, name: string): Promise<ListenerOffer> {
  const socketPath = join(folder, name);
  const firstPath = `${socketPath}.new`;
  if (Buffer.byteLength(firstPath) > LONGEST_PATH)
    throw new SandboxError(
      'sandbox_program_invalid',
      'the path of the run folder is too long for a Unix socket',
    );
  // of a start that was cut short
  for (const path of [firstPath, socketPath]) rmSync(path, { force: true });
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(firstPath, resolve);
  });
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  const descriptor = descriptorOf(server);
  if (descriptor === undefined) {
    await close();
    throw new SandboxError(
      'sandbox_unavailable',
      'this Node does not show the descriptor of a server: use Node 24',
    );
  }
  return {
    descriptor,
    socketPath,
    // libuv unlinks the name that it bound: renamed first, the socket outlives the close and listens in the child alone
    async complete() {
      renameSync(firstPath, socketPath);
      await close();
    },
    async withdraw() {
      if (server.listening) await close();
      rmSync(socketPath, { force: true });
    },
  };
}

/** The descriptor of a listening server. Private to Node (`_handle.fd`), hence the check and a test of its own. */
export function descriptorOf(server: Server): number | undefined {
  const handle = (server as unknown as { readonly _handle?: { readonly fd?: unknown } })._handle;
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}
