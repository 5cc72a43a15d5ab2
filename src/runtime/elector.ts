/**
 * Leader election over a Lease (coordination.k8s.io/v1).
 *
 * A replica counts from what it saw and when by its own monotonic clock; the times in the Lease are
 * never compared. A standby watches the Lease and campaigns the moment it is released or has not
 * changed for its duration. A leader that cannot renew for 10 s of the 15 s gives up by itself, ends
 * its work, and campaigns again: the process does not exit.
 */
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Clock } from './clock.ts';
import { LeaseClient } from './lease-client.ts';
import { EFFECT_ABORT_MARGIN_MS, LeadershipLostError, LeaseValidity } from './leadership.ts';
import type { Leadership } from './leadership.ts';
import { TermControl } from './runnable.ts';
import type { Term } from './runnable.ts';

export interface ElectorOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Where the Lease is, and what it is called. */
  readonly namespace: string;
  readonly name: string;
  /** Unique among all processes that campaign, restarts included. */
  readonly identity: string;
  /** After so long without a renewal others may take the lease, in milliseconds (whole seconds). @default 15_000 */
  readonly leaseDurationMs?: number;
  /** A leader that has not renewed for so long gives up. @default 10_000 */
  readonly renewDeadlineMs?: number;
  /** Pause between renewals, and between polls while the watch is away. @default 5_000 */
  readonly retryPeriodMs?: number;
}

/** The work of a term: resolves once `term.closing` has aborted and nothing of it is left running. */
export type Lead = (term: Term) => Promise<void>;

export class Elector {
  readonly leadership: Leadership;
  private readonly validity: LeaseValidity;
  private readonly lease: LeaseClient;
  private readonly options: ElectorOptions;
  private readonly leaseDurationMs: number;
  private readonly renewDeadlineMs: number;
  private readonly retryPeriodMs: number;

  constructor(options: ElectorOptions) {
    const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 5_000 } = options;
    if (retryPeriodMs >= renewDeadlineMs) {
      throw new RangeError(`the renew deadline (${renewDeadlineMs} ms) must be longer than the retry period (${retryPeriodMs} ms)`);
    }
    // Else effects would be broken off while the leader still believes that it leads.
    if (leaseDurationMs - renewDeadlineMs < EFFECT_ABORT_MARGIN_MS) {
      throw new RangeError(`the lease (${leaseDurationMs} ms) must be at least ${EFFECT_ABORT_MARGIN_MS} ms longer than the renew deadline (${renewDeadlineMs} ms)`);
    }
    this.options = options;
    this.leaseDurationMs = leaseDurationMs;
    this.renewDeadlineMs = renewDeadlineMs;
    this.retryPeriodMs = retryPeriodMs;
    this.lease = new LeaseClient({ ...options, durationMs: leaseDurationMs });
    this.validity = new LeaseValidity(options.clock);
    this.leadership = this.validity;
    options.metrics.leader.set(0);
    for (const change of ['gained', 'lost', 'released']) options.metrics.leaderTransitions.inc({ change }, 0);
  }

  /** Who leads, by our last sight. */
  get leader(): string | undefined {
    return this.lease.holder;
  }

  /**
   * Campaigns and leads, term after term, until `term.closing` aborts. The lease is then released, but
   * only after the work of the last term has ended.
   * @throws what `lead` rejects with
   */
  async run(term: Term, lead: Lead): Promise<void> {
    while (!term.closing.aborted) {
      const since = await this.campaign(term.closing);
      if (since !== undefined) await this.reign(since, term, lead);
    }
  }

  /** Resolves with the moment from which the lease is ours, or undefined when told to stop. */
  private async campaign(closing: AbortSignal): Promise<number | undefined> {
    const { log, clock } = this.options;
    while (!closing.aborted) {
      try {
        const since = await this.lease.hold({ signal: closing, timeoutMs: this.retryPeriodMs });
        if (since !== undefined) return since;
        await this.standBy(closing);
      } catch (error) {
        if (isAborted(closing)) break;
        log.warn({ error }, 'the lease cannot be reached; campaigning again');
        await clock.sleep(this.retryPeriodMs, closing).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** Waits until the lease may be taken. */
  private async standBy(closing: AbortSignal): Promise<void> {
    const { clock } = this.options;
    const stopFollowing = new AbortController();
    let wait = new AbortController();
    const look = (): void => wait.abort();
    closing.addEventListener('abort', look, { once: true });
    const following = this.follow(stopFollowing.signal, look);
    try {
      while (!closing.aborted && this.lease.freeIn() > 0) {
        wait = new AbortController();
        await clock.sleep(this.lease.freeIn(), wait.signal).catch(() => undefined);
      }
    } finally {
      closing.removeEventListener('abort', look);
      stopFollowing.abort(new Error('the wait for the lease is over'));
      await following;
    }
  }

  /** Watches the lease, and polls it where the watch fails. Never rejects. */
  private async follow(signal: AbortSignal, changed: () => void): Promise<void> {
    const { clock, log } = this.options;
    while (!signal.aborted) {
      try {
        await this.lease.follow(signal, changed);
      } catch (error) {
        if (!isAborted(signal)) log.debug({ error }, 'the watch of the lease ended');
      }
      try {
        await clock.sleep(this.retryPeriodMs, signal);
        await this.lease.refresh({ signal, timeoutMs: this.retryPeriodMs });
        changed();
      } catch (error) {
        if (!isAborted(signal)) log.debug({ error }, 'the lease could not be read');
      }
    }
  }

  /** One term: leads for as long as the lease can be renewed. */
  private async reign(since: number, term: Term, lead: Lead): Promise<void> {
    const { log, metrics } = this.options;
    this.validity.extend(since + this.leaseDurationMs);
    metrics.leader.set(1);
    metrics.leaderTransitions.inc({ change: 'gained' });
    log.info({ identity: this.options.identity }, 'leading');
    const reign = new TermControl();
    const unlink = linkTerm(term, reign);
    const stopRenewing = new AbortController();
    // What fails is thrown where the term has been wound up, not before.
    const work = lead(reign).then(() => undefined, (error: unknown) => ({ error }));
    const renewals = this.renewUntilLost(since, stopRenewing.signal);
    try {
      const lost = await Promise.race([renewals, work.then(() => undefined)]);
      if (lost !== undefined) {
        this.validity.revoke(lost);
        metrics.leader.set(0);
        metrics.leaderTransitions.inc({ change: 'lost' });
        log.warn({ reason: lost }, 'leadership lost; ending its work');
        reign.end(new LeadershipLostError(`leadership lost: ${lost}`));
      }
      const failure = await work;
      stopRenewing.abort(new Error('the work of the term has ended'));
      await renewals;
      if (lost === undefined) await this.release();
      if (failure) throw failure.error;
    } finally {
      unlink();
    }
  }

  /** Renews the lease; resolves with why it was lost, or undefined when told to stop. */
  private async renewUntilLost(since: number, stop: AbortSignal): Promise<string | undefined> {
    const { clock, log, metrics } = this.options;
    let renewedAt = since;
    let pause = this.retryPeriodMs;
    for (;;) {
      const left = (): number => renewedAt + this.renewDeadlineMs - clock.monotonic();
      await clock.sleep(Math.min(pause, left()), stop).catch(() => undefined);
      if (stop.aborted) return undefined;
      if (left() <= 0) return `it could not be renewed for ${this.renewDeadlineMs} ms`;
      try {
        const held = await this.lease.hold({ signal: stop, timeoutMs: Math.min(this.retryPeriodMs / 2, left()) });
        metrics.leaseRenewals.inc({ result: held === undefined ? 'taken' : 'renewed' });
        if (held === undefined) return `${this.leader ?? 'another replica'} has taken it`;
        renewedAt = held;
        this.validity.extend(held + this.leaseDurationMs);
        pause = this.retryPeriodMs;
      } catch (error) {
        if (isAborted(stop)) return undefined;
        metrics.leaseRenewals.inc({ result: 'failed' });
        log.warn({ error, leftMs: Math.round(left()) }, 'the lease could not be renewed; trying again');
        pause = this.retryPeriodMs / 5;
      }
    }
  }

  private async release(): Promise<void> {
    const { log, metrics } = this.options;
    this.validity.revoke('released');
    metrics.leader.set(0);
    metrics.leaderTransitions.inc({ change: 'released' });
    try {
      await this.lease.release({ signal: AbortSignal.timeout(this.retryPeriodMs), timeoutMs: this.retryPeriodMs / 2 });
      log.info('the lease is released');
    } catch (error) {
      log.warn({ error }, 'the lease could not be released; others have to wait for its end');
    }
  }
}

/** Asked anew after a wait, which TypeScript does not take into account for the property itself. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Passes the endings of `outer` on to `inner`. @returns what ends that */
function linkTerm(outer: Term, inner: TermControl): () => void {
  const close = (): void => inner.close(outer.closing.reason as Error);
  const end = (): void => inner.end(outer.ended.reason as Error);
  if (outer.closing.aborted) close();
  if (outer.ended.aborted) end();
  outer.closing.addEventListener('abort', close, { once: true });
  outer.ended.addEventListener('abort', end, { once: true });
  return () => {
    outer.closing.removeEventListener('abort', close);
    outer.ended.removeEventListener('abort', end);
  };
}
