/**
 * Work on the same key one after the other, in the order in which it was asked for; other keys are not held up.
 * It spares conflicts within this process; what serialises across processes is `metadata.resourceVersion`.
 */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` when all earlier work on `key` has ended, well or not. Settles as `work` does. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
    this.#last.set(key, ended);
    try {
      await before;
      return await work();
    } finally {
      end(undefined);
      if (this.#last.get(key) === ended) this.#last.delete(key);
    }
  }

  /** Keys with work that runs or waits. */
  get size(): number {
    return this.#last.size;
  }
}
