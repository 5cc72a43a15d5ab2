/** One answered (or dropped) call to a simulator. */
export interface Call {
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** HTTP status of the answer; null when the connection ended without one. */
  readonly status: number | null;
}

const KEPT = 5_000;

/** What was asked of a simulator: the newest calls, and counters over all of them. */
export class Journal {
  #calls: Call[] = [];
  readonly #counters = new Map<string, number>();

  /** Remembers one call. `counter` is the route as a pattern, such as `PUT /labs/:lab/start`. */
  record(call: Call, counter: string): void {
    this.#calls.push(call);
    if (this.#calls.length > 2 * KEPT) this.#calls = this.#calls.slice(-KEPT);
    this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + 1);
  }

  /** The newest calls, oldest first, whose `METHOD path` contains `text`. */
  calls(text = ''): Call[] {
    return this.#calls.slice(-KEPT).filter((call) => `${call.method} ${call.path}`.includes(text));
  }

  /** Calls per route pattern since the start or the last reset. */
  counters(): Record<string, number> {
    return Object.fromEntries([...this.#counters].sort(([left], [right]) => left.localeCompare(right)));
  }

  clear(): void {
    this.#calls = [];
    this.#counters.clear();
  }
}
