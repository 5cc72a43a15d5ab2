/** Counters on Workers and LabletDefinitions are for people: they are written at most once in 5 s for each object. */
import type { Clock } from '../runtime/clock.ts';

const PAUSE_MS = 5_000;

export class CounterPace {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly writtenAt = new Map<string, number>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
  }

  /** In how many milliseconds counters alone are worth a write of the object; 0: now. Any other change takes them along at once. */
  waitMs(uid: string): number {
    const at = this.writtenAt.get(uid);
    return at === undefined ? 0 : Math.max(0, at + PAUSE_MS - this.clock.monotonic());
  }

  /** The status of the object was written just now. */
  wrote(uid: string): void {
    this.writtenAt.set(uid, this.clock.monotonic());
  }

  forget(uid: string): void {
    this.writtenAt.delete(uid);
  }
}
