/**
 * Records Kubernetes Events, for `kubectl describe` and `kubectl get events`.
 *
 * They are written as events.k8s.io/v1: it is the version that the API server validates in full
 * (action, reporting controller, 1 KiB), and its `series` makes a repetition one small patch. kubectl
 * and every older reader see the same objects as core/v1, the API server converts them.
 *
 * Recording never waits and never fails: a note goes to a bounded book and is written in the
 * background. Events are best effort; what must not be lost is in the status and its history.
 */
import { randomBytes } from 'node:crypto';
import type { KubeClient } from '../kube/client.ts';
import { AlreadyExistsError, ApiError, NotFoundError, TooManyRequestsError, ServerUnavailableError, isNamespaceTerminating } from '../kube/errors.ts';
import type { KubeObject, NewObject, Resource } from '../kube/types.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { redactText } from '../telemetry/redact.ts';
import type { Clock } from './clock.ts';
import { EventSeriesBook } from './event-series.ts';
import type { EventLimits, EventNote, EventSeries } from './event-series.ts';
import { WorkQueue } from './queue.ts';
import { aborted } from './runnable.ts';
import type { Runnable, Term } from './runnable.ts';

interface KubeEvent extends KubeObject {
  eventTime: string;
  reportingController: string;
  reportingInstance: string;
  action: string;
  reason: string;
  regarding: { apiVersion: string; kind: string; name: string; namespace?: string | undefined; uid: string; resourceVersion: string };
  note: string;
  type: string;
  series?: { count: number; lastObservedTime: string };
}

const EVENTS: Resource<KubeEvent> = { group: 'events.k8s.io', version: 'v1', plural: 'events', kind: 'Event', namespaced: true };

const NOTE_BYTES = 1024;
/** A count is written at most so often: a pass that fails every second is one patch in ten. */
const SERIES_PAUSE_MS = 10_000;
const TRIES = 5;
const WRITERS = 2;

/** Where notes go; what controllers see of the recorder. */
export interface EventSink {
  /** Takes a note down and returns at once; never throws. */
  record(note: EventNote): void;
}

export interface RecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Who reports: a qualified name, e.g. `lablet.dev/controller`. */
  readonly controller: string;
  /** Which replica: the pod's name. */
  readonly instance: string;
  readonly limits?: EventLimits;
}

export class EventRecorder implements EventSink, Runnable {
  readonly name = 'event recorder';
  private readonly options: RecorderOptions;
  private readonly book: EventSeriesBook;
  private readonly queue: WorkQueue;

  constructor(options: RecorderOptions) {
    this.options = options;
    this.book = new EventSeriesBook(options.clock, options.limits);
    this.queue = new WorkQueue({ clock: options.clock, backoff: { baseMs: 200, maxMs: 10_000 } });
  }

  record(note: EventNote): void {
    const series = this.book.admit(note);
    if (!series) {
      this.count('limited');
      return;
    }
    if (series.count > 1) this.count('aggregated');
    const pause = series.writtenAt + SERIES_PAUSE_MS - this.options.clock.monotonic();
    this.queue.add(series.key, { delayMs: series.written === 0 ? 0 : pause });
  }

  /** Writes until told to close; then writes what is left, once. */
  async run(term: Term): Promise<void> {
    const writers = Array.from({ length: WRITERS }, () => this.work(term.ended));
    await aborted(term.closing);
    this.queue.shutdown();
    await Promise.all(writers);
    for (const series of this.book.unwritten()) {
      if (term.ended.aborted) return;
      await this.write(series, term.ended);
    }
  }

  private async work(ended: AbortSignal): Promise<void> {
    for (let item = await this.queue.take(); item; item = await this.queue.take()) {
      const series = this.book.get(item.key);
      if (!series) this.count('dropped');
      else await this.write(series, ended);
      this.queue.done(item.key);
    }
  }

  private async write(series: EventSeries, signal: AbortSignal): Promise<void> {
    const { count } = series;
    if (series.written >= count) return;
    try {
      await (series.written === 0 ? this.create(series, signal) : this.patch(series, signal));
      series.written = count;
      series.writtenAt = this.options.clock.monotonic();
      series.failed = 0;
      this.queue.forget(series.key);
    } catch (error) {
      this.failed(series, error);
    }
  }

  private async create(series: EventSeries, signal: AbortSignal): Promise<void> {
    const { controller, instance, client } = this.options;
    const { regarding, type, reason, action, note } = series.note;
    const { name, namespace, uid, resourceVersion } = regarding.metadata;
    // Chosen once: if the answer to a create is lost, the next try finds the Event there.
    series.name ??= `${name.slice(0, 200)}.${randomBytes(8).toString('hex')}`;
    const event: NewObject<KubeEvent> = {
      // Events about cluster-scoped objects live in the namespace `default`.
      metadata: { name: series.name, namespace: namespace ?? 'default' },
      eventTime: series.firstAt,
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      action,
      reason,
      regarding: { apiVersion: regarding.apiVersion, kind: regarding.kind, name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) },
      note: cutBytes(redactText(note), NOTE_BYTES),
      type,
      ...(series.count > 1 ? { series: seriesOf(series) } : {}),
    };
    try {
      await client.create(EVENTS, event, { signal, retries: 0 });
      this.count('created');
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
    }
  }

  private async patch(series: EventSeries, signal: AbortSignal): Promise<void> {
    const namespace = series.note.regarding.metadata.namespace ?? 'default';
    await this.options.client.mergePatch(EVENTS, series.name ?? '', namespace, { series: seriesOf(series) }, { signal, retries: 0 });
  }

  private failed(series: EventSeries, error: unknown): void {
    const { log } = this.options;
    const { regarding, reason } = series.note;
    const about = { regarding: regarding.metadata.name, namespace: regarding.metadata.namespace, reason, error };
    if (error instanceof NotFoundError && series.written > 0) {
      // The Event has outlived its time to live on the server, or somebody deleted it: make it anew.
      series.written = 0;
      series.name = undefined;
      this.queue.add(series.key);
      return;
    }
    if (namespaceIsGoing(error)) {
      this.book.drop(series.key);
      this.count('dropped');
      log.debug(about, 'no Event written: its namespace is being deleted');
      return;
    }
    series.failed++;
    if (mayHelpToRetry(error) && series.failed < TRIES) {
      this.queue.retry(series.key);
      return;
    }
    this.book.drop(series.key);
    this.queue.forget(series.key);
    this.count('failed');
    log.warn(about, 'an Event could not be written');
  }

  private count(result: 'created' | 'aggregated' | 'limited' | 'dropped' | 'failed'): void {
    this.options.metrics.kubeEvents.inc({ result });
  }
}

function seriesOf(series: EventSeries): { count: number; lastObservedTime: string } {
  return { count: series.count, lastObservedTime: series.lastAt };
}

/** A create in a namespace that is terminating is refused as Forbidden with this cause; in one that is gone as NotFound. */
function namespaceIsGoing(error: unknown): boolean {
  return error instanceof NotFoundError || isNamespaceTerminating(error);
}

/** Whatever was not an answer may be better next time; of the answers only those that say so. */
function mayHelpToRetry(error: unknown): boolean {
  return !(error instanceof ApiError) || error instanceof TooManyRequestsError || error instanceof ServerUnavailableError;
}

/** At most `limit` bytes of UTF-8, with no character cut in two. */
export function cutBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= limit) return text;
  const ellipsis = '…';
  return bytes.subarray(0, limit - Buffer.byteLength(ellipsis)).toString('utf8').replace(/\uFFFD+$/, '') + ellipsis;
}
