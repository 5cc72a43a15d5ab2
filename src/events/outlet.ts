/**
 * Delivers the outboxes of all objects to one sink: per object oldest first and one at a time, across objects in
 * parallel. It knows what its sink has settled, that is accepted or given up; it writes nothing to the API server.
 */
import { BrokenCircuitError, circuitBreaker, ConsecutiveBreaker, ExponentialBackoff, handleWhenResult } from 'cockatiel';
import { isForSinks, OUTBOX_ENTRY_MAX_BYTES, OUTBOX_MAX_BYTES, OUTBOX_MAX_ENTRIES } from '../api/outbox.ts';
import { WorkQueue } from '../runtime/queue.ts';
import { aborted } from '../runtime/runnable.ts';
import type { CircuitBreakerPolicy } from 'cockatiel';
import type { Emission, OutboxEntry } from '../api/outbox.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Term } from '../runtime/runnable.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { CloudEvent, ExtensionValue } from './cloudevent.ts';
import type { Delivery, Sink } from './sink.ts';

export interface OutletTuning {
  /** Requests to the sink at a time. @default 32 */
  readonly concurrency: number;
  /** First pause after a failure, doubled with each further one, in milliseconds; half to all of it is taken. @default 1000 */
  readonly backoffBaseMs: number;
  /** @default 60_000 */
  readonly backoffMaxMs: number;
  /** How long a refused event holds up the later ones of its object before it is given up. @default 600_000 */
  readonly parkTimeoutMs: number;
  /** Failures in a row after which the sink is left alone for a while. @default 10 */
  readonly breakerFailures: number;
  /** First of those pauses, doubled up to 30 s, in milliseconds. @default 1000 */
  readonly breakerPauseMs: number;
}

export const OUTLET_TUNING: OutletTuning = { concurrency: 32, backoffBaseMs: 1000, backoffMaxMs: 60_000, parkTimeoutMs: 600_000, breakerFailures: 10, breakerPauseMs: 1000 };
const BREAKER_PAUSE_MAX_MS = 30_000;
const LEASE_PAUSE_MS = 1000;

export interface OutletDeps {
  readonly sink: Sink;
  /** Takes what the sink refused for good; absent: it is dropped. */
  readonly deadLetter: Sink | undefined;
  /** The event of an entry. Rejects if it cannot be told now (its Secret cannot be read). */
  readonly build: (uid: string, entry: Emission) => Promise<CloudEvent>;
  /** May a request be begun now? Not while the lease is running out. */
  readonly mayBegin: () => boolean;
  /** The sink has taken an event. */
  readonly accepted?: (uid: string, entry: Emission) => void;
  /** Something changed that the status should tell: settled, parked, no longer parked. */
  readonly changed: (uid: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tuning: OutletTuning;
}

/** One of the ends of all outboxes, with a progress of its own: a sink, or the archive. */
export interface Outbound {
  /** Is this entry for it? What is for nobody (any more) leaves the outbox. */
  takes(entry: OutboxEntry): boolean;
  /** Tells of the outbox of an object as it stands now; none: the object is forgotten. */
  offer(uid: string, outbox: readonly OutboxEntry[]): void;
  /** Was it accepted, or given up? */
  isSettled(uid: string, id: string): boolean;
  parked(uid: string): Parked | undefined;
  /** Entries that were given up and still stand in the status. */
  lost(uid: string): readonly OutboxEntry[];
  /** The object goes: gives up what cannot be delivered at once. */
  abandon(uid: string, signal: AbortSignal): Promise<void>;
  run(term: Term): Promise<void>;
}

/** An event that the sink refuses; the later ones of its object wait. */
export interface Parked {
  readonly entry: Emission;
  /** What the sink said, and which sink. */
  readonly reason: string;
  /** Monotonic time at which it is given up. */
  readonly until: number;
}

interface Lane {
  readonly uid: string;
  /** As they stand in the status, by sequence. */
  entries: readonly Emission[];
  readonly settled: Set<string>;
  readonly lost: Map<string, Emission>;
  parked: Parked | undefined;
  failures: number;
  /** Id of the entry whose request is under way. */
  sending: string | undefined;
}

export class Outlet implements Outbound {
  readonly #deps: OutletDeps;
  readonly #lanes = new Map<string, Lane>();
  readonly #queue: WorkQueue;
  readonly #breaker: CircuitBreakerPolicy;
  /** Monotonic time before which the sink asked not to be bothered (Retry-After), by whatever object. */
  #restUntil = 0;

  constructor(deps: OutletDeps) {
    const { breakerFailures, breakerPauseMs } = deps.tuning;
    this.#deps = deps;
    this.#queue = new WorkQueue({ clock: deps.clock });
    this.#breaker = circuitBreaker(handleWhenResult((result) => blamesSink(result as Delivery)), {
      breaker: new ConsecutiveBreaker(breakerFailures),
      halfOpenAfter: new ExponentialBackoff({ initialDelay: breakerPauseMs, maxDelay: BREAKER_PAUSE_MAX_MS }),
    });
    this.#breaker.onBreak(() => deps.log.warn({ sink: deps.sink.name }, 'sink is failing; it is left alone for a while'));
    this.#breaker.onReset(() => {
      deps.log.info({ sink: deps.sink.name }, 'sink is back');
      for (const uid of this.#lanes.keys()) this.#queue.add(uid);
    });
  }

  readonly takes = isForSinks;

  /** Tells of the outbox of an object as it stands now. What has left it is forgotten. */
  offer(uid: string, outbox: readonly OutboxEntry[]): void {
    const entries = outbox.filter(isForSinks);
    if (entries.length === 0) {
      this.#lanes.delete(uid);
      return;
    }
    const lane: Lane = this.#lanes.get(uid) ?? { uid, entries: [], settled: new Set(), lost: new Map(), parked: undefined, failures: 0, sending: undefined };
    // Else it is in work, or waits for its turn or for a pause: then it is queued, or will be.
    const isIdle = next(lane) === undefined;
    const ids = new Set(entries.map((entry) => entry.id));
    const gone = lane.entries.filter(({ id }) => !ids.has(id) && !lane.settled.has(id) && id !== lane.sending);
    if (gone.length > 0 && isFull(entries)) for (const entry of gone) this.#drop(uid, entry, PUSHED_OUT);
    for (const id of lane.settled) if (!ids.has(id)) lane.settled.delete(id);
    for (const id of lane.lost.keys()) if (!ids.has(id)) lane.lost.delete(id);
    const isFreed = lane.parked !== undefined && !ids.has(lane.parked.entry.id);
    if (isFreed) lane.parked = undefined;
    lane.entries = entries.toSorted((a, b) => a.sequence - b.sequence);
    this.#lanes.set(uid, lane);
    if ((isIdle || isFreed) && next(lane) !== undefined) this.#queue.add(uid);
  }

  isSettled(uid: string, id: string): boolean {
    return this.#lanes.get(uid)?.settled.has(id) ?? false;
  }

  parked(uid: string): Parked | undefined {
    return this.#lanes.get(uid)?.parked;
  }

  /** Entries that were given up and still stand in the status. */
  lost(uid: string): readonly Emission[] {
    return [...(this.#lanes.get(uid)?.lost.values() ?? [])];
  }

  /** Gives up all that an object still has to send: it goes to the dead-letter sink, if there is one. */
  async abandon(uid: string, signal: AbortSignal): Promise<void> {
    const lane = this.#lanes.get(uid);
    if (!lane) return;
    for (const entry of lane.entries.filter(({ id }) => !lane.settled.has(id))) {
      const reason = 'the object is being deleted';
      if ((await this.#deadLettered(uid, entry, signal)) !== 'accepted') this.#drop(uid, entry, reason);
      this.#settle(lane, entry, true);
    }
  }

  /** Sends until the term closes. Lanes that are in work then finish their request, or have it broken off when the term ends. */
  async run(term: Term): Promise<void> {
    const workers = Array.from({ length: this.#deps.tuning.concurrency }, () => this.#work(term));
    await aborted(term.closing);
    this.#queue.shutdown();
    await Promise.all(workers);
  }

  async #work(term: Term): Promise<void> {
    for (let item = await this.#queue.take(); item; item = await this.#queue.take()) {
      try {
        await this.#serve(item.key, term.ended);
      } catch (error) {
        this.#deps.log.error({ uid: item.key, sink: this.#deps.sink.name, error }, 'event could not be sent');
        const lane = this.#lanes.get(item.key);
        if (lane) this.#later(lane, undefined);
      } finally {
        this.#queue.done(item.key);
      }
    }
  }

  /** One event of one object. */
  async #serve(uid: string, signal: AbortSignal): Promise<void> {
    const lane = this.#lanes.get(uid);
    const entry = lane && next(lane);
    if (!lane || !entry) return;
    const parked = lane.parked?.entry.id === entry.id ? lane.parked : undefined;
    const left = Math.max(parked?.until ?? 0, this.#restUntil) - this.#deps.clock.monotonic();
    if (left > 0) {
      this.#queue.add(uid, { delayMs: left });
      return;
    }
    if (!this.#deps.mayBegin()) {
      this.#queue.add(uid, { delayMs: LEASE_PAUSE_MS });
      return;
    }
    lane.sending = entry.id;
    const delivery = await this.#try(uid, entry, signal).finally(() => { lane.sending = undefined; });
    if (delivery.outcome === 'accepted') {
      this.#count(entry, 'accepted');
      this.#deps.accepted?.(uid, entry);
      this.#settle(lane, entry, false);
    } else if (signal.aborted) {
      return;
    } else if (!lane.entries.some(({ id }) => id === entry.id)) {
      // It left the outbox during its request: only a full one lets go of what is not settled.
      if (isFull(lane.entries)) this.#drop(uid, entry, PUSHED_OUT);
      this.#later(lane, undefined);
    } else if (delivery.outcome === 'retry') {
      this.#count(entry, 'retry');
      this.#deps.log.debug({ uid, type: entry.type, eventId: entry.id, reason: delivery.reason }, 'event not delivered yet');
      this.#restUntil = Math.max(this.#restUntil, this.#deps.clock.monotonic() + (delivery.retryAfterMs ?? 0));
      this.#later(lane, delivery.retryAfterMs);
    } else if (!parked) {
      this.#park(lane, entry, delivery.reason);
    } else {
      await this.#giveUp(lane, entry, delivery, signal);
    }
  }

  /** The sink refused it again after its time was over. A dead-letter sink that is away is waited for. */
  async #giveUp(lane: Lane, entry: Emission, { reason, code }: Extract<Delivery, { outcome: 'refused' }>, signal: AbortSignal): Promise<void> {
    const letter = await this.#deadLettered(lane.uid, entry, signal, code);
    if (letter === 'retry') {
      this.#later(lane, undefined);
      return;
    }
    if (letter === 'refused') this.#drop(lane.uid, entry, reason);
    this.#settle(lane, entry, true);
  }

  async #try(uid: string, entry: Emission, signal: AbortSignal): Promise<Delivery> {
    const event = await this.#deps.build(uid, entry);
    try {
      return await this.#breaker.execute(() => this.#deps.sink.send(event, signal));
    } catch (error) {
      if (error instanceof BrokenCircuitError) return { outcome: 'retry', reason: 'the sink is being left alone', blamesSink: true };
      throw error;
    }
  }

  #settle(lane: Lane, entry: Emission, isLost: boolean): void {
    lane.settled.add(entry.id);
    if (isLost) lane.lost.set(entry.id, entry);
    lane.parked = undefined;
    lane.failures = 0;
    if (next(lane) !== undefined) this.#queue.add(lane.uid);
    this.#deps.changed(lane.uid);
  }

  #later(lane: Lane, retryAfterMs: number | undefined): void {
    const { backoffBaseMs, backoffMaxMs } = this.#deps.tuning;
    const full = Math.min(backoffMaxMs, backoffBaseMs * 2 ** Math.min(lane.failures, 30));
    lane.failures += 1;
    this.#queue.add(lane.uid, { delayMs: Math.max(full * (0.5 + Math.random() / 2), retryAfterMs ?? 0) });
  }

  #park(lane: Lane, entry: Emission, reason: string): void {
    const { clock, log, sink, tuning } = this.#deps;
    lane.parked = { entry, reason: `${reason} (${sink.name})`, until: clock.monotonic() + tuning.parkTimeoutMs };
    this.#count(entry, 'parked');
    log.warn({ uid: lane.uid, type: entry.type, eventId: entry.id, sink: sink.name, reason }, 'sink refuses an event; later events of the object wait');
    this.#queue.add(lane.uid, { delayMs: tuning.parkTimeoutMs });
    this.#deps.changed(lane.uid);
  }

  /** One try. Without a dead-letter sink everything is refused. */
  async #deadLettered(uid: string, entry: Emission, signal: AbortSignal, code?: number): Promise<Delivery['outcome']> {
    const { deadLetter, sink } = this.#deps;
    if (!deadLetter) return 'refused';
    const event = await this.#deps.build(uid, entry);
    const marks: [string, ExtensionValue][] = [['knativeerrordest', sink.name], ...(code === undefined ? [] : [['knativeerrorcode', code] as [string, ExtensionValue]])];
    const delivery = await deadLetter.send({ ...event, extensions: new Map([...event.extensions, ...marks]) }, signal);
    if (delivery.outcome === 'accepted') this.#count(entry, 'dead_letter');
    return delivery.outcome;
  }

  #drop(uid: string, entry: Emission, reason: string): void {
    this.#count(entry, 'dropped');
    this.#deps.log.error({ uid, type: entry.type, eventId: entry.id, sequence: entry.sequence, sink: this.#deps.sink.name, reason }, 'event given up');
  }

  #count(entry: Emission, result: string): void {
    this.#deps.metrics.eventsOut.inc({ type: entry.type, result, sink: this.#deps.sink.name });
  }
}

/** The oldest entry that is not settled. */
const next = (lane: Lane): Emission | undefined => lane.entries.find((entry) => !lane.settled.has(entry.id));

const PUSHED_OUT = 'the outbox is full';

/** So full that the write which made it may have pushed out its oldest entries. */
const isFull = (entries: readonly Emission[]): boolean =>
  entries.length >= OUTBOX_MAX_ENTRIES || Buffer.byteLength(JSON.stringify(entries)) > OUTBOX_MAX_BYTES - OUTBOX_ENTRY_MAX_BYTES;

const blamesSink = (delivery: Delivery): boolean => delivery.outcome === 'retry' && delivery.blamesSink;
