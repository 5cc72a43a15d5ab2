/**
 * What holding the lease allows, by the monotonic clock of this process.
 *
 * A lease is no fence: the API server, a CML host or EC2 does not know who leads. So a leader counts
 * from the moment *before* it sent its last successful renewal, which is earlier than any moment at
 * which another replica can have seen it, and keeps away from the end: it begins an outside effect
 * only with 5 s to go, and breaks it off with 2 s to go.
 */
import type { Cancel, Clock } from './clock.ts';

/** Thrown where an effect would need the lease. The pass ends; the leader to come does the work. */
export class NotLeaderError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NotLeaderError';
  }
}

/** Reason of the abort signals of a term that is over: what was in flight has an unknown outcome. */
export class LeadershipLostError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LeadershipLostError';
  }
}

/** What controllers and the emitter see of the election. */
export interface Leadership {
  /** Whether the lease is ours and still valid. */
  isLeader(): boolean;
  /**
   * The right to begin one outside effect: pass the signal to its call. It aborts when less than 2 s
   * of the lease are left without a renewal, or when the lease is lost; the outcome of an aborted
   * call is unknown.
   * @param minRemainingMs the lease must be valid for so long yet @default 5000
   * @param pass the signal of the pass: the effect ends with it as well
   * @throws NotLeaderError
   */
  effectSignal(minRemainingMs?: number, pass?: AbortSignal): AbortSignal;
}

const EFFECT_BEGIN_MARGIN_MS = 5_000;
export const EFFECT_ABORT_MARGIN_MS = 2_000;

/** The elector's end of Leadership. One grant, any number of renewals, one revocation; then again. */
export class LeaseValidity implements Leadership {
  private readonly clock: Clock;
  private readonly abortMarginMs: number;
  private validUntil = -Infinity;
  private effects: AbortController | undefined;
  private cancelAlarm: Cancel = () => undefined;

  constructor(clock: Clock, abortMarginMs = EFFECT_ABORT_MARGIN_MS) {
    this.clock = clock;
    this.abortMarginMs = abortMarginMs;
  }

  /** The lease is ours until the monotonic moment `validUntil`. Starts a term, or prolongs it. */
  extend(validUntil: number): void {
    this.effects ??= new AbortController();
    this.validUntil = Math.max(this.validUntil, validUntil);
    this.cancelAlarm();
    this.cancelAlarm = this.clock.setTimeout(
      () => this.revoke('the lease ran out without a renewal'),
      this.validUntil - this.abortMarginMs - this.clock.monotonic(),
    );
  }

  /** The term is over, for the reason `why`. Effects in flight are aborted. */
  revoke(why: string): void {
    this.cancelAlarm();
    this.validUntil = -Infinity;
    const effects = this.effects;
    this.effects = undefined;
    effects?.abort(new LeadershipLostError(`leadership lost: ${why}`));
  }

  isLeader(): boolean {
    return this.remainingMs() > 0;
  }

  effectSignal(minRemainingMs = EFFECT_BEGIN_MARGIN_MS, pass?: AbortSignal): AbortSignal {
    const remaining = this.remainingMs();
    if (!this.effects || remaining <= 0) throw new NotLeaderError('this replica does not hold the lease');
    if (remaining < minRemainingMs) {
      throw new NotLeaderError(`the lease is valid for ${Math.floor(remaining)} ms more, an effect needs ${minRemainingMs} ms`);
    }
    return pass ? AbortSignal.any([this.effects.signal, pass]) : this.effects.signal;
  }

  private remainingMs(): number {
    return this.validUntil - this.clock.monotonic();
  }
}
