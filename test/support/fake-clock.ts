import { sleepOn } from '../../src/runtime/clock.ts';
import type { Cancel, Clock } from '../../src/runtime/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/**
 * A clock that stands still until a test moves it. `advance` runs every timer that falls due, in
 * the order of their times (then of their making), and lets all promises settle after each, so that
 * what one timer causes is there before the next one fires.
 */
export class FakeClock implements Clock {
  private readonly timers = new Set<Timer>();
  private readonly startMs: number;
  private elapsed = 0;
  private made = 0;

  constructor(start = '2026-11-23T10:00:00.000Z') {
    this.startMs = Date.parse(start);
  }

  now(): Date {
    return new Date(this.startMs + this.elapsed);
  }

  monotonic(): number {
    return this.elapsed;
  }

  setTimeout(fn: () => void, ms: number): Cancel {
    const timer: Timer = { at: this.elapsed + Math.max(0, ms), order: this.made++, fn };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** How many timers wait: a test's proof that nothing was left behind. */
  get pending(): number {
    return this.timers.size;
  }

  /** Moves time forward by `ms`, timer by timer. */
  async advance(ms: number): Promise<void> {
    const target = this.elapsed + ms;
    await this.settle();
    for (let timer = this.nextUntil(target); timer; timer = this.nextUntil(target)) {
      this.timers.delete(timer);
      this.elapsed = Math.max(this.elapsed, timer.at);
      timer.fn();
      await this.settle();
    }
    this.elapsed = target;
  }

  /**
   * Jumps without running a timer, as a stopped process or a blocked event loop sees time pass:
   * the timers that fell due in between run late, at the next `advance`.
   */
  freeze(ms: number): void {
    this.elapsed += ms;
  }

  /** Lets everything that is already resolved run to its next wait. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  private nextUntil(target: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.timers) {
      if (timer.at > target) continue;
      if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}
