/**
 * Time as an argument: whatever waits or measures takes a Clock, so that tests step it.
 *
 * `now()` is for people and for the API (timestamps); it may jump. `monotonic()` is for durations
 * and deadlines, leases above all: it never jumps, but means nothing outside of this process.
 */

/** Ends a pending timer; harmless once it has fired. */
export type Cancel = () => void;

export interface Clock {
  /** Wall-clock time. */
  now(): Date;
  /** Milliseconds since some fixed moment of this process; never goes backwards. */
  monotonic(): number;
  /** Runs `fn` once after `ms` milliseconds (any length; below 0 counts as 0). */
  setTimeout(fn: () => void, ms: number): Cancel;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node keeps delays in 31 bits and fires longer ones at once: a session booked for next month would spin. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function setLongTimeout(fn: () => void, ms: number): Cancel {
  let timer: NodeJS.Timeout;
  const arm = (left: number): void => {
    timer = left > LONGEST_TIMER_MS
      ? setTimeout(() => arm(left - LONGEST_TIMER_MS), LONGEST_TIMER_MS)
      : setTimeout(fn, Math.max(0, left));
  };
  arm(ms);
  return () => clearTimeout(timer);
}

/** `sleep` in terms of any clock's timers: one implementation for the real and the fake clock. */
export function sleepOn(clock: Pick<Clock, 'setTimeout'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** The clock of the running program. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  setTimeout: setLongTimeout,
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};
