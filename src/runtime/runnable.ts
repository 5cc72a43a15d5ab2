/** The one shape of everything that runs for as long as the program, or as one term of leadership, does. */

/** How a runnable is told to end. `ended` implies `closing`. */
export interface Term {
  /** Aborts when no new work is to be begun: finish what is begun, then return. */
  readonly closing: AbortSignal;
  /** Aborts when there is no time left, or no right to go on (the lease is lost): drop everything and return. */
  readonly ended: AbortSignal;
}

/**
 * Guarantee: when the promise of `run` resolves, nothing of it is left running. It rejects only for
 * a defect that should stop the program.
 */
export interface Runnable {
  /** For the log, and for the error that names what did not stop in time. */
  readonly name: string;
  run(term: Term): Promise<void>;
}

/** The hand that ends a term. */
export class TermControl implements Term {
  private readonly closingControl = new AbortController();
  private readonly endedControl = new AbortController();
  readonly closing = this.closingControl.signal;
  readonly ended = this.endedControl.signal;

  /** Begin nothing new. */
  close(reason: Error): void {
    this.closingControl.abort(reason);
  }

  /** Stop at once. */
  end(reason: Error): void {
    this.close(reason);
    this.endedControl.abort(reason);
  }
}

/** Resolves when `signal` aborts (at once if it has). */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
