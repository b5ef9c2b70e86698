import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isSimulatedFault, SIMULATED_FAULTS } from '../../../backend/tee/simulated/faults.ts';
import { MeasureTreeError, measureGuest } from '../../../backend/tee/simulated/measure-tree.ts';
import { loadSimulatedPlatform, SimulatedPlatformError } from '../../../backend/tee/simulated/platform.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { parseSnpReport } from '../../../shared/evidence/snp-report.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import { measurement, now, random, testPlatform } from './simulated-node.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-tee-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The run's platform file in a folder of this test's own. */
async function copyPlatform(name: string): Promise<string> {
  const platform = await testPlatform();
  const content = await readFile(
    join(tmpdir(), `cloister-test-platform-${process.ppid}`, 'simulated-platform.json'),
  );
  const own = join(folder, name);
  await mkdir(own);
  await writeFile(join(own, 'simulated-platform.json'), content, { mode: 0o600 });
  expect(platform.rootSpkiSha256).toMatch(/^[0-9a-f]{64}$/);
  return own;
}

describe('platform', () => {
  it('is made once, readable by its owner only, and loaded in an instant', async () => {
    const made = await testPlatform();
    const file = join(tmpdir(), `cloister-test-platform-${process.ppid}`, 'simulated-platform.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const own = await copyPlatform('again');
    const began = performance.now();
    const again = await loadSimulatedPlatform(own, { now, random });
    // A start costs some milliseconds; the bound leaves room for a busy machine.
    expect(performance.now() - began).toBeLessThan(250);
    expect(again.rootSpkiSha256).toBe(made.rootSpkiSha256);
    expect(again.certificates).toEqual(made.certificates);
  });
  it('signs a new revocation list before the old one ends', async () => {
    const own = await copyPlatform('later');
    const later = new Date(now.getTime() + 350 * 86_400_000);
    const { certificates } = await loadSimulatedPlatform(own, { now: later, random });
    expect(parseCrl(certificates.crl).nextUpdate.getTime()).toBeGreaterThan(later.getTime());
  });
  it('refuses a damaged file instead of making another machine', async () => {
    const own = await copyPlatform('damaged');
    for (const content of ['', '{}', '{"version":2}']) {
      await writeFile(join(own, 'simulated-platform.json'), content);
      await expect(loadSimulatedPlatform(own, { now, random })).rejects.toBeInstanceOf(
        SimulatedPlatformError,
      );
    }
  });
  it('says in every name that it is not AMD', async () => {
    const { certificates } = await testPlatform();
    for (const octets of [certificates.ark, certificates.ask, certificates.vcek]) {
      // Node escapes commas in names.
      const subject = new X509Certificate(octets).subject.replaceAll('\\', '');
      expect(subject).toContain('Cloister simulated, not AMD)');
      expect(subject).toContain('O=Cloister simulated platform, not AMD');
      expect(subject).not.toContain('Advanced Micro Devices');
    }
  });
  it('makes certificates that OpenSSL reads and verifies as well', async () => {
    const { certificates, keys, rootSpkiSha256 } = await testPlatform();
    const [ark, ask, vcek] = [certificates.ark, certificates.ask, certificates.vcek].map(
      (octets) => new X509Certificate(octets),
    );
    if (!ark || !ask || !vcek) throw new Error('incomplete');
    expect(ark.verify(createPublicKey(keys.ark))).toBe(true);
    expect(ask.verify(ark.publicKey)).toBe(true);
    expect(vcek.verify(ask.publicKey)).toBe(true);
    expect(vcek.verify(ark.publicKey)).toBe(false);
    expect([ark.ca, ask.ca, vcek.ca]).toEqual([true, true, false]);
    const { spki } = parseCertificate(certificates.ark);
    expect(toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', spki)))).toBe(rootSpkiSha256);
    expect(new Uint8Array(ark.publicKey.export({ type: 'spki', format: 'der' }))).toEqual(spki);
  });
});

describe('driver', () => {
  it('says that it is simulated, and puts report data and measurement where they belong', async () => {
    const tee = createSimulatedTee({ platform: await testPlatform(), measurement });
    expect([tee.kind, tee.assurance, tee.fault]).toEqual(['sev-snp', 'simulated', undefined]);
    const reportData = random(64);
    const report = parseSnpReport((await tee.attest({ reportData })).report);
    expect(report.version).toBe(5);
    expect(report.reportData).toEqual(reportData);
    expect(report.measurement).toEqual(measurement);
    expect(report.cpu).toEqual({ family: 0x19, model: 0x11, stepping: 1 });
  });
  it('keeps the report id of one boot', async () => {
    const platform = await testPlatform();
    const idOf = async (tee: ReturnType<typeof createSimulatedTee>) =>
      toHex(parseSnpReport((await tee.attest({ reportData: new Uint8Array(64) })).report).reportId);
    const [one, other] = [
      createSimulatedTee({ platform, measurement }),
      createSimulatedTee({ platform, measurement }),
    ];
    expect(await idOf(one)).toBe(await idOf(one));
    expect(await idOf(one)).not.toBe(await idOf(other));
  });
  it('refuses octets of another length', async () => {
    const platform = await testPlatform();
    expect(() => createSimulatedTee({ platform, measurement: new Uint8Array(32) })).toThrow(RangeError);
    await expect(
      createSimulatedTee({ platform, measurement }).attest({ reportData: new Uint8Array(32) }),
    ).rejects.toThrow(RangeError);
  });
  it('knows its faults by name', () => {
    expect(Object.keys(SIMULATED_FAULTS).every(isSimulatedFault)).toBe(true);
    for (const word of ['', 'toString', 'none']) expect(isSimulatedFault(word)).toBe(false);
  });
});

describe('measureGuest', () => {
  async function tree(name: string, files: Record<string, string>): Promise<string> {
    const root = join(folder, name);
    for (const [path, content] of Object.entries({ 'package-lock.json': '{}', ...files })) {
      await mkdir(join(root, path, '..'), { recursive: true });
      await writeFile(join(root, path), content);
    }
    return root;
  }
  const guest = { 'backend/main.ts': 'one', 'backend/tee/tee.ts': 'two', 'shared/bytes/hex.ts': 'three' };

  it('is 48 octets that depend on every path and every content', async () => {
    const base = toHex(await measureGuest(await tree('base', guest)));
    expect(base).toHaveLength(96);
    expect(toHex(await measureGuest(await tree('same', guest)))).toBe(base);
    const others = [
      { ...guest, 'backend/main.ts': 'One' },
      { ...guest, 'backend/more.ts': '' },
      { 'backend/renamed.ts': 'one', 'backend/tee/tee.ts': 'two', 'shared/bytes/hex.ts': 'three' },
      { ...guest, 'package-lock.json': '{ }' },
    ];
    const measured = new Set([base]);
    for (const [index, files] of others.entries())
      measured.add(toHex(await measureGuest(await tree(`other-${index}`, files))));
    expect(measured.size).toBe(1 + others.length);
  });
  it('leaves out what does not run in the guest', async () => {
    const base = toHex(await measureGuest(await tree('bare', guest)));
    const more = {
      ...guest,
      'shared/client/index.ts': 'x',
      'shared/cli/main.ts': 'x',
      'backend/README.md': 'x',
      'backend/.hidden': 'x',
      'shared/node_modules/a/b.ts': 'x',
      'functions/index.ts': 'x',
    };
    expect(toHex(await measureGuest(await tree('more', more)))).toBe(base);
  });
  it('refuses a link', async () => {
    const root = await tree('linked', guest);
    await symlink('main.ts', join(root, 'backend/link.ts'));
    await expect(measureGuest(root)).rejects.toBeInstanceOf(MeasureTreeError);
  });
});
