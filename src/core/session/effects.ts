/** What each row of the table does to the status, with its events in the order of the contract. */
import { derivedId, recordEvent } from '../outbox.ts';
import { pipelineSteps, startPipeline } from '../pipelines.ts';
import { setCondition } from '../conditions.ts';
import { fromTime, plus, toTime } from '../time.ts';
import { HISTORY_MAX } from '../../api/outbox.ts';
import { bookedSlot, isBooked, seen, settle } from './situation.ts';
import { reportFor } from './score.ts';
import type { EmittedData, EmittedType } from '../../api/events.ts';
import type { OutboxEntry } from '../../api/outbox.ts';
import type { PipelineName, SessionPhase, UserSession } from '../../api/labletsession.ts';
import type { Because, Row, RowId } from './table.ts';
import type { Situation } from './situation.ts';

/** Name of the Secret that holds the launch URL of a session. */
export const launchSecretName = (sessionName: string): string => `${sessionName}-launch`;

type Effect = (s: Situation, because: Because) => void;

const emit = <T extends EmittedType>(s: Situation, because: Because, type: T, data: EmittedData<T>, secretRef?: OutboxEntry['secretRef']): void => {
  if (!s.world.emit) return;
  const lost = recordEvent(s.draft, type, data, { uid: s.session.metadata.uid, now: s.now, causationId: because.eventId }, secretRef);
  s.dropped += lost.length;
};

const id = (s: Situation): string => s.session.metadata.uid;
const now = (s: Situation): string => toTime(s.now);

function begin(s: Situation, name: PipelineName): void {
  const spec = s.world.definition.state === 'ready' ? s.world.definition.definition.spec : undefined;
  s.draft.pipeline = startPipeline(name, pipelineSteps(name, spec), s.now);
}

function condition(s: Situation, type: string, status: 'True' | 'False', because: Because): void {
  setCondition(s.draft, { type, status, reason: because.reason, message: because.message }, s.now, s.session.metadata.generation);
}

/** Ends the candidate access, unless it has ended already. */
function endUserSession(s: Situation, state: 'Ended' | 'Expired'): void {
  const user = s.draft.userSession;
  if (!user || ['Ended', 'Expired', 'Faulted'].includes(user.state)) return;
  s.draft.userSession = { ...user, state, endedAt: now(s) };
}

function faultGrading(s: Situation, because: Because): void {
  const grading = s.draft.gradingSession;
  if (grading && grading.state !== 'Submitted') s.draft.gradingSession = { ...grading, state: 'Faulted', completedAt: grading.completedAt ?? now(s), error: grading.error ?? because.message.slice(0, 512) };
  condition(s, 'Graded', 'False', because);
}

/** Forgets the worker and the lab, so that the scheduler may bind others (T4, T7). */
function unbind(s: Situation): void {
  s.draft.reschedules = (s.draft.reschedules ?? 0) + 1;
  for (const field of ['workerName', 'labName', 'labOrigin', 'cmlLabId', 'allocatedPorts', 'pipeline', 'scheduledAt', 'userSession'] as const) Reflect.deleteProperty(s.draft, field);
}

function terminate(s: Situation, because: Because, from: SessionPhase): void {
  s.draft.terminatedAt = now(s);
  if (because.ending) s.draft.ending ??= because.ending;
  Reflect.deleteProperty(s.draft, 'pipeline');
  emit(s, because, 'ccm.lablet.session.terminated', {
    session_id: id(s), final_state: from.toLowerCase() as Lowercase<SessionPhase>, reason: because.reason,
    ...(s.draft.scoreReport ? { score_report_id: s.draft.scoreReport.id } : {}),
  });
}

/** Into Stopping, whatever the row: readiness ends and the teardown begins. */
function stop(s: Situation, because: Because): void {
  s.draft.ending = because.ending ?? 'Normal';
  begin(s, 'teardown');
  condition(s, 'Ready', 'False', because);
  emit(s, because, 'ccm.lablet.session.stopping', { session_id: id(s), reason: because.reason });
}

function pending(s: Situation, because: Because): void {
  const { definition } = s.world;
  if (definition.state !== 'ready') return;
  const { spec, metadata } = s.session;
  emit(s, because, 'ccm.lablet.session.pending', {
    session_id: id(s), definition_id: definition.definition.uid, owner_id: spec.owner, definition_version: definition.definition.version,
    ...(spec.reservationId ? { reservation_id: spec.reservationId } : {}),
    ...(s.draft.timeslot?.start ? { timeslot_start: s.draft.timeslot.start } : {}),
    ...(s.draft.timeslot?.end ? { timeslot_end: s.draft.timeslot.end } : {}),
    created_at: metadata.creationTimestamp,
  });
}

function collectionEvents(s: Situation, because: Because): void {
  const grading = s.draft.gradingSession;
  if (!grading) return;
  emit(s, because, 'ccm.lablet.grading_session.created', { grading_session_id: grading.id, lablet_session_id: id(s) });
  emit(s, because, 'ccm.lablet.session.collecting', {
    session_id: id(s), grading_session_id: grading.id, triggered_by: because.actor,
    ...(because.collectionReason ? { collection_reason: because.collectionReason } : {}),
  });
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

/** Stores a result in the status: the ScoreReport itself is created before this is written. */
export function recordScore(s: Situation, because: Because): boolean {
  const event = seen(s, 'grading.session.completed');
  const report = event && reportFor(s, event);
  if (!event || !report) return false;
  const { spec } = report;
  s.reports.push({ name: report.name, spec });
  s.draft.scoreReport = {
    name: report.name, id: derivedId(id(s), 'ScoreReport', spec.attempt), score: spec.score, passed: spec.passed, submittedAt: spec.submittedAt,
    ...(spec.maxScore === undefined ? {} : { maxScore: spec.maxScore }), ...(spec.cutScore === undefined ? {} : { cutScore: spec.cutScore }),
  };
  if (s.draft.gradingSession) {
    const { error: _, ...grading } = s.draft.gradingSession;
    s.draft.gradingSession = { ...grading, state: 'Submitted', completedAt: now(s) };
  }
  condition(s, 'Graded', 'True', { ...because, reason: spec.passed ? 'Passed' : 'NotPassed' });
  emit(s, because, 'ccm.lablet.score_report.created', { score_report_id: s.draft.scoreReport.id, lablet_session_id: id(s), score: spec.score, passed: spec.passed });
  emit(s, because, 'ccm.lablet.session.graded', {
    session_id: id(s), score_report_id: s.draft.scoreReport.id, score: spec.score, passed: spec.passed, ...(spec.maxScore === undefined ? {} : { max_score: spec.maxScore }),
  });
  return true;
}

const EFFECTS: Record<RowId, Effect> = {
  T0: (s, because) => {
    if (s.world.definition.state !== 'ready') return;
    s.admitting = true;
    s.draft.definitionVersion = s.world.definition.definition.version;
    s.draft.timeslot = bookedSlot(s, s.world.scale);
    pending(s, because);
  },
  T1: (s, because) => {
    s.draft.scheduledAt = now(s);
    condition(s, 'Scheduled', 'True', because);
    emit(s, because, 'ccm.lablet.session.scheduled', { session_id: id(s), worker_id: s.draft.workerName ?? '', allocated_ports: s.draft.allocatedPorts ?? {} });
  },
  T2: (s, because) => terminate(s, because, 'Pending'),
  T3: (s, because) => {
    begin(s, 'instantiate');
    s.draft.attempts = 1;
    const sha = s.world.definition.state === 'ready' ? { lab_yaml_hash: s.world.definition.definition.sha256 } : {};
    emit(s, because, 'ccm.lablet.session.instantiating', { session_id: id(s), worker_id: s.draft.workerName ?? '', ...sha });
  },
  T4: (s, because) => { unbind(s); condition(s, 'Scheduled', 'False', because); pending(s, because); },
  T5: (s, because) => terminate(s, because, 'Scheduled'),
  T6: (s, because) => {
    s.draft.readyAt = now(s);
    const slot = s.draft.timeslot ?? {};
    if (!isBooked(s) && s.world.definition.state === 'ready') {
      const end = toTime(plus(s.now, s.world.definition.durations.maxDuration));
      s.draft.timeslot = { start: now(s), end: slot.end ?? end, bookedEnd: slot.bookedEnd ?? end };
    }
    condition(s, 'LabReady', 'True', because);
    condition(s, 'Ready', 'True', because);
    const user = s.draft.userSession;
    if (!user) return;
    emit(s, because, 'ccm.lablet.user_session.created', { user_session_id: user.id, lablet_session_id: id(s) });
    const secret = user.loginUrlSecretRef;
    emit(s, because, 'ccm.lablet.session.ready', { session_id: id(s), login_url: null, allocated_ports: s.draft.allocatedPorts ?? {} },
      secret && { name: secret.name, key: 'login_url', field: 'login_url' });
  },
  T7: (s, because) => { unbind(s); condition(s, 'Scheduled', 'False', because); pending(s, because); },
  T8: (s, because) => { endUserSession(s, 'Ended'); stop(s, because); },
  T9: (s, because) => {
    const user: UserSession | undefined = s.draft.userSession;
    s.draft.startedAt = now(s);
    if (user) s.draft.userSession = { ...user, state: 'Active', startedAt: now(s) };
    emit(s, because, 'ccm.lablet.session.running', {
      session_id: id(s), user_session_id: user?.id ?? derivedId(id(s), 'UserSession'), started_at: now(s), ...(s.draft.cmlLabId ? { cml_lab_id: s.draft.cmlLabId } : {}),
    });
  },
  T10: (s, because) => { endUserSession(s, because.ending === 'Cancelled' ? 'Ended' : 'Expired'); stop(s, because); },
  T11: (s, because) => {
    finishWork(s, because);
    s.draft.gradingSession = { id: derivedId(id(s), 'GradingSession'), state: 'Collecting', attempt: 1, startedAt: now(s) };
    begin(s, 'collect_evidence');
    collectionEvents(s, because);
  },
  T12: (s, because) => { finishWork(s, because); stop(s, because); },
  T13: (s, because) => {
    begin(s, 'compute_grading');
    emit(s, because, 'ccm.lablet.session.grading', { session_id: id(s), grading_session_id: s.draft.gradingSession?.id ?? '' });
  },
  T14: (s, because) => { faultGrading(s, because); stop(s, because); },
  T15: (s, because) => { recordScore(s, because); stop(s, because); },
  T16: (s, because) => { faultGrading(s, because); stop(s, because); },
  T17: (s, because) => {
    s.draft.stoppedAt = now(s);
    condition(s, 'LabReady', 'False', because);
    emit(s, because, 'ccm.lablet.session.stopped', { session_id: id(s), ...usage(s) });
  },
  T18: (s) => { s.draft.archivedAt = now(s); Reflect.deleteProperty(s.draft, 'pipeline'); },
  T19: (s, because) => terminate(s, because, 'Stopped'),
  T20: (s, because) => {
    terminate(s, because, 'Archived');
    Reflect.deleteProperty(s.draft, 'inbox');
    if (s.draft.userSession) Reflect.deleteProperty(s.draft.userSession, 'devices');
  },
  T21: (s, because) => {
    const from = s.draft.phase ?? 'Pending';
    endUserSession(s, 'Ended');
    if (s.draft.gradingSession && s.draft.gradingSession.state !== 'Submitted') faultGrading(s, because);
    if (s.draft.startedAt && !s.draft.endedAt) finishWork(s, because);
    condition(s, 'Ready', 'False', because);
    terminate(s, because, from);
  },
};

/** The candidate's work is over: endedAt, duration, UserSession Ended, or Expired where the clock ended it. */
function finishWork(s: Situation, because: Because): void {
  const started = fromTime(s.draft.startedAt);
  s.draft.endedAt = now(s);
  if (started) s.draft.durationSeconds = Math.max(0, Math.round((s.now.getTime() - started.getTime()) / 1000));
  endUserSession(s, because.actor === 'timer' ? 'Expired' : 'Ended');
}

/** Takes one row: the only place that writes a phase. */
export function take(s: Situation, row: Pick<Row, 'row' | 'from' | 'to'>, because: Because): void {
  if ((s.draft.phase ?? null) !== row.from) throw new Error(`${row.row} starts at ${row.from ?? 'no phase'}, the session is ${s.draft.phase ?? 'without one'}`);
  s.draft.history = [
    ...(s.draft.history ?? []),
    {
      ...(row.from ? { from: row.from } : {}), to: row.to, at: now(s), reason: because.reason, actor: because.actor, row: row.row,
      ...(because.eventId ? { eventId: because.eventId } : {}),
    },
  ].slice(-HISTORY_MAX);
  // The effect sees the phase that is left (T21 names it), and `since` of the new phase afterwards.
  EFFECTS[row.row](s, because);
  s.draft.phase = row.to;
  // T17 to T19 keep the reason that led to the end.
  if (!(['T17', 'T18', 'T19'] as RowId[]).includes(row.row)) {
    s.draft.reason = because.reason;
    s.draft.message = because.message;
  }
  for (const entry of because.uses ?? []) settle(s, entry, 'Applied');
}
