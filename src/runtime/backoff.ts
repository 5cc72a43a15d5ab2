/** Growing delays per key after failures, as client-go's item exponential failure rate limiter. */
export interface BackoffOptions {
  /** The delay after the first failure, in milliseconds. @default 5 */
  readonly baseMs?: number;
  /** Each further failure multiplies the delay by this. @default 2 */
  readonly factor?: number;
  /** The longest delay, in milliseconds. @default 60_000 */
  readonly maxMs?: number;
}

export class KeyBackoff {
  private readonly failures = new Map<string, number>();
  private readonly baseMs: number;
  private readonly factor: number;
  private readonly maxMs: number;

  constructor({ baseMs = 5, factor = 2, maxMs = 60_000 }: BackoffOptions = {}) {
    this.baseMs = baseMs;
    this.factor = factor;
    this.maxMs = maxMs;
  }

  /** Counts one more failure of `key` and returns how long to wait, in milliseconds. */
  next(key: string): number {
    const failed = this.failures.get(key) ?? 0;
    this.failures.set(key, failed + 1);
    return Math.min(this.maxMs, this.baseMs * this.factor ** failed);
  }

  /** How often `key` has failed since it was last forgotten. */
  count(key: string): number {
    return this.failures.get(key) ?? 0;
  }

  /** `key` went well: its next failure starts from the base delay. Keys that are gone cost nothing. */
  forget(key: string): void {
    this.failures.delete(key);
  }
}
