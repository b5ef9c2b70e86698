// Runs the probe in a given profile and turns its answer into a report.

import { release } from 'node:os';
import type { Writable } from 'node:stream';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { attemptEvidenceDevices, attemptHostFiles, attemptPersistentWrites } from './attempt-files.ts';
import { attemptHostProcesses, attemptInformation, attemptKernelIpc } from './attempt-kernel.ts';
import { attemptNetwork } from './attempt-network.ts';
import { canonicalJson } from './canonical-json.ts';
import { readAndExecute } from './landlock-rules.ts';
import { HOST_ATTEMPTS, makeCanaries } from './make-canaries.ts';
import { syscallTable } from './native-calls.ts';
import {
  type AttemptGroup,
  composeProbe,
  type ProbeAnswer,
  type ProbeOrder,
  type ProbeTools,
} from './probe.ts';
import type { Profile } from './profile.ts';
import { SandboxError } from './sandbox-error.ts';
import type { Guarantee, ProbeReport, ProbeResult } from './sandboxed-engine.ts';
import { type LaunchSite, NOTHING_OWN, type OwnWorld, spawnLauncher } from './spawn-launcher.ts';
import { watchParent } from './watch-parent.ts';

const GUARANTEES: readonly Guarantee[] = [
  ...(['network', 'host-filesystem', 'persistent-writes', 'host-processes'] as const),
  ...(['kernel-ipc', 'evidence-devices', 'information'] as const),
];
const GROUPS: readonly AttemptGroup[] = [
  attemptNetwork,
  attemptHostFiles,
  attemptPersistentWrites,
  attemptHostProcesses,
  attemptKernelIpc,
  attemptEvidenceDevices,
  attemptInformation,
];
const NONCE_OCTETS = 32;
const TIME_LIMIT_MS = 20_000;
const ANSWER_LIMIT_OCTETS = 256 * 1024;

/** What a probe run needs besides the profile. */
export interface ProbeSettings {
  readonly site: LaunchSite;
  readonly random: (octets: number) => Uint8Array;
  /** The environment that the program will get. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Runs every attempt in the profile, with canaries made for this run. The profile is the program's own; added are read and
 * execute of Node (where the program is something else) and of koffi's native module.
 * @returns the report, whatever its verdict
 * @throws SandboxError `sandbox_probe_failed` where no answer with this run's nonce came in time
 */
export async function runProbe(profile: Profile, settings: ProbeSettings): Promise<ProbeReport> {
  const { site, random, env } = settings;
  const nonce = toHex(random(NONCE_OCTETS));
  const nest = await makeCanaries(nonce, site);
  try {
    const order = (own: OwnWorld): ProbeOrder => ({
      koffi: site.koffi,
      architecture: site.architecture,
      syscalls: syscallTable(site.architecture),
      canaries: nest.canaries,
      // bubblewrap names its working folder
      environment: [...Object.keys(env), ...(profile.driver === 'bubblewrap' ? ['PWD'] : [])],
      own,
    });
    const answer = readAnswer(await converse(withProbeFiles(profile, site), order, settings), nonce);
    const results = [...answer.results, ...nest.inspect()];
    return {
      driver: profile.driver,
      kernel: release(),
      landlockAbi: profile.landlockAbi,
      profileDigest: profile.digest,
      nonce,
      results,
      ...(profile.concedes.length === 0 ? {} : { concedes: profile.concedes }),
      verdict:
        openAttempts({ results, concedes: profile.concedes }).length === 0 ? 'isolated' : 'not-isolated',
    };
  } finally {
    await nest.remove();
  }
}

/**
 * Refuses a report that found a way out.
 * @throws SandboxError `sandbox_probe_failed` naming the first open attempt
 */
export function assertIsolated(report: ProbeReport): void {
  const open = openAttempts(report);
  const [first] = open;
  if (report.verdict === 'isolated' && first === undefined) return;
  const named = first === undefined ? 'no attempt' : `${first.id} (${first.breaks}: ${first.detail})`;
  throw new SandboxError(
    'sandbox_probe_failed',
    `the sandbox is open: ${named}, ${open.length} of ${report.results.length} attempts`,
  );
}

/**
 * Refuses a report that differs from an earlier one of the same program in anything but the nonce: driver, kernel, profile, and what
 * each attempt met. The node's core names the earlier one by its digest, so an engine that starts must have shown the same.
 * @throws SandboxError `sandbox_probe_changed` naming the first difference
 */
export function assertUnchanged(report: ProbeReport, expected: ProbeReport): void {
  if (findingsOf(report) === findingsOf(expected)) return;
  const before = new Map(expected.results.map((result) => [result.id, result]));
  const other = report.results.find(({ id, detail }) => before.get(id)?.detail !== detail);
  const named =
    other === undefined
      ? 'driver, kernel or profile'
      : `${other.id}: ${before.get(other.id)?.detail ?? 'not tried'}, now ${other.detail}`;
  throw new SandboxError('sandbox_probe_changed', `the probe found something else than before: ${named}`);
}

function findingsOf(report: ProbeReport): string {
  const results = report.results.map(({ id, breaks, blocked, detail }) => ({ id, breaks, blocked, detail }));
  return canonicalJson({ ...report, nonce: '', results });
}

/** The attempts that went through although the profile does not concede them. */
export function openAttempts({
  results,
  concedes = [],
}: Pick<ProbeReport, 'results' | 'concedes'>): ProbeResult[] {
  return results.filter((result) => !result.blocked && !concedes.includes(result.id));
}

/** SHA-256 over "cloister probe v1" ‖ 00 ‖ canonical JSON of the report. */
export function digestReport(report: ProbeReport): Promise<Bytes> {
  const results = report.results.map(({ id, breaks, blocked, detail }) => ({ id, breaks, blocked, detail }));
  return sha256(concat(toUtf8('cloister probe v1\0'), toUtf8(canonicalJson({ ...report, results }))));
}

/** Every attempt that a probe makes on this architecture, in its order, with those that the host judges. */
export function listAttempts(architecture: 'x64' | 'arm64'): readonly Pick<ProbeResult, 'id' | 'breaks'>[] {
  const canary = { folder: '', nonce: '' };
  const own = NOTHING_OWN;
  const tools = { architecture, canary, own, n: syscallTable(architecture), text: () => new Uint8Array(0) };
  const inside = GROUPS.flatMap((group) => group(tools as unknown as ProbeTools));
  return [...inside, ...HOST_ATTEMPTS].map(({ id, breaks }) => ({ id, breaks }));
}

function withProbeFiles(profile: Profile, site: LaunchSite): Profile {
  const added = [site.node, site.koffi].map((path) => ({ source: path, target: path }));
  const { bubblewrap } = profile;
  if (bubblewrap !== undefined)
    return { ...profile, bubblewrap: { ...bubblewrap, places: [...bubblewrap.places, ...added] } };
  if (profile.landlock === undefined) return profile;
  const rules = [...profile.landlock.rules, readAndExecute(site.node), readAndExecute(site.koffi)];
  return { ...profile, landlock: { ...profile.landlock, rules } };
}

async function converse(
  profile: Profile,
  order: (own: OwnWorld) => ProbeOrder,
  settings: ProbeSettings,
): Promise<string> {
  let endWatch = (): void => {};
  const launcher = spawnLauncher(settings.site, 'ignore', {
    driver: profile.driver,
    onContainer: (ending) => {
      endWatch = watchParent(launcher.pid, ending);
    },
  });
  const timer = setTimeout(() => launcher.kill(), TIME_LIMIT_MS);
  let answer = '';
  launcher.stdout.on('data', (piece: Buffer) => {
    answer += piece.toString('utf8');
    if (answer.length > ANSWER_LIMIT_OCTETS) launcher.kill();
  });
  launcher.stderr.resume();
  const ended = new Promise<void>((resolve) => launcher.stdout.once('close', () => resolve()));
  try {
    const argv = [settings.site.node, '--no-warnings', '-e', composeProbe(GROUPS)];
    const { own } = await launcher.become(profile, argv, settings.env, 'probe');
    const input: Writable = launcher.stdin;
    input.end(JSON.stringify(order(own)));
    await Promise.all([launcher.exited, ended]);
    return answer;
  } finally {
    clearTimeout(timer);
    await launcher.end();
    endWatch();
  }
}

// The probe is our own text, but it spoke from inside: its answer is checked like anything from there.
function readAnswer(text: string, nonce: string): ProbeAnswer {
  const refuse = () => new SandboxError('sandbox_probe_failed', 'the probe gave no answer of this run');
  let value: Partial<ProbeAnswer> | null;
  try {
    value = JSON.parse(text) as Partial<ProbeAnswer> | null;
  } catch {
    throw refuse();
  }
  if (value?.nonce !== nonce || !Array.isArray(value.results)) throw refuse();
  const results: unknown[] = value.results;
  const ids = new Set<string>();
  for (const result of results) {
    if (!isResult(result) || ids.has(result.id)) throw refuse();
    ids.add(result.id);
  }
  return { nonce, results: results as ProbeResult[] };
}

function isResult(value: unknown): value is ProbeResult {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 4) return false;
  const { id, breaks, blocked, detail } = value as Partial<ProbeResult>;
  return (
    typeof id === 'string' &&
    /^[a-z0-9_-]{1,40}$/.test(id) &&
    GUARANTEES.some((guarantee) => guarantee === breaks) &&
    typeof blocked === 'boolean' &&
    typeof detail === 'string' &&
    /^[A-Za-z0-9_]{1,24}$/.test(detail)
  );
}
