// The cadence follows the engine's speed as earlier streams showed it.

import { describe, expect, it } from 'vitest';
import { EngineCadence } from '../../../backend/adapter/engine-cadence.ts';
import { DEFAULT_PADDING } from '../../../backend/adapter/padding-policy.ts';

const POLICY = { ...DEFAULT_PADDING, tickMilliseconds: 100, usualOctets: 1024 };

describe('the cadence of an engine', () => {
  it('is that of the policy until a stream has ended, and for fast engines', () => {
    const cadence = new EngineCadence();
    expect(cadence.tickMilliseconds(POLICY)).toBe(100);
    cadence.streamEnded(100_000, 1000);
    expect(cadence.tickMilliseconds(POLICY)).toBe(100);
  });

  it('fits a usual tick to a slow engine, up to ten times', () => {
    const cadence = new EngineCadence();
    cadence.streamEnded(2560, 1000);
    expect(cadence.tickMilliseconds(POLICY)).toBe(400);
    for (let i = 0; i < 50; i++) cadence.streamEnded(2560, 60_000);
    expect(cadence.tickMilliseconds(POLICY)).toBe(1000);
  });

  it('learns nothing from short streams, and little from each', () => {
    const cadence = new EngineCadence();
    cadence.streamEnded(10_240, 1000);
    cadence.streamEnded(300, 60_000);
    cadence.streamEnded(5000, 0);
    cadence.streamEnded(5120, 1000);
    expect(cadence.tickMilliseconds(POLICY)).toBe(100);
  });
});
