import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { allocateUser } from '../../../../backend/engine/sandbox/allocate-user.ts';
import { compileSeccomp } from '../../../../backend/engine/sandbox/compile-seccomp.ts';
import { handledByLandlock } from '../../../../backend/engine/sandbox/landlock-rules.ts';
import { loadNativeCalls, locateKoffi } from '../../../../backend/engine/sandbox/native-calls.ts';
import { buildProfile, type Profile } from '../../../../backend/engine/sandbox/profile.ts';
import { assertIsolated, digestReport, runProbe } from '../../../../backend/engine/sandbox/run-probe.ts';
import type { Guarantee, ProbeReport } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';
import { listSyscallRules } from '../../../../backend/engine/sandbox/seccomp-profile.ts';
import { architecture, hasLandlock, landlockAbi, needsLandlock } from './machine.ts';

const user = process.getuid?.() === 0 ? await allocateUser() : undefined;
const koffi = hasLandlock ? locateKoffi(architecture) : '';
const call = hasLandlock ? loadNativeCalls(koffi) : () => -1;
const site = { architecture, node: process.execPath, koffi, user: user?.id, call } as const;
afterAll(() => user?.release());

function probe(profile: Profile): Promise<ProbeReport> {
  return runProbe(profile, { site, random: (octets) => randomBytes(octets), env: { HOME: '/' } });
}

function build(driver: 'landlock' | 'none', abi = landlockAbi): Profile {
  return buildProfile({
    driver,
    landlockAbi: abi,
    architecture,
    readOnly: [process.execPath],
    limits: { memoryBytes: 1 << 30, processes: 512, openFiles: 256 },
    ownUser: user !== undefined,
  });
}

const openIds = (report: ProbeReport) =>
  report.results.filter((result) => !result.blocked).map((result) => result.id);
const guaranteesOpen = (report: ProbeReport) =>
  new Set(report.results.filter((result) => !result.blocked).map((result): Guarantee => result.breaks));

describe.skipIf(!hasLandlock)(`the probe${needsLandlock}`, () => {
  it('finds every attempt blocked under landlock, and leaves nothing behind', async () => {
    const before = readdirSync('/tmp').filter((name) => name.startsWith('cloister-canary-'));
    const report = await probe(build('landlock'));
    expect(openIds(report)).toEqual([]);
    expect(report.verdict).toBe('isolated');
    expect(report.results.length).toBeGreaterThanOrEqual(150);
    expect(new Set(report.results.map((result) => result.breaks)).size).toBe(7);
    expect(() => assertIsolated(report)).not.toThrow();
    const after = readdirSync('/tmp').filter((name) => name.startsWith('cloister-canary-'));
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
  });

  it('sees the open world under none, so that it would see an open sandbox', async () => {
    const report = await probe(build('none'));
    expect(report.verdict).toBe('not-isolated');
    expect(openIds(report)).toEqual(
      expect.arrayContaining([
        ...['tcp-loopback', 'udp-loopback', 'dns', 'unix-path', 'unix-abstract', 'unix-datagram'],
        ...['unix-pair-redirected', 'host-saw-contact', 'read-canary', 'read-passwd', 'run-canary-program'],
        ...['create-in-tmp', 'write-canary', 'truncate-canary-on-open', 'symlink', 'host-saw-change'],
        ...['signal-process', 'process-descriptor', 'outlive-adapter', 'limit-process', 'list-processes'],
        ...[
          'shared-memory-create',
          'shared-memory-attach',
          'memory-file',
          'read-boot-id',
          'watch-canary',
          'core-limit',
        ],
      ]),
    );
    expect(() => assertIsolated(report)).toThrow(expect.objectContaining({ code: 'sandbox_probe_failed' }));
  });

  const compile = (families: readonly number[], signals: boolean) =>
    compileSeccomp(listSyscallRules({ families, signals }), architecture);
  const withRules = (profile: Profile, rights: number): Profile => ({
    ...profile,
    landlock: {
      handled: handledByLandlock(landlockAbi),
      rules: [...(profile.landlock?.rules ?? []), { path: '/', rights }],
    },
  });
  const weakened: readonly (readonly [string, Guarantee, string, (profile: Profile) => Profile])[] = [
    [
      'address families',
      'network',
      'dns',
      (profile) => ({ ...profile, seccomp: compile([1, 2, 10, 16, 40], true) }),
    ],
    ['reading anywhere', 'host-filesystem', 'read-canary', (profile) => withRules(profile, 0b1101)],
    ['writing anywhere', 'persistent-writes', 'write-canary', (profile) => withRules(profile, 0b1110)],
    [
      'signals without a scope',
      'host-processes',
      'signal-process',
      ({ landlock, ...profile }) => ({
        ...profile,
        ...(landlock === undefined ? {} : { landlock: { ...landlock, handled: handledByLandlock(5) } }),
      }),
    ],
    ['no system call filter', 'kernel-ipc', 'shared-memory-create', ({ seccomp: _, ...profile }) => profile],
    ['reading anywhere', 'information', 'read-boot-id', (profile) => withRules(profile, 0b1101)],
  ];
  it.each(weakened)('refuses a profile weakened by %s (%s)', async (_, guarantee, id, weaken) => {
    const report = await probe(weaken(build('landlock')));
    expect(openIds(report)).toContain(id);
    expect(guaranteesOpen(report)).toContain(guarantee);
    expect(() => assertIsolated(report)).toThrow(openIds(report)[0]);
  });

  it.each([3, 4, 5].filter((abi) => abi < landlockAbi))(
    'isolates with what ABI %i knows as well, seccomp closing the rest',
    async (abi) => {
      const report = await probe(build('landlock', abi));
      expect(openIds(report)).toEqual([]);
      expect(report.landlockAbi).toBe(abi);
    },
  );

  it('gives no report for a nonce that is not its own', async () => {
    // a program without the probe's files cannot answer: Node alone is not enough
    const settings = {
      site,
      random: (octets: number) => randomBytes(octets),
      env: { NODE_OPTIONS: '--nonsense' },
    };
    await expect(runProbe(build('landlock'), settings)).rejects.toMatchObject({
      code: 'sandbox_probe_failed',
    });
  });

  it('digests a report by its canonical form, and a profile by what it lays on', async () => {
    const report = await probe(build('landlock'));
    const digest = await digestReport(report);
    expect(digest.length).toBe(32);
    const { verdict, results, ...rest } = report;
    expect(await digestReport({ verdict, results, ...rest })).toEqual(digest);
    expect(await digestReport({ ...report, nonce: '00' })).not.toEqual(digest);
    expect(build('landlock').digest).toBe(report.profileDigest);
    expect(build('landlock', 4).digest).not.toBe(report.profileDigest);
  });
});
