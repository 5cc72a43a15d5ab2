/** Which failures are tried again: a read whenever it may help, a write only when it was surely not processed. */
import { backoffMs, sleep, type BackoffOptions } from './backoff.ts';
import { ServerUnavailableError, TooManyRequestsError, TransportError } from './errors.ts';

export interface RetryOptions {
  /** Attempts after the first. @default 4 */
  retries?: number;
  /** @default 200 ms, doubled up to 5 s, jitter 1 */
  backoff?: BackoffOptions;
}

/** Longest `Retry-After` that a call waits for; the error goes to the caller if the server asks for more. */
const MAX_RETRY_AFTER_MS = 30_000;

/**
 * Milliseconds to wait before trying again, or undefined if this failure is final.
 * @param failures failed attempts so far, this one included.
 */
function retryDelayMs(kind: 'read' | 'write', error: unknown, failures: number, options: RetryOptions, random: number): number | undefined {
  const { retries = 4, backoff = { baseMs: 200, maxMs: 5000 } } = options;
  if (failures > retries) return undefined;
  const delay = backoffMs(failures, backoff, random);
  if (error instanceof TooManyRequestsError || (kind === 'read' && error instanceof ServerUnavailableError)) {
    const asked = error.retryAfterMs ?? 0;
    return asked > MAX_RETRY_AFTER_MS ? undefined : Math.max(asked, delay);
  }
  if (error instanceof TransportError) return kind === 'read' || error.outcome === 'not-sent' ? delay : undefined;
  return undefined;
}

/** Runs an attempt until it succeeds, fails for good, or the signal is aborted. */
export async function retrying<R>(
  kind: 'read' | 'write',
  options: RetryOptions,
  signal: AbortSignal | undefined,
  onRetry: () => void,
  attempt: () => Promise<R>,
): Promise<R> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      const wait = signal?.aborted === true ? undefined : retryDelayMs(kind, error, failures, options, Math.random());
      if (wait === undefined) throw error;
      onRetry();
      await sleep(wait, signal);
    }
  }
}
