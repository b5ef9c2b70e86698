// What `npm start` runs under Node 24: start everything, show the journey of one prompt, stay up, end cleanly.

import { ModelUnavailableError } from '../../backend/engine/weights/model-error.ts';
import { VerificationError } from '../../shared/verifier/verification-error.ts';
import { readArguments, USAGE, UsageError } from './arguments.ts';
import { FOLDER } from './folders.ts';
import { getModel } from './get-model.ts';
import { endLeftovers, ProcessLedger } from './process-ledger.ts';
import { Screen } from './screen.ts';
import { ask, showBothSides, showSteps, showWhoKnows } from './show-journey.ts';
import { showUsage } from './show-usage.ts';
import { type LocalOptions, type LocalSystem, startLocally } from './start-locally.ts';

const EXIT = { ok: 0, error: 1, usage: 2, verificationFailed: 4, policyRefused: 5 } as const;

const json = process.argv.includes('--json');
const screen = new Screen(json ? process.stderr : process.stdout, process.env);
const interrupted = new AbortController();
let system: LocalSystem | undefined;
let ledger: ProcessLedger | undefined;
let ending: Promise<never> | undefined;

function end(code: number): Promise<never> {
  ending ??= (async () => {
    interrupted.abort();
    await system?.stop();
    ledger?.close();
    process.exit(code);
  })();
  return ending;
}

async function main(): Promise<number | undefined> {
  const args = readArguments(process.argv.slice(2), process.env);
  if (args.help) {
    screen.line(USAGE);
    return EXIT.ok;
  }
  const leftovers = await endLeftovers(FOLDER.ledger);
  if (leftovers > 0) screen.line(`Ended ${leftovers} processes that an earlier start had left behind.`);
  ledger = new ProcessLedger(FOLDER.ledger);
  const modelPath = await getModel(screen, args.model, interrupted.signal);

  const started = performance.now();
  screen.heading('Starting, all on loopback');
  system = await startLocally({
    modelPath,
    port: args.port,
    fault: args.fault,
    gpus: args.gpus,
    isolation: args.isolation,
    encryptedWeights: args.encryptedWeights,
    ledger,
    onEvent: showEvent,
  });
  screen.line(`  ready in ${((performance.now() - started) / 1000).toFixed(1)} s`);

  if (args.json) {
    await system.cloister.verify();
    const { edge, apiKey, policy, local } = system;
    const ready = { base_url: edge, api_key: apiKey, policy, local_url: local.url };
    process.stdout.write(`${JSON.stringify(ready)}\n`);
    if (args.once) return EXIT.ok;
  } else {
    await showJourney(system);
    if (args.once) return EXIT.ok;
    showUsage(screen, system);
  }
  await system.nodeExited;
  if (ending === undefined) {
    screen.line('The node ended by itself. Start again; its keys are gone with it.');
    return EXIT.error;
  }
  return undefined;
}

const showEvent: LocalOptions['onEvent'] = (event) => {
  switch (event.event) {
    case 'attestation_service':
      screen.line(
        `  ${screen.amber('simulated TEE')} and attestation service up; its key goes to the edge, no node address does`,
      );
      break;
    case 'edge_ready':
      screen.line(`  edge in workerd on ${event.origin}; it holds nothing that can open a request`);
      break;
    case 'weights_in_memory':
      screen.line(
        `  weights decrypted into memory, ${Math.round(event.bytes / 1e6)} MB, verified; the node's disk has them encrypted`,
      );
      if (event.maySwap)
        screen.line(screen.amber('  this machine swaps: the kernel may write them to a disk'));
      break;
    case 'engine_ready': {
      const { results } = event.probe;
      const open = results.filter(({ blocked }) => !blocked).length;
      screen.line(
        `  engine in the ${event.driver} sandbox; ${results.length} escapes tried inside it first, ${open} open`,
      );
      break;
    }
    case 'registered':
      screen.progress('');
      break;
    case 'manifest_in_force':
      screen.line(`  version ${event.serial} of the manifest is in force; new keys are made under it`);
      break;
    case 'manifest_refused':
      screen.line(screen.red(`  the manifest on disk was refused (${event.code}); the one in force stays`));
      break;
    default:
  }
};

async function showJourney({ cloister, model, exchanges }: LocalSystem): Promise<void> {
  screen.heading('Verifying, before anything is sent');
  const node = await cloister.verify();
  showSteps(screen, node);

  screen.heading('Asking, through the OpenAI SDK, sealed');
  const { answer, firstTokenMilliseconds, tokensPerSecond } = await ask(screen, cloister, model);
  screen.line(
    screen.faint(
      `  first token after ${firstTokenMilliseconds.toFixed(0)} ms, ${tokensPerSecond.toFixed(0)} tokens/s, sealed end to end (post-quantum)`,
    ),
  );
  showWhoKnows(screen, node);

  const sealed = exchanges.findLast(({ method }) => method === 'POST');
  if (sealed !== undefined) {
    screen.heading('Both sides of the seal');
    showBothSides(screen, sealed, answer);
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(EXIT.ok));
// The launcher is gone: nobody is left who could end this.
process.on('disconnect', () => void end(EXIT.ok));
process.channel?.unref();

try {
  const code = await main();
  if (code !== undefined) await end(code);
} catch (error) {
  if (ending === undefined) {
    if (error instanceof UsageError) {
      screen.line(error.message);
      screen.line(USAGE);
      await end(EXIT.usage);
    }
    if (error instanceof ModelUnavailableError) screen.line(`${error.message}\n  npm start -- --model FILE`);
    else if (error instanceof VerificationError) showRefusal(error);
    else
      screen.line(screen.red(`Could not start: ${error instanceof Error ? error.message : String(error)}`));
    if (error instanceof VerificationError)
      await end(error.code.startsWith('policy_') ? EXIT.policyRefused : EXIT.verificationFailed);
    await end(EXIT.error);
  }
  await ending;
}

function showRefusal(error: VerificationError): void {
  screen.line(screen.red('  Refused. Nothing was sent.'));
  for (const { step, code, expected, actual } of error.violations) {
    screen.line(`  ${screen.red('✗')} ${step}  ${code}`);
    if (expected !== undefined) screen.line(`      expected ${expected}`);
    if (actual !== undefined) screen.line(`      actual   ${actual}`);
  }
}
