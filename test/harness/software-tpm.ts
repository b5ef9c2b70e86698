// A software TPM for tests (swtpm with tpm2-tools, where they are installed), with Azure's key and index in it.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tpm } from '../../backend/tee/azure/tpm-command.ts';

const found = (command: string) => spawnSync(command, ['--version']).error === undefined;

/** Whether this machine has one. */
export const haveSoftwareTpm = found('swtpm') && found('tpm2_createprimary');

/** A TPM in a process of its own. */
export interface SoftwareTpm {
  /** PEM of the attestation key at 0x81000003. */
  readonly attestationKey: string;
  /** Defines an NV index that its owner may read, and fills it. */
  writeIndex(index: number, octets: Uint8Array): void;
  extend(register: number, digest: string): void;
  /** Opens the connection for commands; the tools above cannot be used from then on. */
  connect(): Promise<Tpm>;
  stop(): Promise<void>;
}

/** Starts a TPM with a restricted RSA signing key as Azure has it. */
export async function startSoftwareTpm(): Promise<SoftwareTpm> {
  const folder = mkdtempSync(join(tmpdir(), 'software-tpm-'));
  const socket = join(folder, 's');
  const child = spawn(
    'swtpm',
    [
      'socket',
      '--tpm2',
      '--server',
      `type=unixio,path=${socket}`,
      '--ctrl',
      `type=unixio,path=${socket}.ctrl`,
      '--flags',
      'not-need-init,startup-clear',
      '--tpmstate',
      `dir=${folder}`,
    ],
    { stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  for (let tries = 0; tries < 100 && !existsSync(`${socket}.ctrl`); tries++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  const tool = (name: string, ...values: readonly string[]) =>
    void execFileSync(name, values, {
      cwd: folder,
      env: { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${socket}` },
      stdio: 'pipe',
    });
  const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign';
  tool('tpm2_createprimary', '-C', 'o', '-G', 'rsa2048:rsassa-sha256:null', '-a', attributes, '-c', 'ak.ctx');
  tool('tpm2_evictcontrol', '-C', 'o', '-c', 'ak.ctx', '0x81000003');
  tool('tpm2_readpublic', '-c', '0x81000003', '-f', 'pem', '-o', 'ak.pem');
  let close = (): void => {};
  return {
    attestationKey: readFileSync(join(folder, 'ak.pem'), 'utf8'),
    writeIndex(index, octets) {
      const name = `0x${index.toString(16).padStart(8, '0')}`;
      writeFileSync(join(folder, 'content'), octets);
      tool('tpm2_nvdefine', '-C', 'o', name, '-s', String(octets.length), '-a', 'ownerread|ownerwrite');
      tool('tpm2_nvwrite', '-C', 'o', name, '-i', 'content');
    },
    extend: (register, digest) => tool('tpm2_pcrextend', `${register}:sha256=${digest}`),
    async connect() {
      const connection = connect(socket);
      await once(connection, 'connect');
      close = () => connection.destroy();
      return {
        async exchange(command) {
          connection.write(command);
          const [response] = (await once(connection, 'data')) as [Uint8Array];
          return response;
        },
      };
    },
    async stop() {
      close();
      child.kill();
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}
