// The start of a node, in the order that the promises need: environment, TEE, keys, engine and probe, evidence, listen, register.

import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toBase64url } from '../shared/bytes/base64url.ts';
import type { Bytes } from '../shared/bytes/concat.ts';
import { type Deployment, parseDeployment } from '../shared/manifest/deployment.ts';
import { parsePolicy } from '../shared/verifier/policy.ts';
import { Admission } from './adapter/admission.ts';
import { DEFAULT_PACING } from './adapter/answer-request.ts';
import { createAdapter } from './adapter/create-adapter.ts';
import { CacheSalts } from './adapter/dialects/cache-salt.ts';
import { checkSurface } from './adapter/dialects/check-surface.ts';
import { ENGINE_TRAITS } from './adapter/dialects/engine-traits.ts';
import { EngineCadence } from './adapter/engine-cadence.ts';
import { GenerationMemory } from './adapter/generation-memory.ts';
import { ReplayMemory } from './adapter/replay-memory.ts';
import { admitGpus } from './attestation-service/admit-gpus.ts';
import { createAttestationService } from './attestation-service/appraise.ts';
import { vendorEndorsements } from './attestation-service/collateral/vendor-endorsements.ts';
import { closeServer } from './close-server.ts';
import { chooseEngine } from './engine/choose-engine.ts';
import { enginesOf, serveIsolated } from './engine/isolation/serve-isolated.ts';
import { startEngine } from './engine/start-engine.ts';
import { processClock } from './engine/supervisor/clock.ts';
import type { LogEngineEvent } from './engine/supervisor/engine-event.ts';
import { DEFAULT_RESTARTS } from './engine/supervisor/restart-budget.ts';
import { startFreshIn } from './engine/supervisor/start-fresh.ts';
import { DEFAULT_HEALTH } from './engine/supervisor/watch-health.ts';
import { loadEncryptedWeights } from './engine/weights/load-encrypted-weights.ts';
import { configuredSecrets } from './engine/weights/secret-source.ts';
import { Affirmations } from './enrolment/affirm.ts';
import { EpochSchedule } from './enrolment/epoch-schedule.ts';
import { makeFreshBundles } from './enrolment/fresh-bundles.ts';
import { makeEpoch } from './enrolment/make-epoch.ts';
import { keepRegistered } from './enrolment/register.ts';
import { nodeScheduler } from './enrolment/scheduler.ts';
import { ManifestInForce } from './follow-manifest.ts';
import { forbidCoreDumps } from './forbid-core-dumps.ts';
import { nodeCryptoProvider } from './keys/node-crypto-provider.ts';
import { generateReceiptKey } from './keys/receipt-key.ts';
import { enginePrograms, type NodeConfig, parseNodeConfig } from './node-config.ts';
import type { LogEvent } from './node-event.ts';
import { refuseTamperedEnvironment } from './refuse-tampered-environment.ts';
import { openTee } from './tee/open-tee.ts';

const NODE_ID_OCTETS = 16;
/** Entries per key, 268 MB when full; nearly full, a table rotates its key. */
const REPLAY_ENTRIES = 10_000_000;
/** Idempotency keys per epoch, 86 MB at the most; a full table refuses and never forgets. */
const GENERATION_ENTRIES = 1_000_000;

const random = (octets: number): Bytes => new Uint8Array(randomBytes(octets));
const now = (): Date => new Date();
/** What a supervisor may read: a closed set of events, one JSON object a line on stdout. */
const tell = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** Until there is anything to drain: an exit, unlike a signal's default, removes decrypted weights. */
const exitAtOnce = (): never => process.exit(1);

async function main(): Promise<void> {
  refuseTamperedEnvironment(process.env, process.execArgv);
  forbidCoreDumps();
  const configPath = process.argv[2];
  if (configPath === undefined) throw new Error('usage: node backend/main.ts CONFIG.json');
  const config = parseNodeConfig(await readFile(configPath, 'utf8'));
  await mkdir(config.run_folder, { recursive: true, mode: 0o700 });

  const endorsements =
    config.collateral &&
    vendorEndorsements({
      fetch,
      now,
      sleep: (milliseconds) => new Promise<void>((resolve) => void setTimeout(resolve, milliseconds)),
      folder: config.collateral.cache_folder,
    });
  const { tee, devices } = await openTee(config.tee, { now: now(), random, endorsements });

  const receiptKey = generateReceiptKey();
  const policy = parsePolicy(config.policy);
  const service = await createAttestationService({ policy, key: receiptKey });
  const affirmations = new Affirmations(service, now);
  tell({ event: 'attestation_service', jwks: service.jwks });

  const { manifest: path, deployment: name } = config;
  const inForce = await ManifestInForce.begin({ path, deployment: name, policy, now, log: tell });
  const { manifest } = inForce.current.opened;
  const deployment = parseDeployment(inForce.current.deployment);
  checkSurface(deployment);

  const width = {
    threads: config.engine.threads,
    sequences: config.engine.sequences,
    contextTokens: config.engine.context_tokens,
    sampling: { temperature: config.engine.temperature, topP: config.engine.top_p },
  };
  const programs = enginePrograms(config);
  const chosen = chooseEngine(deployment.engine.kind, programs, width, config.tee.measured_folder);
  if (chosen.digest !== deployment.engine.digest)
    throw new Error('the engine here is not the one that the deployment names');

  if (devices?.setReady) {
    const ask = devices.attest.bind(devices);
    await admitGpus(ask, { manifest, role: 'all', policy, random, now: now() });
    devices.setReady();
    tell({ event: 'gpus_ready' });
  }

  const modelPath = await bringWeights(deployment.model, config);

  const model = { id: deployment.model.id, path: modelPath, sha256: deployment.model.sha256 };
  const logEngine: LogEngineEvent = tell;
  const engine = await serveIsolated(deployment.isolation, {
    start: startFreshIn(config.run_folder, (place) =>
      startEngine({
        driver: config.sandbox,
        model,
        ...width,
        ...chosen.foreign(model, place.runFolder),
        ...place,
        random,
        onProgress: countLoaded(deployment.model.bytes, logEngine),
      }),
    ),
    restarts: DEFAULT_RESTARTS,
    health: DEFAULT_HEALTH,
    clock: processClock,
    jitter: () => new DataView(random(4).buffer).getUint32(0) / 2 ** 32,
    log: logEngine,
  });
  tell({ event: 'engine_ready', driver: engine.driver, probe: engine.probe });

  if (
    engine.driver !== deployment.sandbox.driver ||
    engine.probe.profileDigest !== deployment.sandbox.profile_digest
  )
    throw new Error('the sandbox here is not the one that the deployment names');

  const log: LogEvent = tell;
  const identity = {
    node: random(NODE_ID_OCTETS),
    role: 'all' as const,
    receiptPublicKey: receiptKey.publicOctets,
    probeDigest: engine.probeDigest,
  };
  const replays = new ReplayMemory(REPLAY_ENTRIES, random);
  const generations = new GenerationMemory(GENERATION_ENTRIES, random);
  const lengths = { seconds: manifest.key_epoch.seconds, overlapSeconds: manifest.key_epoch.overlap_seconds };
  let renew = (): void => {};
  const epochs = await EpochSchedule.begin(
    (order) =>
      makeEpoch(
        { ...identity, ...inForce.current },
        {
          tee,
          devices,
          provider: nodeCryptoProvider,
          random,
          now: now(),
          ...order,
        },
      ),
    lengths,
    {
      onChanged: () => renew(),
      onStarted: () => log({ event: 'epoch_started', lifeSeconds: lengths.seconds }),
      onErased: ({ keys, coreDigest }) => {
        const keyIds = keys.map((key) => key.config.keyId);
        log({ event: 'epoch_erased', requests: keyIds.reduce((sum, keyId) => sum + replays.size(keyId), 0) });
        for (const keyId of keyIds) replays.forget(keyId);
        generations.forget(coreDigest);
      },
    },
    nodeScheduler,
  );

  const admission = new Admission();
  const adapter = createAdapter({
    opening: {
      findKey: (keyId) => epochs.find(keyId),
      replays,
      provider: nodeCryptoProvider,
      random,
      now,
      onReplayTableFull: (keyId) => epochs.rotateAway(keyId),
    },
    admission,
    generations,
    engine,
    offer: {
      routes: deployment.routes,
      features: deployment.features,
      traits: ENGINE_TRAITS[deployment.engine.kind],
      salts: new CacheSalts(random),
      now,
      random,
    },
    keyList: () => epochs.current.keyList,
    node: toBase64url(identity.node),
    bundle: () => affirmations.latest(epochs.current)?.bundle ?? epochs.current.bundle,
    freshBundle: makeFreshBundles({
      epoch: () => epochs.current,
      affirmations,
      vouchers: { tee, devices },
    }),
    slots: config.engine.sequences * enginesOf(deployment.isolation),
    pacing:
      config.length_hiding === false
        ? { ...DEFAULT_PACING, padding: undefined }
        : { ...DEFAULT_PACING, engineCadence: new EngineCadence() },
    log,
  });
  const { host: hostname, port } = config.listen;
  const server = createServer(adapter.listener).listen(port, hostname);
  await new Promise((resolve) => server.once('listening', resolve));
  const address = config.address ?? `http://${hostname}:${(server.address() as AddressInfo).port}`;

  const stopping = new AbortController();
  const registration = keepRegistered(
    {
      edge: config.edge,
      address,
      node: toBase64url(identity.node),
      pool: config.pool,
      models: [deployment.model.id],
      receiptKey,
      affirmations,
      epoch: () => epochs.current,
      otherEpochs: () => epochs.others,
      onTicketKey: (octets) => admission.renew(octets),
      now,
      log,
    },
    stopping.signal,
  );
  renew = registration.renew;
  tell({
    event: 'listening',
    address,
    node: toBase64url(identity.node),
    pid: process.pid,
    enginePid: engine.pids[0],
  });

  process.on('SIGHUP', () => void inForce.follow(epochs));
  let ending = false;
  let hasHurry = false;
  const end = async (code: number, drainMilliseconds: number): Promise<void> => {
    if (ending) {
      // Asked twice, it waits no longer for answers; the edge must hear of it all the same, and that has an end of its own.
      if (hasHurry || drainMilliseconds > 0) return;
      hasHurry = true;
      await Promise.all([engine.stop(), registration.withdrawn]);
      process.exit(code);
    }
    ending = true;
    hasHurry = drainMilliseconds === 0;
    const deadline = performance.now() + drainMilliseconds;
    stopping.abort();
    // An edge that was not told would send requests here until the registration lapses. What comes all the same is refused unsealed:
    // nothing was started, another node may.
    await Promise.all([engine.drain(drainMilliseconds), registration.withdrawn]);
    await closeServer(server, deadline - performance.now());
    await engine.stop();
    epochs.end();
    process.exit(code);
  };
  // Another probe, another model, or an engine that cannot run: this node can no longer be what its core says. Whoever supervises it
  // starts it afresh, with fresh keys and a fresh core.
  void engine.ended.then(() => end(1, 0));
  let asked = 0;
  for (const signal of STOP_SIGNALS)
    process
      .off(signal, exitAtOnce)
      .on(signal, () => void end(0, asked++ === 0 ? config.drain_seconds * 1000 : 0));
  // The one who started this node holds its stdin; when that ends, so does the node.
  process.stdin.on('end', () => void end(0, 0)).on('error', () => void end(0, 0));
  process.stdin.resume();
}

/**
 * Path of the weights for the engine. Encrypted ones are decrypted into memory, from where this process's end removes them: once it has
 * ended its engines, however it ends, short of SIGKILL, after which the next start does it.
 */
async function bringWeights(
  { encrypted, sha256, bytes }: Deployment['model'],
  config: NodeConfig,
): Promise<string> {
  if (encrypted === undefined) return config.model_path;
  let told = -1;
  const loaded = await loadEncryptedWeights({
    path: config.model_path,
    deployed: { sha256, bytes },
    keyName: encrypted.key,
    secrets: configuredSecrets(config.secrets),
    onProgress: (done, total) => {
      const hundredth = Math.floor((100 * done) / total);
      if (hundredth === told) return;
      told = hundredth;
      tell({ event: 'weights_decrypting', bytes: done, total });
    },
  });
  process.once('exit', () => loaded.remove());
  for (const signal of STOP_SIGNALS) process.on(signal, exitAtOnce);
  const { isPrivate, maySwap } = loaded.folder;
  tell({ event: 'weights_in_memory', bytes, isPrivate, maySwap });
  return loaded.path;
}

/** Tells of every hundredth that an engine has read, in octets. */
function countLoaded(total: number, log: LogEngineEvent): (share: number) => void {
  let told = -1;
  return (share) => {
    const hundredth = Math.floor(share * 100);
    if (hundredth === told) return;
    told = hundredth;
    log({ event: 'engine_loading', bytes: Math.round(share * total), total });
  };
}

main().catch((error: unknown) => {
  const { code, message } = error as { code?: string; message?: string };
  const event = { event: 'start_failed', code: code ?? 'internal_error', message: message ?? String(error) };
  // An engine may be running already: it ends with this process, so this process must end.
  process.stdout.write(`${JSON.stringify(event)}\n`, () => process.exit(1));
});
