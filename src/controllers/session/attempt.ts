/** One attempt of a step: bounded in time, even if what it waits for does not listen. */
import { StepTimeoutError } from './steps/step.ts';
import type { Clock } from '../../runtime/clock.ts';

export class Attempt {
  private readonly clock: Clock;
  private readonly limitMs: number;
  private readonly limit = new AbortController();
  private writing: Promise<void> = Promise.resolve();

  constructor(clock: Clock, limitMs: number) {
    this.clock = clock;
    this.limitMs = limitMs;
  }

  /** Ends with the attempt. */
  get signal(): AbortSignal {
    return this.limit.signal;
  }

  /**
   * Waits for `work`, at most to the limit. What goes on beyond it can do nothing any more: its calls are aborted, and
   * all that a step is given refuses (`live`). A write in flight is waited for, so that nobody decides beside it.
   * @throws StepTimeoutError, and what `work` throws
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const cancel = this.clock.setTimeout(() => this.limit.abort(new StepTimeoutError(this.limitMs)), this.limitMs);
    const over = new Promise<never>((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error), { once: true });
    });
    try {
      return await Promise.race([work(), over]);
    } finally {
      cancel();
      await this.writing;
    }
  }

  /** @throws StepTimeoutError once the limit is over */
  live(): void {
    this.signal.throwIfAborted();
  }

  /** A write of the session's status in the middle of the attempt. */
  async write(act: () => Promise<void>): Promise<void> {
    this.live();
    const written = act();
    this.writing = written.catch(() => undefined);
    await written;
    this.live();
  }
}
