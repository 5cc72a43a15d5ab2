/**
 * What becomes of one received CloudEvent: refused, passed over, or stored with its effect. A verdict of 202 means that
 * the effect is in the API server (or that there is none); whatever failed on our side is 503, and the sender tries again.
 */
import { z } from 'zod';
import { isConsumedType, readConsumedData } from '../api/events.ts';
import { ConflictError } from '../kube/errors.ts';
import { RecentMap } from '../runtime/recent-map.ts';
import { Turns } from '../runtime/turns.ts';
import { receiptOf } from './archive/receipt.ts';
import { isListed } from './allow-list.ts';
import { isUnder } from './cloudevent.ts';
import { correlate } from './correlate.ts';
import { storeEffect } from './ingest-effect.ts';
import { causeOf, sessionAttributes, sessionFields } from './session-trace.ts';
import { noTracer } from '../telemetry/tracer.ts';
import type { ConsumedEvent, ConsumedType } from '../api/events.ts';
import type { LabletSession } from '../api/labletsession.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ChildDetails, Tracer } from '../telemetry/tracer.ts';
import type { CloudEvent, CloudEventError } from './cloudevent.ts';
import type { Rejections } from './archive/rejections.ts';
import type { SessionLookup } from './correlate.ts';
import type { EffectDeps } from './ingest-effect.ts';

/** Data of one consumed event, in bytes of JSON. */
const DATA_MAX_BYTES = 24 * 1024;
/** What identifies an event is kept in the inbox of the session, which holds so much. */
const KEY_MAX = 512;
/** For so long an event of an unknown session may be ahead of our cache. */
const UNKNOWN_GRACE_MS = 30_000;
/** Unknown events whose first arrival is remembered, for those that carry no time. */
const UNKNOWN_REMEMBERED = 10_000;
const RETRY_AFTER_SECONDS = 2;

/** The answer to one event. */
export interface Verdict {
  readonly status: 202 | 400 | 403 | 413 | 415 | 503;
  /** One word for the metric; a closed set. */
  readonly result: 'applied' | 'ignored' | 'deferred' | 'duplicate' | 'full' | 'unknown_session' | 'loop' | 'other_type' | 'invalid' | 'forbidden' | 'too_large' | 'failed';
  /** For the sender, where it was refused: what is wrong. */
  readonly message?: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

export interface IngestDeps extends EffectDeps {
  readonly sessions: SessionLookup;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** @default none */
  readonly tracer?: Tracer | undefined;
  /** Base of our own sources (CLOUDEVENTS_SOURCE): events from below it are a loop and dropped. */
  readonly ownSource: string;
  /** Sources that may send, `*` for any characters. Empty: any source. */
  readonly allowedSources: readonly string[];
  /** Takes note of what is refused or belongs to no session; absent: there is no archive. */
  readonly rejections?: Pick<Rejections, 'note'> | undefined;
  /** Writes of a session's status, by uid, shared with the controllers of this process. @default ingest's own */
  readonly turns?: Turns | undefined;
  /** Other names under which senders know the types that we consume (INGEST_TYPE_ALIASES). @default none */
  readonly typeAliases?: ReadonlyMap<string, ConsumedType> | undefined;
}

export class Ingest {
  readonly #deps: IngestDeps;
  /** Monotonic time of the first arrival, by source and id. */
  readonly #unknown = new RecentMap<number>(UNKNOWN_REMEMBERED);
  readonly #turns: Turns;

  constructor(deps: IngestDeps) {
    this.#deps = deps;
    this.#turns = deps.turns ?? new Turns();
  }

  /**
   * Judges and stores one event. Never throws.
   * @param traceParent of the HTTP request, used where the event carries none
   */
  async accept(event: CloudEvent, traceParent?: string): Promise<Verdict> {
    const type = this.#consumedType(event.type);
    const began = performance.now();
    const { about, ...verdict } = await this.#judge(event, type, traceParent);
    this.#deps.metrics.ingestDuration.observe((performance.now() - began) / 1000);
    return this.#told(verdict, type, event, about);
  }

  /** Judges what is no event that can be read, for the same metric and the same log. */
  refuse({ status, message }: CloudEventError): Verdict {
    return this.#told({ status, result: status === 413 ? 'too_large' : 'invalid', message }, undefined, undefined);
  }

  #told(verdict: Verdict, type: ConsumedType | undefined, event: CloudEvent | undefined, about: object = {}): Verdict {
    const { metrics, log, rejections } = this.#deps;
    metrics.eventsIn.inc({ type: type ?? 'other', result: verdict.result });
    if (isForGood(verdict)) rejections?.note({ ...verdict, receipt: event && receiptOf(event) });
    const line = { ...about, ...(event && { eventId: event.id, source: event.source, type: event.type }), result: verdict.result, ...(verdict.message === undefined ? {} : { reason: verdict.message }) };
    if (verdict.status === 202) log.debug(line, 'event accepted');
    else log.warn({ ...line, status: verdict.status }, 'event not accepted');
    return verdict;
  }

  #consumedType(type: string): ConsumedType | undefined {
    return isConsumedType(type) ? type : this.#deps.typeAliases?.get(type);
  }

  async #judge(event: CloudEvent, type: ConsumedType | undefined, traceParent: string | undefined): Promise<Verdict & { about?: object }> {
    const { ownSource, allowedSources } = this.#deps;
    if (isUnder(ownSource, event.source)) return { status: 202, result: 'loop' };
    const isAllowed = allowedSources.length === 0 || isListed(allowedSources, event.source);
    if (!isAllowed) return { status: 403, result: 'forbidden', message: `source ${event.source.slice(0, 200)} is not allowed; see INGEST_ALLOWED_SOURCES` };
    if (type === undefined) return { status: 202, result: 'other_type' };
    const consumed = readEvent(event, type, traceParent);
    if ('status' in consumed) return consumed;
    return this.#deliver(this.#deps.rejections ? { ...consumed, receipt: receiptOf(event) } : consumed);
  }

  async #deliver(event: ConsumedEvent): Promise<Verdict & { about?: object }> {
    const key = `${event.source} ${event.id}`;
    const session = correlate(this.#deps.sessions, event);
    if (!session) return this.#unknownSession(key, event);
    this.#unknown.delete(key);
    return { ...(await this.#store(session, event)), about: sessionFields(session) };
  }

  async #store(session: LabletSession, event: ConsumedEvent): Promise<Verdict> {
    try {
      // Two events of one session at once would only take each other's write away.
      const { uid } = session.metadata;
      const { parent, links } = causeOf(session, event.traceParent);
      const span: ChildDetails = { name: `process ${event.type}`, kind: 'consumer', links, attributes: { ...sessionAttributes(session), 'cloudevents.event_id': event.id, 'cloudevents.event_source': event.source } };
      const result = await (this.#deps.tracer ?? noTracer).within(parent, span, () =>
        this.#turns.take(uid, () => storeEffect(this.#deps, this.#deps.sessions.byIndex('uid', uid)[0] ?? session, event, this.#deps.clock.now())));
      switch (result) {
        case 'Gone':
          return { status: 202, result: 'unknown_session' };
        case 'Full':
          return { status: 503, result: 'full', message: 'the session cannot hold more early events; send it again later', retryAfter: RETRY_AFTER_SECONDS };
        case 'NotReady':
          return { status: 503, result: 'failed', message: 'the definition of the session cannot be read yet; send it again later', retryAfter: RETRY_AFTER_SECONDS };
        default:
          return { status: 202, result: WORDS[result] };
      }
    } catch (error) {
      // That others keep writing is no fault: the sender comes again, and finds the session at rest.
      const level = error instanceof ConflictError ? 'warn' : 'error';
      this.#deps.log[level]({ ...sessionFields(session), eventId: event.id, error }, 'event could not be stored');
      return { status: 503, result: 'failed', message: 'the effect could not be stored; send it again later', retryAfter: RETRY_AFTER_SECONDS };
    }
  }

  /** The status that would tell us may lag behind: the sender is asked to come again, but not for ever. */
  #unknownSession(key: string, event: ConsumedEvent): Verdict {
    const { clock, log } = this.#deps;
    const firstSeen = this.#unknown.get(key) ?? clock.monotonic();
    this.#unknown.set(key, firstSeen);
    // A leap second is a time that Date cannot read: then, as without one, the first arrival counts.
    const happened = event.time === undefined ? Number.NaN : Date.parse(event.time);
    const age = Math.max(clock.monotonic() - firstSeen, Number.isNaN(happened) ? 0 : clock.now().getTime() - happened);
    if (age < UNKNOWN_GRACE_MS) return { status: 503, result: 'unknown_session', message: 'no session is known by these ids yet; send it again', retryAfter: RETRY_AFTER_SECONDS };
    this.#unknown.delete(key);
    log.warn({ eventId: event.id, source: event.source, type: event.type, subject: event.subject, ids: idsOf(event) }, 'event of an unknown session dropped');
    return { status: 202, result: 'unknown_session' };
  }
}

/** Refused, and not to come again; or let go, since it belongs to no session. */
const isForGood = ({ status, result }: Verdict): boolean => (status !== 202 && status !== 503) || (status === 202 && result === 'unknown_session');

const WORDS = { Applied: 'applied', Ignored: 'ignored', Moot: 'ignored', Deferred: 'deferred', Duplicate: 'duplicate' } as const;

const TRACE_PARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The event with its data in the one normalised shape, or why it is refused. */
function readEvent(event: CloudEvent, type: ConsumedType, traceParent: string | undefined): ConsumedEvent | Verdict {
  const refused = (message: string): Verdict => ({ status: 400, result: 'invalid', message });
  for (const name of ['id', 'source'] as const) if (event[name].length > KEY_MAX) return refused(`attribute ${name} is longer than ${KEY_MAX} characters`);
  if (event.data?.kind !== 'json') return refused('data must be JSON (datacontenttype application/json)');
  if (Buffer.byteLength(JSON.stringify(event.data.value)) > DATA_MAX_BYTES) return { status: 413, result: 'too_large', message: `data is larger than ${DATA_MAX_BYTES} bytes` };
  const trace = [event.extensions.get('traceparent'), traceParent].find((value): value is string => typeof value === 'string' && TRACE_PARENT.test(value));
  try {
    const data = readConsumedData(type, event.data.value);
    const consumed = {
      type, data, id: event.id, source: event.source,
      ...(event.time === undefined ? {} : { time: event.time }),
      ...(event.subject === undefined ? {} : { subject: event.subject }),
      ...(trace === undefined ? {} : { traceParent: trace }),
    } as ConsumedEvent;
    if (consumed.subject === undefined && Object.values(idsOf(consumed)).every((id) => id === undefined)) {
      return refused('nothing says which session it is about: give session_id, lds_session_id, grading_session_id or a subject');
    }
    return consumed;
  } catch (error) {
    if (error instanceof z.ZodError) return refused(`data: ${error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`).join('; ').slice(0, 500)}`);
    throw error;
  }
}

const idsOf = ({ data: { ldsSessionId, gradingSessionId, labletSessionId, sessionId } }: ConsumedEvent) => ({ ldsSessionId, gradingSessionId, labletSessionId, sessionId });
