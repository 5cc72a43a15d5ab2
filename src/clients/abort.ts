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
