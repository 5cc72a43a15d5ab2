/**
 * How one pass over one object ends. There are four endings and no other:
 * `done()`, `after(ms, why)`, a thrown RetryableError, a thrown TerminalError.
 * A ConflictError or NotFoundError of the API server is the everyday case of the third (somebody wrote
 * first, or the object is gone: look again), and any other thrown value is a defect, retried like the third but counted apart.
 */

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'after'; readonly ms: number; readonly why: string };

/** Nothing more to do until the object, or something it depends on, changes. */
export function done(): Outcome {
  return { kind: 'done' };
}

/**
 * Look again in `ms` milliseconds at the latest, `why` being what is waited for (it goes to the log).
 * A planned wait, not a failure: it clears the failure count of the key.
 */
export function after(ms: number, why: string): Outcome {
  return { kind: 'after', ms: Math.max(0, ms), why };
}

/** The outcome that asks to come back first; `done()` if none asks. */
export function soonest(...outcomes: readonly Outcome[]): Outcome {
  return outcomes.reduce((best, next) => {
    if (next.kind === 'done') return best;
    return best.kind === 'done' || next.ms < best.ms ? next : best;
  }, done());
}

/** Thrown when trying again may help (a service is away, a limit is hit): retried with growing delay. */
export class RetryableError extends Error {
  /** Wait at least so long, in milliseconds: what the other side asked for (Retry-After). */
  readonly retryAfterMs: number;

  constructor(message: string, options: ErrorOptions & { retryAfterMs?: number } = {}) {
    super(message, options);
    this.name = 'RetryableError';
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** Thrown when trying again cannot help: the key rests until its object changes. */
export class TerminalError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TerminalError';
  }
}
