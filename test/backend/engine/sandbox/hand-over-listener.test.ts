import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { descriptorOf, offerListener } from '../../../../backend/engine/sandbox/hand-over-listener.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync('/tmp/cloister-test-');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

// `_handle.fd` is not public: should a Node version drop it, this names the reason before anything else fails.
it('finds the descriptor of a listening server in this Node', async () => {
  const server = createServer();
  expect(descriptorOf(server)).toBeUndefined();
  await new Promise<void>((resolve) => server.listen(join(folder, 's'), resolve));
  expect(descriptorOf(server)).toBeGreaterThan(2);
  await new Promise((resolve) => server.close(resolve));
  expect(descriptorOf(server)).toBeUndefined();
});

it('keeps the final name when this side closes', async () => {
  const offer = await offerListener(folder, 'e.sock');
  expect(existsSync(offer.socketPath)).toBe(false);
  await offer.complete();
  expect(existsSync(offer.socketPath)).toBe(true);
  await offer.withdraw();
  expect(existsSync(offer.socketPath)).toBe(false);
});

it('refuses a path that no socket address holds', async () => {
  await expect(offerListener(join(folder, 'x'.repeat(120)), 'e.sock')).rejects.toMatchObject({
    code: 'sandbox_program_invalid',
  });
});
