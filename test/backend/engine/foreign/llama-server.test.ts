// llama-server's command line, its digest, and the copying of its program.

import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { chooseEngine } from '../../../../backend/engine/choose-engine.ts';
import { copyChecked } from '../../../../backend/engine/copy-checked.ts';
import {
  digestLlamaServer,
  FORBIDDEN_FLAGS,
  type LlamaServerSetup,
  llamaServer,
} from '../../../../backend/engine/llama-server/llama-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'program-'));
const path = join(folder, 'llama-server');
const sha256 = createHash('sha256').update('program').digest('hex');
const setup: LlamaServerSetup = {
  binary: { path, sha256 },
  libraries: [{ path: '/usr/lib/libgomp.so.1', sha256: '1'.repeat(64) }],
  model: { id: 'm', path: join(folder, 'model.gguf'), sha256 },
  threads: 3,
  sequences: 4,
  contextTokens: 2048,
  runFolder: folder,
};
writeFileSync(path, 'program');
writeFileSync(setup.model.path, 'program');
afterAll(() => rmSync(folder, { recursive: true }));

describe('llama-server’s program', () => {
  const { program } = llamaServer(setup);

  it('serves one model on the private socket, and finds no prompt again', () => {
    expect(program.argv[0]).toBe(join(folder, 'program', 'llama-server'));
    expect(program.argv.join(' ')).toContain('--alias m --host /run/engine/engine.sock --threads 3');
    expect(program.argv.join(' ')).toContain('--parallel 4 --ctx-size 8192');
    for (const flag of ['--no-cache-prompt', '--no-slots', '--log-disable', '--offline', '--no-ui'])
      expect(program.argv).toContain(flag);
    for (const flag of FORBIDDEN_FLAGS) expect(program.argv).not.toContain(flag);
    expect(program.kind).toBe('uds');
  });

  it('has a digest that follows its files', () => {
    const other = digestLlamaServer({ ...setup, binary: { path, sha256: '2'.repeat(64) } });
    expect(other).not.toBe(digestLlamaServer(setup));
    expect(digestLlamaServer({ ...setup, libraries: [] })).not.toBe(digestLlamaServer(setup));
    expect(chooseEngine('llama-server', { llamaServer: setup }, setup, folder).digest).toBe(
      digestLlamaServer(setup),
    );
  });

  it('is not chosen where the configuration names none', () => {
    for (const kind of ['llama-server', 'vllm'] as const)
      expect(() => chooseEngine(kind, {}, setup, folder)).toThrow(
        expect.objectContaining({ code: 'engine_program_mismatch' }),
      );
  });
});

describe('copying a program', () => {
  const target = join(folder, 'copies', 'llama-server');

  it('runs what was checked: a change of the original after the copy changes nothing', async () => {
    await copyChecked({ path, sha256 }, target);
    expect(statSync(target).mode & 0o777).toBe(0o555);
    writeFileSync(path, 'another');
    expect(readFileSync(target, 'utf8')).toBe('program');
  });

  it('keeps nothing of a file with another digest, or of none', async () => {
    const refused = { code: 'engine_program_mismatch' };
    await expect(copyChecked({ path, sha256 }, target)).rejects.toMatchObject(refused);
    expect(existsSync(target)).toBe(false);
    await expect(copyChecked({ path: join(folder, 'none'), sha256 }, target)).rejects.toMatchObject(refused);
  });
});
