/** One pass over one object: bounded in time, abortable, and always ending in a value, never in a throw. */
import { ConflictError, NotFoundError, ServerUnavailableError, TooManyRequestsError, TransportError } from '../kube/errors.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Clock } from './clock.ts';
import { NotLeaderError } from './leadership.ts';
import { RetryableError, TerminalError } from './result.ts';
import type { Outcome } from './result.ts';

/** What a pass is given beside its key. */
export interface PassContext {
  /** Hand it to every call. Aborts when the pass has run for too long, and when the term is over. */
  readonly signal: AbortSignal;
  /** Carries controller, key and reconcileId; add session, uid and phase with `log.child`. */
  readonly log: Logger;
  /** Names this pass in every line it logs. */
  readonly reconcileId: string;
}

/** The reconciler: brings the world of the object `key` one step nearer to what it should be. Must be idempotent. */
export type Reconcile = (key: string, context: PassContext) => Promise<Outcome>;

/** How a pass ended; `result` is also the label of the metric. */
export type Ending =
  | { readonly result: 'done' }
  | { readonly result: 'after'; readonly ms: number; readonly why: string }
  | { readonly result: 'retry' | 'conflict' | 'timeout' | 'error'; readonly error: unknown; readonly atLeastMs: number }
  | { readonly result: 'terminal' | 'aborted'; readonly error: unknown };

export const PASS_RESULTS = ['done', 'after', 'conflict', 'retry', 'terminal', 'timeout', 'error', 'aborted'] as const satisfies readonly Ending['result'][];

/** Reason of the abort of a pass that took too long. */
class PassTimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(`the pass did not end within ${timeoutMs} ms`);
    this.name = 'PassTimeoutError';
  }
}

export interface PassOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Aborts when the term is over. */
  readonly ended: AbortSignal;
  readonly log: Logger;
  readonly reconcileId: string;
}

/**
 * Runs `reconcile` over `key`. The pass is asked to stop by its signal, and waited for even if it
 * does not listen: a second pass over the same key must not begin while this one still acts.
 */
export async function runPass(reconcile: Reconcile, key: string, options: PassOptions): Promise<Ending> {
  const { clock, timeoutMs, ended, log, reconcileId } = options;
  // A controller of our own and not AbortSignal.any: it leaves nothing behind on the term's long-lived signal.
  const abort = new AbortController();
  const onEnded = (): void => abort.abort(ended.reason);
  const cancelTimeout = clock.setTimeout(() => abort.abort(new PassTimeoutError(timeoutMs)), timeoutMs);
  ended.addEventListener('abort', onEnded, { once: true });
  try {
    if (ended.aborted) throw ended.reason;
    const outcome = await reconcile(key, { signal: abort.signal, log, reconcileId });
    return outcome.kind === 'done' ? { result: 'done' } : { result: 'after', ms: outcome.ms, why: outcome.why };
  } catch (error) {
    return endingOf(error, abort.signal.aborted ? abort.signal.reason : undefined);
  } finally {
    cancelTimeout();
    ended.removeEventListener('abort', onEnded);
  }
}

/** What a thrown value means; `abortReason` is why the pass had been asked to stop, if it had. */
function endingOf(error: unknown, abortReason: unknown): Ending {
  if (abortReason instanceof PassTimeoutError) return { result: 'timeout', error: abortReason, atLeastMs: 0 };
  if (abortReason !== undefined) return { result: 'aborted', error: abortReason };
  if (error instanceof NotLeaderError) return { result: 'retry', error, atLeastMs: 1_000 };
  // What the pass was decided on has moved on, or is gone: the next pass begins with what there is now.
  if (error instanceof ConflictError || error instanceof NotFoundError) return { result: 'conflict', error, atLeastMs: 0 };
  if (error instanceof TerminalError) return { result: 'terminal', error };
  if (error instanceof RetryableError) return { result: 'retry', error, atLeastMs: error.retryAfterMs };
  if (error instanceof TooManyRequestsError || error instanceof ServerUnavailableError) {
    return { result: 'retry', error, atLeastMs: error.retryAfterMs ?? 0 };
  }
  if (error instanceof TransportError) return { result: 'retry', error, atLeastMs: 0 };
  return { result: 'error', error, atLeastMs: 0 };
}
