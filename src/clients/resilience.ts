import {
  ConsecutiveBreaker,
  DelegateBackoff,
  bulkhead,
  circuitBreaker,
  handleWhen,
  noop,
  retry,
} from 'cockatiel';
import type { BulkheadPolicy, CircuitBreakerPolicy, IRetryBackoffContext, RetryPolicy } from 'cockatiel';
import { orAbort, withTimeLimit } from './abort.ts';
import { ExternalError } from './errors.ts';

export { BrokenCircuitError, BulkheadRejectedError } from 'cockatiel';

export interface ResilienceOptions {
  /** Calls in flight to one host. @default 8 */
  readonly concurrency: number;
  /** Calls that may wait for their turn; one more is refused at once. @default 256 */
  readonly queue: number;
  /** Tries after the first, for calls that may be repeated. @default 2 */
  readonly retries: number;
  /** The pause before the n-th retry is half to all of this × 2ⁿ⁻¹, in milliseconds. @default 250 */
  readonly retryBaseMs: number;
  /** The longest pause; a Retry-After beyond it ends the retries and is left to the caller. @default 10000 */
  readonly retryMaxMs: number;
  /** Failures in a row after which the host is left alone. @default 5 */
  readonly breakerFailures: number;
  /** Time until one probing call is let through, in milliseconds. @default 15000 */
  readonly breakerOpenMs: number;
}

export const RESILIENCE_DEFAULTS: ResilienceOptions = {
  concurrency: 8,
  queue: 256,
  retries: 2,
  retryBaseMs: 250,
  retryMaxMs: 10_000,
  breakerFailures: 5,
  breakerOpenMs: 15_000,
};

/**
 * Stands before one host: retries around a concurrency limit around a circuit breaker around a time-out. The
 * breaker is innermost of the first three, so that calls that wait in the queue fail at once when it opens,
 * and a call that pauses between tries holds no slot.
 */
export class HostGuard {
  readonly #retry: RetryPolicy;
  readonly #bulkhead: BulkheadPolicy;
  readonly #breaker: CircuitBreakerPolicy;

  constructor(options: ResilienceOptions) {
    this.#bulkhead = bulkhead(options.concurrency, options.queue);
    this.#breaker = circuitBreaker(handleWhen(blamesHost), {
      breaker: new ConsecutiveBreaker(options.breakerFailures),
      halfOpenAfter: options.breakerOpenMs,
    });
    this.#retry = retry(
      handleWhen((error) => isTransient(error) && (error.retryAfterMs ?? 0) <= options.retryMaxMs),
      { maxAttempts: options.retries, backoff: new DelegateBackoff((context: IRetryBackoffContext<unknown>) => pause(context, options)) },
    );
  }

  /**
   * Runs `attempt` once, or again after transient failures if it is `repeatable`. The attempt gets a signal that
   * fires at `timeoutMs` of its own time (waiting for a slot does not count) and with `signal`. A `probe` is made once,
   * whatever the circuit breaker thinks of the host, and tells it nothing: else a host that comes up would be found
   * only when the breaker lets a call through.
   * @throws what the last attempt threw; BrokenCircuitError, BulkheadRejectedError: not attempted; the reason of `signal`.
   */
  run<T>(
    attempt: (signal: AbortSignal) => Promise<T>,
    options: { readonly repeatable: boolean; readonly probe?: boolean; readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<T> {
    const { signal } = options;
    const alone = (): Promise<T> => withTimeLimit(options.timeoutMs, signal, attempt);
    if (options.probe === true) return orAbort(this.#bulkhead.execute(alone, signal), signal);
    const once = (): Promise<T> =>
      this.#bulkhead.execute(() => this.#breaker.execute(alone, signal), signal);
    const tries = options.repeatable ? this.#retry : noop;
    return orAbort(tries.execute(once, signal), signal);
  }
}

/** Failures that a second try may not see. */
function isTransient(error: unknown): error is ExternalError {
  return error instanceof ExternalError && (error.kind === 'unavailable' || error.kind === 'timeout' || error.kind === 'outcomeUnknown');
}

/** Failures that speak against the host as a whole. A 429 is the answer of a host that is well and asks for patience. */
function blamesHost(error: unknown): boolean {
  return isTransient(error) && error.status !== 429;
}

/** Half to all of the exponential delay, and never before the time that the host asked for. */
function pause({ attempt, result }: IRetryBackoffContext<unknown>, options: ResilienceOptions): number {
  const full = Math.min(options.retryMaxMs, options.retryBaseMs * 2 ** (attempt - 1));
  const jittered = full * (0.5 + Math.random() / 2);
  const asked = 'error' in result && result.error instanceof ExternalError ? (result.error.retryAfterMs ?? 0) : 0;
  return Math.max(jittered, asked);
}

