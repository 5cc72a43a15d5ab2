/**
 * The trace of a session: one span for its life, below it one for each phase, and below the phase whatever was done in
 * it. Their ids follow from the uid and the history, so that nobody has to hold them between two passes or two leaders.
 */
import { objectKey } from '../api/meta.ts';
import { eventSpan, readTraceParent, spanOf, traceIdOf } from '../telemetry/trace-context.ts';
import type { LabletSession } from '../api/labletsession.ts';
import type { Emission } from '../api/outbox.ts';
import type { KubeObject, Resource } from '../kube/types.ts';
import type { SpanContext } from '../telemetry/trace-context.ts';
import type { SpanDetails, Tracer } from '../telemetry/tracer.ts';

type History = NonNullable<NonNullable<LabletSession['status']>['history']>;

const lifeSpan = (uid: string): SpanContext => spanOf(uid, 'session');
const spanOfEntry = (uid: string, { at, to }: History[number]): SpanContext => spanOf(uid, 'phase', at, to);

/** What is done about the session now belongs to its phase; before its admission and after its end, to its life. */
export function phaseSpan({ metadata: { uid }, status }: LabletSession): SpanContext {
  const entry = status?.history?.at(-1);
  return entry && entry.to !== 'Terminated' ? spanOfEntry(uid, entry) : lifeSpan(uid);
}

/** What every log line about a session says: each of them leads to all others. */
export const sessionFields = (session: LabletSession) => ({ session: objectKey(session), uid: session.metadata.uid, phase: session.status?.phase ?? 'None', traceId: traceIdOf(session.metadata.uid) });

/** What every span about a session says. */
export const sessionAttributes = (session: LabletSession): Record<string, string> => ({ 'lablet.session': objectKey(session), 'lablet.session.uid': session.metadata.uid, 'lablet.session.phase': session.status?.phase ?? 'None' });

/**
 * Records the phases that were left, and with the last one the life of the session.
 * @param session as it was stored
 * @param transitions how many of its newest history entries that write made
 */
export function recordPhases(tracer: Tracer, session: LabletSession, transitions: number): void {
  const { metadata: { uid, creationTimestamp }, status } = session;
  const { history = [] } = status ?? {};
  const attributes = { 'lablet.session': objectKey(session), 'lablet.session.uid': uid };
  for (let index = history.length - transitions; index < history.length; index++) {
    const [left, entered] = [history[index - 1], history[index]];
    if (!entered) continue;
    const end = Date.parse(entered.at);
    if (left) {
      const phase = { ...attributes, 'lablet.session.phase': left.to, 'lablet.transition.row': entered.row ?? '', 'lablet.transition.reason': entered.reason, 'lablet.transition.actor': entered.actor };
      tracer.record({ ...spanOfEntry(uid, left), parentId: lifeSpan(uid).spanId, name: `phase ${left.to}`, attributes: phase, start: Date.parse(left.at), end });
    }
    if (entered.to !== 'Terminated') continue;
    const life = { ...attributes, 'lablet.session.ending': status?.ending ?? '', 'lablet.session.owner': session.spec.owner };
    tracer.record({ ...lifeSpan(uid), name: 'session', attributes: life, start: Date.parse(creationTimestamp), end });
  }
}

/**
 * Where the work that a consumed event causes belongs. A sender that goes on with our own trace is its parent; one with a
 * trace of its own is linked to it.
 */
export function causeOf(session: LabletSession, traceParent: string | undefined): { parent: SpanContext; links: readonly SpanContext[] } {
  const here = phaseSpan(session);
  const cause = readTraceParent(traceParent);
  if (!cause) return { parent: here, links: [] };
  return cause.traceId === here.traceId ? { parent: cause, links: [] } : { parent: here, links: [cause] };
}

/**
 * Records that a sink has taken an event: from the write that recorded it to the sink's answer. With several sinks the
 * first has the span that the event names, the others are below it.
 */
export function recordDelivery(tracer: Tracer, { metadata: { uid } }: Pick<KubeObject, 'metadata'>, { kind }: Pick<Resource, 'kind'>, entry: Emission, sink: { readonly name: string; readonly isFirst: boolean }, now: Date): void {
  const own = eventSpan(uid, entry.id);
  const life = kind === 'LabletSession' ? lifeSpan(uid).spanId : undefined;
  const cause = readTraceParent(entry.traceParent);
  const details: SpanDetails = {
    name: `send ${entry.type}`, kind: 'producer', links: cause && cause.traceId !== own.traceId ? [cause] : [],
    attributes: { 'cloudevents.event_id': entry.id, 'cloudevents.event_type': entry.type, 'messaging.destination.name': sink.name },
  };
  const place = sink.isFirst ? { ...own, parentId: life } : { ...spanOf(uid, entry.id, sink.name), parentId: own.spanId };
  tracer.record({ ...details, ...place, start: Date.parse(entry.time), end: now.getTime() });
}
