#!/usr/bin/env node
// The command `cloister`: verify a node, give every language a sealed OpenAI endpoint on loopback, encrypt a model's weights.

import { parseArgs } from 'node:util';
import { createCloister } from '../client/create-cloister.ts';
import { EXIT, exitCodeOf, UsageError } from './exit-code.ts';
import { manifestMemoryFolder, memoryInFolder } from './file-manifest-memory.ts';
import { askAboutChange, FIRST_USE } from './first-use.ts';
import { startLocalEndpoint } from './local-endpoint.ts';
import { manifestCommand } from './manifest/manifest-command.ts';
import { readPolicy } from './read-policy.ts';
import { Terminal } from './terminal.ts';
import { verifyCommand } from './verify-command.ts';
import { weightsCommand } from './weights-command.ts';

const USAGE = `examples
  cloister verify https://edge.example --policy policy.json
  cloister proxy https://edge.example --policy policy.json --port 8788
  cloister weights encrypt model.gguf model.gguf.sealed --key model.key --new-key

commands
  verify URL|FILE   verify the nodes of an edge, or one saved bundle, step by step
    --policy FILE     what you trust (a file, or the JSON itself)
    --node ID         one node only
    --json            one JSON object a node
    --fresh           have each node answer a nonce that is drawn now
    --save FOLDER     keep the bundle and every part of it as raw files
    --at TIME         a saved bundle as of then, such as 2027-01-31T23:59:59Z
    --nonce TEXT      what a saved bundle must answer, as context.json has it
  proxy URL         an OpenAI endpoint on loopback that verifies and seals for you
    --policy FILE     what you trust
    --port N          default 8788
    CLOISTER_API_KEY  the edge credential (environment)
  manifest …        make, sign, compare, check and publish what a service may run: cloister manifest --help
  weights encrypt IN OUT --key FILE   encrypt a model's weights; only attested nodes get the key (docs/weights.md)
    --new-key         make the key first; FILE must not exist, nobody but you may read it
    --json            one JSON object
  weights decrypt IN OUT --key FILE   the weights again, verified whole
  weights inspect FILE [--json]       what an encrypted file says of itself; needs no key

exit codes
  0 ok, 1 error, 2 usage, 3 collateral unavailable, 4 verification failed, 5 policy refused`;

const DEFAULT_PORT = 8788;
const terminal = new Terminal(process.stdout, process.stderr, process.env);

async function main(): Promise<void> {
  const [room, ...words] = process.argv.slice(2);
  if (room === 'weights' && !words.includes('--help') && !words.includes('-h')) {
    const interrupted = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => interrupted.abort(new Error('interrupted')));
    return weightsCommand(words, { terminal, screen: process.stderr, signal: interrupted.signal });
  }
  if (room === 'manifest') return manifestCommand(words, { terminal, now: new Date() });
  const { values, positionals } = read();
  const [command, target] = positionals;
  if (values.help || command === undefined) {
    terminal.data(USAGE);
    if (command === undefined && !values.help) process.exitCode = EXIT.usage;
    return;
  }
  if (positionals.length > 2) throw new UsageError(`too many arguments: ${positionals.slice(2).join(' ')}`);
  const { policy, node, save, nonce, at } = values;
  switch (command) {
    case 'verify':
      return verifyCommand(
        { target, policy, node, json: values.json === true, save, fresh: values.fresh === true, nonce, at },
        terminal,
        () => new Date(),
        {
          memory: memoryInFolder(manifestMemoryFolder(process.env)),
          onManifestChange: (event) => askAboutChange(event, terminal, process.stdin),
        },
      );
    case 'proxy':
      return proxy(target, policy, values.port);
    default:
      throw new UsageError(`there is no command ${command}`);
  }
}

function read() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        policy: { type: 'string' },
        node: { type: 'string' },
        json: { type: 'boolean' },
        save: { type: 'string' },
        fresh: { type: 'boolean' },
        nonce: { type: 'string' },
        at: { type: 'string' },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'unknown option');
  }
}

async function proxy(
  edge: string | undefined,
  policy: string | undefined,
  portText: string | undefined,
): Promise<void> {
  if (edge === undefined) throw new UsageError('name an edge: cloister proxy URL');
  const apiKey = process.env.CLOISTER_API_KEY;
  if (!apiKey) throw new UsageError('set CLOISTER_API_KEY to the edge credential');
  const port = portText === undefined ? DEFAULT_PORT : Number(portText);
  if (!(Number.isInteger(port) && port >= 0 && port <= 65535))
    throw new UsageError('--port takes a port number');
  const cloister = createCloister({
    baseURL: edge,
    apiKey,
    policy: await readPolicy(policy),
    manifestMemory: memoryInFolder(manifestMemoryFolder(process.env)),
    onManifestChange: (event) => askAboutChange(event, terminal, process.stdin),
  });
  const { key, steps } = await cloister.verify();
  const endpoint = await startLocalEndpoint(cloister, port);
  const passed = steps.filter(({ result }) => result === 'pass').length;
  const state = key.assurance === 'simulated' ? terminal.amber('SIMULATED') : 'verified';
  if (key.manifestTrust === 'first-use') terminal.message(terminal.amber(FIRST_USE));
  terminal.message(`${state}: node ${key.node}, ${passed} checks passed, model ${key.deployment.model.id}`);
  terminal.message(`OpenAI endpoint, this machine only: ${endpoint.url}/v1`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await endpoint.close();
}

main().catch((error: unknown) => {
  process.exitCode = exitCodeOf(error);
  terminal.message(`cloister: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof UsageError) terminal.message('cloister --help shows what there is');
});
