// The isolation of a deployment: what parses, and what each refusal says.

import { describe, expect, it } from 'vitest';
import { readShape } from '../../../shared/bytes/shape.ts';
import { isolationShape } from '../../../shared/manifest/isolation.ts';

const read = (value: unknown) => readShape(isolationShape, value);
const perTenant = { mode: 'per-tenant', by: 'session', engines: 4, idle_seconds: 300 };
const singleUse = { mode: 'single-use', spares: 2, engines: 4, linger_seconds: 0 };

describe('isolation', () => {
  it.each(['shared', perTenant, { ...perTenant, by: 'account' }, singleUse])('takes %j', (value) => {
    expect(read(value)).toEqual({ ok: true, value });
  });

  it.each([
    ['none', ': must be "shared" or an object with a mode'],
    [null, ': must be an object'],
    [{ mode: 'none' }, 'mode: must be "per-tenant"'],
    [{ ...perTenant, by: 'address' }, 'by: must be "session" or "account"'],
    [{ ...perTenant, engines: 0 }, 'engines: must be a whole number from 1 to 1024'],
    [{ ...perTenant, idle_seconds: 0 }, 'idle_seconds: must be a whole number from 1 to 86400'],
    [{ ...perTenant, spares: 1 }, 'spares: unknown member'],
    [{ ...singleUse, by: 'session' }, 'by: unknown member'],
    [{ ...singleUse, spares: 5 }, ': has more spares than engines'],
    [{ ...singleUse, linger_seconds: undefined }, 'linger_seconds: must be a whole number from 0 to 86400'],
  ])('refuses %j', (value, expected) => {
    const result = read(value);
    if (result.ok) throw new Error('was taken');
    expect(result.problems.map(({ path, message }) => `${path}: ${message}`)).toContain(expected);
  });
});
