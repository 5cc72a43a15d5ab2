/**
 * Settles as `work` does, or rejects with the signal's reason as soon as it is aborted. The work itself goes on:
 * this is for waits (a queue, a pause, somebody else's login) that take no signal or share one.
 */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(reasonOf(signal));
    };
  });
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Why the signal was aborted. Its type is unknown to the platform; whoever aborts in this program gives an Error. */
export function reasonOf(signal: AbortSignal): Error {
  return signal.reason as Error;
}

/**
 * Runs `work` with a signal that fires with `outer`, or after `ms`; settles as the work does.
 * Not cockatiel's timeout policy: that aborts its signal at the end of every call, also of one that went well, and the
 * DOMException with its stack was 2 % of the controller's CPU.
 */
export async function withTimeLimit<T>(ms: number, outer: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController();
  const stop = (): void => { limit.abort(outer.reason); };
  if (outer.aborted) stop();
  outer.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => { limit.abort(new Error(`no answer within ${ms} ms`)); }, ms);
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', stop);
  }
}
