import { expect, it } from 'vitest';
import { type Policy, PolicyError, parsePolicy } from '../../../shared/verifier/policy.ts';

const policy: Policy = {
  version: 1,
  manifest: { pin: 'digest', digest: 'A'.repeat(43) },
  roots: { hardware: true, simulated: ['00'.repeat(32)] },
  require_post_quantum: true,
  require_result: true,
  accept_milan: false,
};

const problems = (value: unknown): readonly string[] => {
  try {
    parsePolicy(value);
    return [];
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    expect(error.code).toBe('policy_malformed');
    return error.problems.map(({ path }) => path);
  }
};

it('reads a policy from parsed JSON', () => {
  expect(parsePolicy(JSON.parse(JSON.stringify(policy)))).toEqual(policy);
});

it('lets nothing be left out or added', () => {
  for (const name of Object.keys(policy)) {
    const { [name as keyof Policy]: _, ...rest } = policy;
    expect(problems(rest)).toEqual([name]);
  }
  expect(problems({ ...policy, allow: true, roots: { hardware: true } })).toEqual([
    'allow',
    'roots.simulated',
  ]);
  for (const value of [null, undefined, [], 'x', 1]) expect(problems(value)).toEqual(['']);
});

it('refuses a digest of another length or with a second spelling', () => {
  for (const digest of ['', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}B`, `${'A'.repeat(42)}=`])
    expect(problems({ ...policy, manifest: { pin: 'digest', digest } })).toEqual(['manifest.digest']);
});
