/** What each row of the table does to the status, with its events in the order of the contract. */
import { ADMISSION } from '../booking.ts';
import { derivedId } from '../outbox.ts';
import { findStep } from '../pipelines.ts';
import { fromTime, plus, toTime } from '../time.ts';
import { HISTORY_MAX } from '../../api/outbox.ts';
import { begin, condition, emit, endUserSession, faultGrading, finishWork, nowText, sessionId } from './draft.ts';
import { recordScore } from './score.ts';
import { bookedSlot, definitionOf, isBooked, settle } from './situation.ts';
import { TABLE } from './table.ts';
import type { EmittedData } from '../../api/events.ts';
import type { SessionPhase, UserSession } from '../../api/labletsession.ts';
import type { Because, Row, RowId } from './row.ts';
import type { Situation } from './situation.ts';

/** Name of the Secret that holds the launch URL of a session. */
export const launchSecretName = (sessionName: string): string => `${sessionName}-launch`;

const MESSAGE_MAX = 1024;

type Effect = (s: Situation, because: Because) => void;

/** Forgets the worker and the lab, so that the scheduler may bind others (T4, T7). */
function unbind(s: Situation, because: Because): void {
  s.draft.reschedules = (s.draft.reschedules ?? 0) + 1;
  for (const field of ['workerName', 'labName', 'labOrigin', 'cmlLabId', 'allocatedPorts', 'pipeline', 'scheduledAt', 'userSession'] as const) Reflect.deleteProperty(s.draft, field);
  condition(s, 'Scheduled', 'False', because);
  pending(s, because);
}

function terminate(s: Situation, because: Because, from: SessionPhase): void {
  s.draft.terminatedAt = nowText(s);
  if (because.ending) s.draft.ending ??= because.ending;
  Reflect.deleteProperty(s.draft, 'pipeline');
  emit(s, because, 'ccm.lablet.session.terminated', {
    session_id: sessionId(s), final_state: from.toLowerCase() as Lowercase<SessionPhase>, reason: because.reason,
    ...(s.draft.scoreReport ? { score_report_id: s.draft.scoreReport.id } : {}),
  });
}

/** Into Stopping, whatever the row: readiness ends and the teardown begins. */
function stop(s: Situation, because: Because): void {
  s.draft.ending = because.ending ?? 'Normal';
  begin(s, 'teardown');
  condition(s, 'Ready', 'False', because);
  emit(s, because, 'ccm.lablet.session.stopping', { session_id: sessionId(s), reason: because.reason });
}

function pending(s: Situation, because: Because): void {
  const definition = definitionOf(s);
  if (!definition) return;
  const { spec, metadata } = s.session;
  emit(s, because, 'ccm.lablet.session.pending', {
    session_id: sessionId(s), definition_id: definition.uid, owner_id: spec.owner, definition_version: definition.version,
    ...(spec.reservationId ? { reservation_id: spec.reservationId } : {}),
    ...(s.draft.timeslot?.start ? { timeslot_start: s.draft.timeslot.start } : {}),
    ...(s.draft.timeslot?.end ? { timeslot_end: s.draft.timeslot.end } : {}),
    created_at: metadata.creationTimestamp,
  });
}

/** A slot that was not booked begins when the lab is ready. */
function openSlot(s: Situation): void {
  if (isBooked(s) || s.world.definition.state !== 'ready') return;
  const end = toTime(plus(s.now, s.world.definition.durations.maxDuration));
  s.draft.timeslot = { start: nowText(s), end, bookedEnd: end };
}

/** The candidate access as it is at T6: without LDS, or where LDS failed and may fail (ldsOptional), it is started by hand. */
function provision(s: Situation): UserSession {
  const access: UserSession = s.draft.userSession ?? { id: derivedId(sessionId(s), 'UserSession', (s.draft.reschedules ?? 0) + 1), partNum: 1, state: 'Provisioned' };
  const lds = findStep(s.draft.pipeline, 'lds_provision');
  if (lds?.state === 'Failed') condition(s, 'Degraded', 'True', { reason: 'LdsUnavailable', message: `There is no LDS page (${lds.error ?? 'no reason given'}); the session is started by the annotation lablet.dev/start.` });
  return access.state === 'Provisioning' ? { ...access, state: 'Provisioned' } : access;
}

/** The usage that a billing system meters: worker_seconds at the price of the template. */
function usage(s: Situation): Omit<EmittedData<'ccm.lablet.session.stopped'>, 'session_id'> {
  const scheduled = fromTime(s.draft.scheduledAt);
  const seconds = scheduled ? Math.max(0, Math.round((s.now.getTime() - scheduled.getTime()) / 1000)) : 0;
  const { templateName, costPerHour } = s.world.worker ?? {};
  return {
    ...(s.draft.durationSeconds === undefined ? {} : { duration_seconds: s.draft.durationSeconds }),
    worker_seconds: seconds,
    ...(templateName ? { template_name: templateName } : {}),
    ...(costPerHour ? { cost_estimate: ((Number(costPerHour) * seconds) / 3600).toFixed(4) } : {}),
  };
}

/** What had to be left behind is named in an Event. */
function sayLeftovers(s: Situation, because: Because): void {
  if (because.reason === 'TeardownTimeout') s.notices.push({ type: 'Warning', reason: because.reason, message: because.message });
}

const EFFECTS: Record<RowId, Effect> = {
  T0: (s, because) => {
    const definition = definitionOf(s);
    if (!definition) return;
    s.admitting = true;
    s.draft.definitionVersion = definition.version;
    s.draft.timeslot = bookedSlot(s);
    if (s.world.noRoom === undefined) condition(s, 'Admitted', 'True', { reason: ADMISSION.admitted, message: 'The calendar holds its capacity.' });
    else condition(s, 'Admitted', 'False', { reason: ADMISSION.noRoom, message: s.world.noRoom });
    pending(s, because);
  },
  T1: (s, because) => {
    s.draft.scheduledAt = nowText(s);
    condition(s, 'Scheduled', 'True', because);
    emit(s, because, 'ccm.lablet.session.scheduled', { session_id: sessionId(s), worker_id: s.draft.workerName ?? '', allocated_ports: s.draft.allocatedPorts ?? {} });
  },
  T2: (s, because) => {
    if (because.refusal) condition(s, 'Admitted', 'False', because);
    terminate(s, because, 'Pending');
  },
  T3: (s, because) => {
    begin(s, 'instantiate');
    s.draft.attempts = 1;
    const definition = definitionOf(s);
    emit(s, because, 'ccm.lablet.session.instantiating', { session_id: sessionId(s), worker_id: s.draft.workerName ?? '', ...(definition ? { lab_yaml_hash: definition.sha256 } : {}) });
  },
  T4: unbind,
  T5: (s, because) => terminate(s, because, 'Scheduled'),
  T6: (s, because) => {
    s.draft.readyAt = nowText(s);
    openSlot(s);
    const access = provision(s);
    s.draft.userSession = access;
    condition(s, 'LabReady', 'True', because);
    condition(s, 'Ready', 'True', because);
    const secret = access.loginUrlSecretRef;
    emit(s, because, 'ccm.lablet.user_session.created', { user_session_id: access.id, lablet_session_id: sessionId(s) });
    emit(s, because, 'ccm.lablet.session.ready', { session_id: sessionId(s), login_url: null, allocated_ports: s.draft.allocatedPorts ?? {}, pod_assigned: s.draft.gradingSession !== undefined },
      secret && { name: secret.name, key: 'login_url', field: 'login_url', ...(access.loginUrlSha256 === undefined ? {} : { sha256: access.loginUrlSha256 }) });
  },
  T7: unbind,
  T8: (s, because) => { endUserSession(s, 'Ended'); stop(s, because); },
  T9: (s, because) => {
    const access = s.draft.userSession;
    s.draft.startedAt = nowText(s);
    if (access) s.draft.userSession = { ...access, state: 'Active', startedAt: nowText(s) };
    emit(s, because, 'ccm.lablet.session.running', {
      session_id: sessionId(s), user_session_id: access?.id ?? derivedId(sessionId(s), 'UserSession'), started_at: nowText(s), ...(s.draft.cmlLabId ? { cml_lab_id: s.draft.cmlLabId } : {}),
    });
  },
  T10: (s, because) => { endUserSession(s, because.ending === 'Cancelled' ? 'Ended' : 'Expired'); stop(s, because); },
  T11: (s, because) => {
    finishWork(s, because);
    const id = derivedId(sessionId(s), 'GradingSession');
    s.draft.gradingSession = { id, state: 'Collecting', attempt: 1, startedAt: nowText(s) };
    begin(s, 'collect_evidence');
    emit(s, because, 'ccm.lablet.grading_session.created', { grading_session_id: id, lablet_session_id: sessionId(s) });
    emit(s, because, 'ccm.lablet.session.collecting', {
      session_id: sessionId(s), grading_session_id: id, triggered_by: because.actor, ...(because.collectionReason ? { collection_reason: because.collectionReason } : {}),
    });
  },
  T12: (s, because) => { finishWork(s, because); stop(s, because); },
  T13: (s, because) => {
    begin(s, 'compute_grading');
    emit(s, because, 'ccm.lablet.session.grading', { session_id: sessionId(s), grading_session_id: s.draft.gradingSession?.id ?? derivedId(sessionId(s), 'GradingSession') });
  },
  T14: (s, because) => { faultGrading(s, because); stop(s, because); },
  T15: (s, because) => { recordScore(s, because); stop(s, because); },
  T16: (s, because) => { faultGrading(s, because); stop(s, because); },
  T17: (s, because) => {
    s.draft.stoppedAt = nowText(s);
    condition(s, 'LabReady', 'False', because);
    sayLeftovers(s, because);
    emit(s, because, 'ccm.lablet.session.stopped', { session_id: sessionId(s), ...usage(s) });
  },
  T18: (s, because) => {
    s.draft.archivedAt = nowText(s);
    Reflect.deleteProperty(s.draft, 'pipeline');
    sayLeftovers(s, because);
  },
  T19: (s, because) => {
    sayLeftovers(s, because);
    // The event tells why the session ended, not that its lab was removed.
    terminate(s, { ...because, reason: s.draft.reason ?? because.reason }, 'Stopped');
  },
  T20: (s, because) => {
    terminate(s, because, 'Archived');
    Reflect.deleteProperty(s.draft, 'inbox');
    if (s.draft.userSession) Reflect.deleteProperty(s.draft.userSession, 'devices');
  },
  T21: (s, because) => {
    if (s.draft.gradingSession && !s.draft.scoreReport) faultGrading(s, because);
    if (s.draft.startedAt && !s.draft.endedAt) finishWork(s, because);
    endUserSession(s, 'Ended');
    condition(s, 'Ready', 'False', because);
    terminate(s, because, s.draft.phase ?? 'Pending');
  },
};

/** Rows that say what became of the lab: the status keeps the reason that led to the end. */
const KEEPS_REASON: ReadonlySet<RowId> = new Set(['T17', 'T18', 'T19']);

/**
 * Takes one row: the only place that writes a phase.
 * @throws Error if the session is not where the row starts, or the table has no such row
 */
export function take(s: Situation, { row, from, to }: Pick<Row, 'row' | 'from' | 'to'>, because: Because): void {
  if ((s.draft.phase ?? null) !== from) throw new Error(`${row} starts at ${from ?? 'no phase'}, the session is ${s.draft.phase ?? 'without one'}`);
  if (!TABLE.some((known) => known.row === row && known.from === from && known.to === to)) throw new Error(`there is no row ${row} from ${from ?? 'no phase'} to ${to}`);
  s.draft.history = [
    ...(s.draft.history ?? []),
    { ...(from ? { from } : {}), to, at: nowText(s), reason: because.reason, actor: because.actor, row, ...(because.eventId ? { eventId: because.eventId } : {}) },
  ].slice(-HISTORY_MAX);
  // The effect sees the phase that is left: T21 names it.
  EFFECTS[row](s, because);
  s.draft.phase = to;
  if (!KEEPS_REASON.has(row)) {
    s.draft.reason = because.reason;
    s.draft.message = because.message.slice(0, MESSAGE_MAX);
  }
  for (const entry of because.uses ?? []) settle(s, entry, 'Applied');
}
