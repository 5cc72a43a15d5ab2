/** Runnables that start and stop together. */
import { TermControl } from './runnable.ts';
import type { Runnable } from './runnable.ts';

export class Group {
  private readonly runnables: readonly Runnable[];
  private readonly onFailure: (error: Error) => void;
  private readonly term = new TermControl();
  private readonly live = new Map<Runnable, Promise<void>>();

  /** @param onFailure told when one fails: the others go on until `stop` */
  constructor(runnables: readonly Runnable[], onFailure: (error: Error) => void) {
    this.runnables = runnables;
    this.onFailure = onFailure;
  }

  start(): void {
    for (const runnable of this.runnables) {
      const running = (async () => runnable.run(this.term))()
        .catch((error: unknown) => this.onFailure(error instanceof Error ? error : new Error(String(error))))
        .finally(() => this.live.delete(runnable));
      this.live.set(runnable, running);
    }
  }

  /** Tells all to begin nothing new, and resolves when all have ended. */
  async stop(reason: Error): Promise<void> {
    this.term.close(reason);
    await Promise.all(this.live.values());
  }

  /** Tells all to end at once. */
  abort(reason: Error): void {
    this.term.end(reason);
  }

  /** Names of those that have not ended. */
  running(): string[] {
    return [...this.live.keys()].map((runnable) => runnable.name);
  }
}
