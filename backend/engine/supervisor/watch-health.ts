// Asks a running engine how it is, again and again, until it has ended or no longer answers.

import type { Engine } from '../engine.ts';
import type { SupervisionClock } from './clock.ts';

/** How often, and how many misses in a row mean that an engine hangs. One check takes 5 s at most (engine-client.ts). */
export interface HealthPolicy {
  readonly everyMilliseconds: number;
  readonly misses: number;
}

/** A hanging engine is ended within half a minute; one that computes answers all the same, because it computes on other threads. */
export const DEFAULT_HEALTH: HealthPolicy = { everyMilliseconds: 5000, misses: 4 };

/** Resolves with what became of the engine; ends nothing itself. */
export async function watchHealth(
  engine: Pick<Engine, 'exited' | 'health'>,
  { everyMilliseconds, misses }: HealthPolicy,
  clock: SupervisionClock,
): Promise<'exited' | 'unhealthy'> {
  let ended = false;
  const exited = engine.exited.then(() => {
    ended = true;
  });
  for (let missed = 0; ; ) {
    await Promise.race([exited, clock.sleep(everyMilliseconds)]);
    if (ended) return 'exited';
    const ready = await Promise.race([
      exited,
      engine.health().then(
        ({ status }) => status === 'ready',
        () => false,
      ),
    ]);
    if (ended) return 'exited';
    missed = ready === true ? 0 : missed + 1;
    if (missed >= misses) return 'unhealthy';
  }
}
