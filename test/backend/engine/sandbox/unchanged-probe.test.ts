// Whether a later probe found what an earlier one had found: the nonce may differ, and nothing else.

import { describe, expect, it } from 'vitest';
import { assertUnchanged } from '../../../../backend/engine/sandbox/run-probe.ts';
import type { ProbeReport, ProbeResult } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';

const result: ProbeResult = { id: 'vsock', breaks: 'network', blocked: true, detail: 'EAFNOSUPPORT' };
const report: ProbeReport = {
  driver: 'landlock',
  kernel: '6.18.0',
  landlockAbi: 7,
  profileDigest: '00'.repeat(32),
  nonce: '11'.repeat(32),
  results: [result],
  verdict: 'isolated',
};

describe('a later probe', () => {
  it('may have another nonce', () => {
    expect(() => assertUnchanged({ ...report, nonce: '22'.repeat(32) }, report)).not.toThrow();
  });

  it.each<[string, Partial<ProbeReport>]>([
    ['another driver', { driver: 'none' }],
    ['another kernel', { kernel: '6.18.1' }],
    ['another Landlock', { landlockAbi: 6 }],
    ['another profile', { profileDigest: '01'.repeat(32) }],
    ['another verdict', { verdict: 'not-isolated' }],
    ['an attempt less', { results: [] }],
    ['an attempt more', { results: [result, { ...result, id: 'dns' }] }],
    ['another answer of the kernel', { results: [{ ...result, detail: 'EPERM' }] }],
    ['an open attempt', { results: [{ ...result, blocked: false, detail: 'open' }] }],
    ['a concession', { concedes: ['memory-file'] }],
  ])('may not have found %s', (_, change) => {
    expect(() => assertUnchanged({ ...report, ...change }, report)).toThrow(
      expect.objectContaining({ code: 'sandbox_probe_changed' }),
    );
  });
});
