/**
 * Sends what is recorded in outboxes, on the leader. It holds no state that matters: after a restart everything that
 * still stands in an outbox is sent again, with the same ids and bytes.
 *
 * Acknowledging is lazy. What every sink has settled is remembered here and dropped from the outbox in the next status
 * write that anybody makes for that object (`amend`); only an object that stays quiet gets a write of its own.
 */
import { isForSinks } from '../api/outbox.ts';
import { recordOf } from '../core/chain.ts';
import { acknowledge, EVENTS_DELIVERED, reportLost } from '../core/outbox.ts';
import { getCondition, setCondition } from '../core/conditions.ts';
import { without } from '../core/without.ts';
import { isDeleting, objectKey } from '../kube/types.ts';
import { WorkQueue } from '../runtime/queue.ts';
import { aborted } from '../runtime/runnable.ts';
import { ArchiveOutlet } from './archive/outlet.ts';
import { envelope } from './envelope.ts';
import { Outlet, OUTLET_TUNING } from './outlet.ts';
import { recordDelivery } from './session-trace.ts';
import { noTracer } from '../telemetry/tracer.ts';
import type { OutboxDraft } from '../core/outbox.ts';
import type { ArchiveRecord } from '../api/archive.ts';
import type { Emission, OutboxEntry } from '../api/outbox.ts';
import type { KubeObject, Resource } from '../kube/types.ts';
import type { Cancel, Clock } from '../runtime/clock.ts';
import type { Leadership } from '../runtime/leadership.ts';
import type { Runnable, Term } from '../runtime/runnable.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracer } from '../telemetry/tracer.ts';
import type { ArchiveStore } from './archive/store.ts';
import type { CloudEvent } from './cloudevent.ts';
import type { SecretReader } from './envelope.ts';
import type { Outbound, OutletTuning } from './outlet.ts';
import type { Sink } from './sink.ts';
import type { OutboxObject, StatusUpdate } from './status-update.ts';

/** Where objects with an outbox come from; an Informer fits as it is. */
export interface OutboxFeed {
  readonly resource: Resource<OutboxObject>;
  list(): readonly OutboxObject[];
  /** `next` undefined: deleted. */
  onChange(handler: (old: OutboxObject | undefined, next: OutboxObject | undefined) => void): void;
  /** Takes the answer to a write of ours into the cache. */
  observe?(object: OutboxObject): void;
}

export interface EmitterDeps {
  readonly feeds: readonly OutboxFeed[];
  /** Each has its own progress; an entry leaves the outbox when all have settled it. */
  readonly sinks: readonly Sink[];
  readonly deadLetter?: Sink | undefined;
  /** Keeps a record of every event; absent: nobody does. */
  readonly archive?: ArchiveStore | undefined;
  /** For the objects that nobody else writes. */
  readonly updateStatus: StatusUpdate;
  readonly leadership: Pick<Leadership, 'effectSignal'>;
  /** CLOUDEVENTS_SOURCE */
  readonly source: string;
  readonly readSecret: SecretReader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** @default none */
  readonly tracer?: Tracer | undefined;
  readonly tuning?: Partial<OutletTuning> & {
    /** An object gets an acknowledging write after so long without another write, in milliseconds. @default 2000 */
    readonly quietMs?: number;
  };
  /** Told of an event that a sink refuses, for a Kubernetes Event. */
  readonly parked?: (object: KubeObject, message: string) => void;
}

interface Source {
  readonly feed: OutboxFeed;
  object: OutboxObject;
  /** The acknowledging write that is due if nobody else writes. */
  quiet: Cancel | undefined;
  /** Id of the parked event that people have been told of. */
  told: string | undefined;
}

/** Status writes of the emitter at a time. */
const WRITERS = 4;

export class Emitter implements Runnable {
  readonly name = 'emitter';
  readonly #deps: EmitterDeps;
  readonly #sources = new Map<string, Source>();
  /** Those of the current term; none while this replica does not lead. */
  #outlets: readonly Outbound[] = [];
  #writes: WorkQueue | undefined;
  #depth = 0;

  constructor(deps: EmitterDeps) {
    this.#deps = deps;
    for (const feed of deps.feeds) feed.onChange((old, next) => this.#noticed(feed, old, next));
  }

  /**
   * The last word on a status that is about to be written: without what has been delivered, and with the condition
   * EventsDelivered. Returns `next` itself if there is nothing to say.
   */
  readonly amend = <S extends OutboxDraft>(next: S, object: KubeObject): S => {
    const { uid } = object.metadata;
    if (this.#outlets.length === 0 || !next.outbox?.length) return next;
    const draft = this.#acknowledged(next, uid);
    const outbox = draft.outbox?.map((entry) => this.#narrowed(entry, uid));
    return outbox?.some((entry, index) => entry !== draft.outbox?.[index]) ? { ...draft, outbox } : draft;
  };

  /** What is worth a write of its own: without what has been delivered, and with the condition. */
  #acknowledged<S extends OutboxDraft>(next: S, uid: string): S {
    const draft = { ...next };
    acknowledge(draft, this.#settled(uid, next.outbox ?? []));
    this.#tell(draft, uid);
    return draft.outbox === next.outbox && draft.conditions === next.conditions ? next : draft;
  }

  /** What an entry still waits for, sinks or archive, where one of the two has it: a full outbox goes by it, and so does the next leader. */
  #narrowed(entry: OutboxEntry, uid: string): OutboxEntry {
    if (entry.chain === undefined) return entry;
    const waiting = this.#outlets.filter((outlet) => outlet.takes(entry) && !outlet.isSettled(uid, entry.id));
    if (this.#deps.archive !== undefined && !waiting.some((outlet) => outlet instanceof ArchiveOutlet)) return without(entry, 'chain');
    return isForSinks(entry) && !waiting.some((outlet) => outlet instanceof Outlet) ? { ...entry, archiveOnly: true } : entry;
  }

  /** Has everything that stands in the outbox of this object been delivered or given up? Then its finalizer may go. */
  isDrained(object: OutboxObject): boolean {
    const outbox = object.status?.outbox ?? [];
    if ((this.#deps.sinks.length === 0 && this.#deps.archive === undefined) || outbox.length === 0) return true;
    return this.#outlets.length > 0 && this.#settled(object.metadata.uid, outbox).size === outbox.length;
  }

  /** Gives up what a deleted object still has to send, once its time is over: to the dead-letter sink, else dropped and counted. */
  async abandon(object: KubeObject, signal: AbortSignal): Promise<void> {
    await Promise.all(this.#outlets.map((outlet) => outlet.abandon(object.metadata.uid, signal)));
  }

  async run(term: Term): Promise<void> {
    const { sinks, deadLetter, archive, clock, log, metrics, tuning } = this.#deps;
    const writes = new WorkQueue({ clock, backoff: { baseMs: 1000 } });
    this.#writes = writes;
    const shared = { clock, log, metrics, mayBegin: () => this.#mayBegin(), changed: (uid: string) => this.#changed(uid) };
    const outlets = sinks.map((sink) => new Outlet({ ...shared, sink, deadLetter, tuning: { ...OUTLET_TUNING, ...tuning }, build: (uid, entry) => this.#build(uid, entry), accepted: (uid, entry) => this.#delivered(uid, entry, sink) }));
    this.#outlets = archive === undefined ? outlets : [...outlets, new ArchiveOutlet({ ...shared, store: archive, record: (uid, entry) => this.#record(uid, entry) })];
    for (const [uid, { object }] of this.#sources) this.#offer(uid, object);
    const writers = Array.from({ length: WRITERS }, () => this.#write(writes, term.ended));
    const running = this.#outlets.map((outlet) => outlet.run(term));
    await aborted(term.closing);
    writes.shutdown();
    await Promise.all([...running, ...writers]);
    await this.#flush(term.ended);
    this.#outlets = [];
    this.#writes = undefined;
    for (const source of this.#sources.values()) source.quiet?.();
  }

  #noticed(feed: OutboxFeed, old: OutboxObject | undefined, next: OutboxObject | undefined): void {
    const uid = next?.metadata.uid ?? old?.metadata.uid ?? '';
    if (old && old.metadata.uid !== uid) this.#forget(old.metadata.uid);
    const outbox = next?.status?.outbox ?? [];
    if (!next || outbox.length === 0) {
      this.#forget(uid);
      return;
    }
    const source = this.#sources.get(uid) ?? { feed, object: next, quiet: undefined, told: undefined };
    this.#depth += outbox.length - (this.#sources.has(uid) ? source.object.status?.outbox?.length ?? 0 : 0);
    source.object = next;
    this.#sources.set(uid, source);
    this.#deps.metrics.outboxDepth.set(this.#depth);
    this.#offer(uid, next);
    // Somebody has just written: what was settled before is gone from the outbox, or will be after a further quiet time.
    if (source.quiet) this.#changed(uid);
  }

  #forget(uid: string): void {
    const source = this.#sources.get(uid);
    if (!source) return;
    source.quiet?.();
    this.#sources.delete(uid);
    this.#depth -= source.object.status?.outbox?.length ?? 0;
    this.#deps.metrics.outboxDepth.set(this.#depth);
    for (const outlet of this.#outlets) outlet.offer(uid, []);
  }

  #offer(uid: string, object: OutboxObject): void {
    for (const outlet of this.#outlets) outlet.offer(uid, object.status?.outbox ?? []);
  }

  #settled(uid: string, outbox: readonly OutboxEntry[]): Set<string> {
    return new Set(outbox.filter((entry) => this.#outlets.every((outlet) => !outlet.takes(entry) || outlet.isSettled(uid, entry.id))).map(({ id }) => id));
  }

  /** The condition, for what is parked or was given up; back to True when a parked event got through. */
  #tell(draft: OutboxDraft, uid: string): void {
    const now = this.#deps.clock.now();
    const lost = this.#outlets.flatMap((outlet) => outlet.lost(uid));
    const parked = this.#outlets.map((outlet) => outlet.parked(uid)).find((one) => one !== undefined);
    const before = getCondition(draft, EVENTS_DELIVERED);
    if (parked) {
      const message = `${parked.entry.type} with sequence ${parked.entry.sequence}: ${parked.reason}. Later events of this object wait; it is given up if the sink still refuses it after a while.`;
      setCondition(draft, { type: EVENTS_DELIVERED, status: 'False', reason: 'SinkRefuses', message }, now);
    } else if (lost.length > 0) reportLost(draft, lost, 'the sink refused them', now);
    else if (before?.status === 'False' && before.reason === 'SinkRefuses') setCondition(draft, { type: EVENTS_DELIVERED, status: 'True', reason: 'Delivered' }, now);
  }

  /** Something is to be written about this object: at once if it is on its way out, else after a quiet time. */
  #changed(uid: string): void {
    const source = this.#sources.get(uid);
    if (!source) return;
    source.quiet?.();
    source.quiet = undefined;
    const parked = this.#outlets.map((outlet) => outlet.parked(uid)).find((one) => one !== undefined);
    if (parked && parked.entry.id !== source.told) this.#deps.parked?.(source.object, `${parked.entry.type} (sequence ${parked.entry.sequence}): ${parked.reason}`);
    source.told = parked?.entry.id;
    const { status = {} } = source.object;
    if (this.#acknowledged(status, uid) === status) return;
    const delay = isDeleting(source.object) ? 0 : this.#deps.tuning?.quietMs ?? 2000;
    source.quiet = this.#deps.clock.setTimeout(() => {
      source.quiet = undefined;
      this.#writes?.add(uid);
    }, delay);
  }

  async #write(writes: WorkQueue, signal: AbortSignal): Promise<void> {
    for (let item = await writes.take(); item; item = await writes.take()) {
      try {
        await this.#acknowledge(item.key, signal);
        writes.forget(item.key);
      } catch (error) {
        if (!signal.aborted) {
          this.#deps.log.warn({ uid: item.key, error }, 'delivered events could not be acknowledged yet');
          writes.retry(item.key);
        }
      } finally {
        writes.done(item.key);
      }
    }
  }

  /** The last writes of a term that may end in order: of what is not acknowledged now the next leader would send a second copy. */
  async #flush(signal: AbortSignal): Promise<void> {
    const due = [...this.#sources].filter(([uid, { object: { status = {} } }]) => this.#acknowledged(status, uid) !== status);
    await Promise.all(due.map(([uid]) => this.#acknowledge(uid, signal).catch((error: unknown) => this.#deps.log.warn({ uid, error }, 'delivered events are not acknowledged, and will be sent again'))));
  }

  async #acknowledge(uid: string, signal: AbortSignal): Promise<void> {
    const source = this.#sources.get(uid);
    if (!source) return;
    const decide = (object: OutboxObject): OutboxDraft | undefined => {
      const { status = {} } = object;
      return this.#acknowledged(status, uid) === status ? undefined : this.amend(status, object);
    };
    const after = await this.#deps.updateStatus(source.feed.resource, source.object, decide, signal);
    if (after) source.feed.observe?.(after);
    else this.#forget(uid);
  }

  #record(uid: string, entry: OutboxEntry): ArchiveRecord | undefined {
    const source = this.#sources.get(uid);
    return source && recordOf(entry, { resource: source.feed.resource, metadata: source.object.metadata });
  }

  async #build(uid: string, entry: Emission): Promise<CloudEvent> {
    const source = this.#sources.get(uid);
    if (!source) throw new Error(`the object ${uid} is gone`);
    const { object, feed } = source;
    const { secretRef } = entry;
    const secret = secretRef ? await this.#deps.readSecret(object.metadata.namespace ?? '', secretRef.name, secretRef.key) : null;
    if (secretRef && secret === null) {
      this.#deps.metrics.eventsOut.inc({ type: entry.type, result: 'secret_gone', sink: 'all' });
      this.#deps.log.warn({ uid, object: objectKey(object), secret: secretRef.name, type: entry.type }, 'Secret is gone; the event is sent without its value');
    }
    return envelope(entry, object, feed.resource, this.#deps.source, secret);
  }

  #delivered(uid: string, entry: Emission, sink: Sink): void {
    const { clock, metrics, tracer = noTracer, sinks } = this.#deps;
    const source = this.#sources.get(uid);
    const now = clock.now();
    metrics.eventDelivery.observe({ sink: sink.name }, Math.max(0, now.getTime() - Date.parse(entry.time)) / 1000);
    if (source) recordDelivery(tracer, source.object, source.feed.resource, entry, { name: sink.name, isFirst: sink === sinks[0] }, now);
  }

  #mayBegin(): boolean {
    try {
      this.#deps.leadership.effectSignal();
      return true;
    } catch {
      return false;
    }
  }
}
