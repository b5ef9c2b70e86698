import { describe, expect, it } from 'vitest';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { parseQeIdentity } from '../../../shared/evidence/qe-identity.ts';
import { parseTcbInfo } from '../../../shared/evidence/tcb-info.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { moduleFor, rateTdxTcb, type TdxTcbRating } from '../../../shared/verifier/rate-tdx-tcb.ts';
import {
  soundPck,
  soundQeIdentity,
  soundReport,
  soundTcbInfo,
  type TdxChanges,
  tdxEvidence,
} from './tdx-platform.ts';

function rate(changes: TdxChanges, platform: Partial<typeof soundPck> = {}): TdxTcbRating {
  const pck = { ...soundPck, platformInstanceId: undefined, ...platform };
  return rateTdxTcb(
    parseTdxQuote(tdxEvidence(changes).quote),
    pck,
    parseTcbInfo(toUtf8(JSON.stringify({ ...soundTcbInfo, ...changes.tcbInfo }))),
    parseQeIdentity(toUtf8(JSON.stringify({ ...soundQeIdentity, ...changes.qeIdentity }))),
  );
}
const svn = (...first: readonly number[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: 16 }, (_, index) => first[index] ?? 0);
const levelsOf = (tcbStatus: string) =>
  soundTcbInfo.tcbLevels.map((level, index) => (index === 0 ? { ...level, tcbStatus } : level));

describe('the level of the platform is the first that it has', () => {
  it('each number must be at least the level’s', () => {
    expect(rate({})).toMatchObject({
      status: 'UpToDate',
      platform: { index: 0 },
      module: 'UpToDate',
      qe: 'UpToDate',
    });
    for (const index of [0, 1, 2, 3, 4, 5, 7]) {
      const components = soundPck.components.map((value, at) => (at === index ? value - 1 : value));
      const rating = rate({}, { components });
      expect(rating.status).not.toBe('UpToDate');
      expect(rating.platform?.index).not.toBe(0);
    }
    expect(rate({}, { pceSvn: 12 })).toMatchObject({ status: 'Revoked', platform: { index: 2 } });
    expect(rate({ report: { teeTcbSvn: svn(6, 1, 2) } })).toMatchObject({
      status: 'OutOfDate',
      platform: { index: 1 },
    });
  });
  it('a better component does not make up for a worse one', () => {
    const components = soundPck.components.map((value, at) => (at === 0 ? 2 : 255 - value));
    expect(rate({}, { components }).platform?.index).not.toBe(0);
  });
  it('below every level: not supported, which is worse than out of date', () => {
    expect(rate({}, { components: new Array<number>(16).fill(0) })).toMatchObject({
      status: 'NotSupported',
      platform: undefined,
    });
    expect(rate({}, { pceSvn: 4 }).status).toBe('NotSupported');
    expect(rate({ report: { teeTcbSvn: svn(6, 1, 0) } }).status).toBe('NotSupported');
    expect(rate({ report: { teeTcbSvn: svn(1, 1, 3) } })).toMatchObject({
      status: 'NotSupported',
      module: 'NotSupported',
    });
    expect(rate({ qe: { isvSvn: 1 } })).toMatchObject({ status: 'NotSupported', qe: 'NotSupported' });
  });
  it('module components count only for modules of major version 0', () => {
    // 4 is below the platform level's 5, and the module's own level is what counts.
    expect(rate({ report: { teeTcbSvn: svn(4, 1, 3) } })).toMatchObject({
      platform: { index: 0 },
      module: 'OutOfDate',
    });
    expect(rate({ report: { teeTcbSvn: svn(4, 0, 3) } })).toMatchObject({
      platform: { index: 2 },
      module: undefined,
    });
    expect(rate({ report: { teeTcbSvn: svn(5, 0, 3) } })).toMatchObject({ status: 'UpToDate' });
  });
  it('the order is the document’s', () => {
    const tcbLevels = soundTcbInfo.tcbLevels.toReversed();
    expect(rate({ tcbInfo: { tcbLevels } })).toMatchObject({ status: 'Revoked', platform: { index: 0 } });
  });
});

describe('platform, module and enclave together', () => {
  const table: readonly (readonly [string, string])[] = [
    ['UpToDate', 'OutOfDate'],
    ['SWHardeningNeeded', 'OutOfDate'],
    ['ConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
    ['ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded'],
    ['OutOfDate', 'OutOfDate'],
    ['OutOfDateConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
    ['Revoked', 'Revoked'],
  ];
  for (const [platform, outOfDate] of table)
    it(`${platform}: ${outOfDate} with a part out of date, Revoked with a part revoked`, () => {
      const tcbInfo = { tcbLevels: levelsOf(platform) };
      expect(rate({ tcbInfo }).status).toBe(platform);
      expect(rate({ tcbInfo, qe: { isvSvn: 3 } }).status).toBe(outOfDate);
      expect(rate({ tcbInfo, report: { teeTcbSvn: svn(4, 1, 3) } }).status).toBe(outOfDate);
      expect(rate({ tcbInfo, qe: { isvSvn: 2 } }).status).toBe('Revoked');
      expect(rate({ tcbInfo, report: { teeTcbSvn: svn(2, 1, 3) } }).status).toBe('Revoked');
    });
  it('advisories of all of them reach the reader, each once', () => {
    const { advisories } = rate({ report: { teeTcbSvn: svn(4, 1, 2) } });
    expect(advisories).toEqual(['INTEL-SA-01036', 'INTEL-SA-01079']);
  });
  it('the lower evaluation number counts', () => {
    expect(rate({ tcbInfo: { tcbEvaluationDataNumber: 17 } }).evaluationDataNumber).toBe(17);
    expect(rate({ qeIdentity: { tcbEvaluationDataNumber: 16 } }).evaluationDataNumber).toBe(16);
  });
});

describe('a module that was updated under a running guest', () => {
  const running = (status: string, first: Uint8Array<ArrayBuffer>, second: Uint8Array<ArrayBuffer>) =>
    rate({
      version: 5,
      report: { teeTcbSvn: first, teeTcbSvn2: second },
      tcbInfo: { tcbLevels: levelsOf(status) },
    }).status;
  it('a new launch is advised when it would mend what the launch was under', () => {
    expect(running('UpToDate', svn(4, 1, 3), svn(6, 1, 3))).toBe('TDRelaunchAdvised');
    expect(running('SWHardeningNeeded', svn(4, 1, 3), svn(6, 1, 3))).toBe('TDRelaunchAdvised');
    expect(running('ConfigurationNeeded', svn(4, 1, 3), svn(6, 1, 3))).toBe(
      'TDRelaunchAdvisedConfigurationNeeded',
    );
  });
  it('not when it would not, and never over a revocation', () => {
    expect(running('OutOfDate', svn(4, 1, 3), svn(6, 1, 3))).toBe('OutOfDate');
    expect(running('UpToDate', svn(4, 1, 3), svn(4, 1, 3))).toBe('OutOfDate');
    expect(running('UpToDate', svn(4, 1, 3), svn(6, 9, 3))).toBe('OutOfDate');
    expect(running('UpToDate', svn(2, 1, 3), svn(6, 1, 3))).toBe('Revoked');
    expect(running('UpToDate', svn(6, 1, 3), svn(4, 1, 3))).toBe('UpToDate');
  });
});

it('finds a module by its major version, in hex and in any letter case', () => {
  const identity = soundTcbInfo.tdxModuleIdentities[0];
  const info = parseTcbInfo(
    toUtf8(
      JSON.stringify({ ...soundTcbInfo, tdxModuleIdentities: [identity, { ...identity, id: 'TDX_0A' }] }),
    ),
  );
  expect(moduleFor(info, svn(1, 10))?.levels).toHaveLength(3);
  expect(moduleFor(info, svn(1, 2))).toBeUndefined();
  expect(moduleFor(info, soundReport.teeTcbSvn)?.module).toMatchObject({ id: 'TDX_01' });
});
