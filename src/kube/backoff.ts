/** Waiting: how long after which failure, and how to stop waiting. */
import { setTimeout as delay } from 'node:timers/promises';

export interface BackoffOptions {
  /** First delay in milliseconds. */
  baseMs: number;
  /** Upper bound of the delay before jitter, in milliseconds. */
  maxMs: number;
  /** Growth per failure. @default 2 */
  factor?: number;
  /** Share of the delay that is added at random, so that clients of a restarted server do not come back in step. @default 1 */
  jitter?: number;
}

/** Delay in milliseconds before the attempt that follows `failures` (≥ 1) failures in a row. `random` is in [0, 1). */
export function backoffMs(failures: number, options: BackoffOptions, random: number): number {
  const { baseMs, maxMs, factor = 2, jitter = 1 } = options;
  const flat = Math.min(maxMs, baseMs * factor ** (Math.max(1, failures) - 1));
  return flat * (1 + jitter * random);
}

/** Waits. @throws the signal's reason as soon as it is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
