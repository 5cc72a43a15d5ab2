import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until a condition holds. The time limit is there to fail with a sentence instead of hanging; it says nothing about speed.
 *
 * @param what the end of "not in time: …", e.g. `the cache has the ConfigMap`
 * @param limitMs default 4 s, below the limit of a unit test
 */
export async function until(what: string, holds: () => boolean, limitMs = 4000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await delay(5);
  }
}
