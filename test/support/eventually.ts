import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;

/**
 * Tries `attempt` until it does not throw, and resolves with what it returned: for what the world does in its own time.
 * The limit is there so that a test fails with the last error and not by Jest's; it is no statement about speed.
 *
 * @param limitMs after which the last error is thrown; default 30 s
 */
export async function eventually<T>(attempt: () => T | Promise<T>, limitMs = 30_000): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(POLL_MS);
  }
}
