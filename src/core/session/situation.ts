/**
 * One session at one instant, as the rules of the lifecycle see it: the draft of its next status, what is asked of it,
 * what was seen outside, and which deadlines lie ahead. The draft is the only thing that changes while rules are applied.
 */
import { ANNOTATIONS } from '../../api/group.ts';
import { isDeleting } from '../../api/meta.ts';
import { readStoredData } from '../../api/events.ts';
import { pipelineSteps, runState } from '../pipelines.ts';
import { earliest, fromTime, latest, plus, toTime } from '../time.ts';
import { without } from '../without.ts';
import type { ConsumedData, ConsumedEvent, ConsumedType } from '../../api/events.ts';
import type { InboxEntry, LabletSession, PipelineName } from '../../api/labletsession.ts';
import type { OutboxEntry } from '../../api/outbox.ts';
import type { ScoreReportSpec } from '../../api/scorereport.ts';
import type { PinnedDefinition } from '../definition.ts';
import type { RunState } from '../pipelines.ts';
import type { SessionStatus, SessionWorld, Signal } from './world.ts';

/** A ScoreReport that must exist before the status that speaks of it is written. */
export interface ReportToCreate {
  name: string;
  spec: ScoreReportSpec;
}

/** Something a person should be told by a Kubernetes Event. */
export interface Notice {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

export interface Situation {
  readonly session: LabletSession;
  readonly world: SessionWorld;
  readonly now: Date;
  readonly draft: SessionStatus;
  /** Seen just now by asking LDS or the GradingEngine; deferred events of the inbox come on top. */
  readonly signals: readonly Signal[];
  /** Is T0 part of this judgement? Refusals are decided once, at admission. */
  admitting: boolean;
  /** The earliest instant at which a rule could decide otherwise without anything else changing. */
  wakeAt: Date | undefined;
  reports: ReportToCreate[];
  notices: Notice[];
  /** What an overflowing outbox lost, for the metrics. */
  dropped: OutboxEntry[];
  /** Who told that the grading failed, if that was in this judgement. */
  failure: { actor: string; eventId?: string | undefined; traceParent?: string | undefined } | undefined;
}

export function situation(session: LabletSession, world: SessionWorld, now: Date, signals: readonly Signal[] = []): Situation {
  const draft = structuredClone(session.status ?? {});
  return { session, world, now, draft, signals, admitting: false, wakeAt: undefined, reports: [], notices: [], dropped: [], failure: undefined };
}

/** Is `at` over? If not, it is noted as a time to look again: every deadline that is asked about is also waited for. */
export function due(s: Situation, at: Date | undefined): boolean {
  if (at === undefined) return false;
  if (at <= s.now) return true;
  s.wakeAt = earliest(s.wakeAt, at);
  return false;
}

/** The definition version in use, if it can be read now. */
export const definitionOf = (s: Situation): PinnedDefinition | undefined => (s.world.definition.state === 'ready' ? s.world.definition.definition : undefined);

/** What becomes of a failed grading. While the definition cannot be read nothing is given up. */
export function failurePolicy(s: Situation): 'Stop' | 'Hold' | 'Retry' {
  const definition = definitionOf(s);
  return definition ? (definition.spec.grading?.onFailure ?? 'Stop') : 'Hold';
}

/** State of the run of a pipeline; undefined if another one (or none) is in the checkpoint. */
export function pipelineState(s: Situation, name: PipelineName): RunState | undefined {
  const { pipeline } = s.draft;
  return pipeline?.name === name ? runState(pipeline, pipelineSteps(name, definitionOf(s)?.spec)) : undefined;
}

/** Why nothing may be decided about the object now; undefined: all is well. Events are stored nevertheless. */
export function heldBack(session: LabletSession): 'Paused' | 'Restored' | undefined {
  const { annotations, uid } = session.metadata;
  if (annotations?.[ANNOTATIONS.paused] !== undefined) return 'Paused';
  const seenUid = annotations?.[ANNOTATIONS.seenUid];
  return seenUid !== undefined && seenUid !== uid ? 'Restored' : undefined;
}

export const isForced = (s: Situation): boolean => s.session.metadata.annotations?.[ANNOTATIONS.forceTerminate] !== undefined;
export const isStartedByHand = (s: Situation): boolean => s.session.metadata.annotations?.[ANNOTATIONS.start] !== undefined;
export const isHoldReleased = (s: Situation): boolean => s.session.metadata.annotations?.[ANNOTATIONS.releaseHold] !== undefined;

/** Desired state in force: a namespace that goes away takes the session with it; deletion finishes gracefully. */
export function desired(s: Situation): 'Active' | 'Ended' | 'Terminated' {
  if (s.world.namespaceTerminating) return 'Terminated';
  const asked = s.session.spec.desiredState;
  return asked === 'Active' && isDeleting(s.session) ? 'Ended' : asked;
}

/** When the current phase was entered; creation for a session without a phase. */
export function since(s: Situation): Date {
  const entry = s.draft.history?.findLast((transition) => transition.to === s.draft.phase);
  return fromTime(entry?.at ?? s.session.metadata.creationTimestamp);
}

export const slotStart = (s: Situation): Date | undefined => fromTime(s.draft.timeslot?.start);
export const slotEnd = (s: Situation): Date | undefined => fromTime(s.draft.timeslot?.end);

/** Was the session booked for a time (and not as soon as possible)? */
export const isBooked = (s: Situation): boolean => s.session.spec.timeslot?.start !== undefined;

/** The last instant at which the candidate may work: end of the slot, or maxDuration and extension after the start. */
export function hardEnd(s: Situation): Date | undefined {
  if (s.world.definition.state !== 'ready') return slotEnd(s);
  const { maxDuration } = s.world.definition.durations;
  const started = fromTime(s.draft.startedAt);
  const bookedEnd = fromTime(s.draft.timeslot?.bookedEnd);
  const end = slotEnd(s);
  const extension = end && bookedEnd ? Math.max(0, end.getTime() - bookedEnd.getTime()) : 0;
  return earliest(end, started && plus(started, maxDuration + extension));
}

/** When a Ready session that nobody starts counts as no-show; undefined: never. */
export function noShowAt(s: Situation): Date | undefined {
  if (s.world.definition.state !== 'ready') return undefined;
  const { noShowTimeout } = s.world.definition.durations;
  const from = latest(fromTime(s.draft.readyAt), slotStart(s));
  return noShowTimeout === 0 || from === undefined ? undefined : plus(from, noShowTimeout);
}

/** What was seen of a kind of event: by asking, or deferred in the inbox. The caller marks it with `settle` once it is used. */
export interface Seen<T extends ConsumedType> {
  event: ConsumedEvent<T>;
  actor: Signal['actor'];
  entry?: InboxEntry | undefined;
}

export function seen<T extends ConsumedType>(s: Situation, type: T): Seen<T> | undefined {
  const entry = s.draft.inbox?.find((candidate) => candidate.type === type && candidate.result === 'Deferred');
  const data = entry && stored(s, type, entry);
  if (entry && data) {
    const event = { type, id: entry.id, source: entry.source, time: entry.time, ...(entry.traceParent === undefined ? {} : { traceParent: entry.traceParent }), data } as ConsumedEvent<T>;
    return { event, actor: type.startsWith('lds.') ? 'lds' : 'grading-engine', entry };
  }
  const signal = s.signals.find((candidate) => candidate.event.type === type);
  return signal && { event: signal.event as ConsumedEvent<T>, actor: signal.actor };
}

/** The data of a deferred event. What another version of the controller stored and this one cannot read must not stop the session for ever. */
function stored<T extends ConsumedType>(s: Situation, type: T, entry: InboxEntry): ConsumedData<T> | undefined {
  try {
    return readStoredData(type, entry.data ?? '');
  } catch {
    settle(s, entry, 'Ignored');
    s.notices.push({ type: 'Warning', reason: 'UnreadableEvent', message: `The stored ${type} ${entry.id} of ${entry.source} cannot be read and was given up; its sender should send it again under a new id.` });
    return undefined;
  }
}

/** Marks a deferred event as used (Applied) or no longer of use (Ignored); its data is no longer needed. */
export function settle(s: Situation, entry: InboxEntry | undefined, result: 'Applied' | 'Ignored'): void {
  if (!entry) return;
  s.draft.inbox = s.draft.inbox?.map((candidate) => {
    if (candidate.id !== entry.id || candidate.source !== entry.source) return candidate;
    return { ...without(candidate, 'data'), result };
  });
}

/** The result that can be stored now: a ScoreReport names the definition version, so that must be readable. */
export const result = (s: Situation): Seen<'grading.session.completed'> | undefined => (definitionOf(s) ? seen(s, 'grading.session.completed') : undefined);

/** The slot in force at admission: as booked, its end defaulted to start + maxDuration. Empty: as soon as possible. */
export function bookedSlot(s: Situation): { start?: string; end?: string; bookedEnd?: string } {
  const { start, end } = s.session.spec.timeslot ?? {};
  if (start === undefined || s.world.definition.state !== 'ready') return {};
  const until = toTime(end === undefined ? plus(new Date(start), s.world.definition.durations.maxDuration) : new Date(end));
  return { start: toTime(new Date(start)), end: until, bookedEnd: until };
}
