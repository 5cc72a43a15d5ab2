/** What the page shows of an object, as pure functions of it. A field that is not named here never leaves the controller. */
import { ANNOTATIONS } from '../api/group.ts';
import { HISTORY_MAX } from '../api/outbox.ts';
import { isDeleting, objectKey } from '../api/meta.ts';
import { getCondition } from '../core/conditions.ts';
import { parseQuantity } from '../core/quantity.ts';
import { isForSinks } from '../api/outbox.ts';
import { SESSION_PHASES } from '../api/labletsession.ts';
import type { LabletSession, SessionPhase } from '../api/labletsession.ts';
import type { HistoryEntry } from '../api/outbox.ts';
import type { Worker, WorkerStatus } from '../api/worker.ts';
import type { Alert, Chapter, SessionRow, Share, Story, StoryStep, WorkerRow } from './page/messages.ts';

const PHASES: ReadonlySet<string> = new Set(SESSION_PHASES);

/** A row of fleet and timeline. */
export function sessionRow(session: LabletSession): SessionRow {
  const { spec, status = {} } = session;
  const start = time(status.timeslot?.start ?? spec.timeslot?.start);
  const end = time(status.timeslot?.end ?? spec.timeslot?.end);
  const found = noteOf(session);
  return {
    key: objectKey(session),
    phase: status.phase ?? 'Pending',
    definition: `${spec.definitionRef.name}${status.definitionVersion === undefined ? '' : `@${status.definitionVersion}`}`,
    ...given({ worker: status.workerName, ending: status.ending, slot: start === undefined || end === undefined ? undefined : ([start, end] as const), note: found?.note, alarm: found?.alarm ? true : undefined }),
    spans: spansOf(session),
  };
}

/** One that was not admitted yet counts as Pending from its creation. */
function spansOf({ metadata, status }: LabletSession): SessionRow['spans'] {
  const known = (status?.history ?? []).flatMap(({ to, at }): [SessionPhase, number][] => (isPhase(to) ? [[to, Date.parse(at)]] : []));
  return known.length > 0 ? known : [['Pending', Date.parse(metadata.creationTimestamp)]];
}

const isPhase = (text: string): text is SessionPhase => PHASES.has(text);

/** What a person should know first: what asks for an act before what explains a wait. */
function noteOf(session: LabletSession): { note: string; alarm: boolean } | undefined {
  const { status, metadata } = session;
  const phase = status?.phase ?? 'Pending';
  const held = getCondition(status, 'Graded');
  const degraded = getCondition(status, 'Degraded');
  if (metadata.annotations?.[ANNOTATIONS.paused] !== undefined) return { note: `Paused by the annotation ${ANNOTATIONS.paused}.`, alarm: true };
  if (phase === 'Grading' && held?.status === 'False') return { note: held.message ?? held.reason, alarm: true };
  if (degraded?.status === 'True' && phase !== 'Terminated' && phase !== 'Archived') return { note: degraded.message ?? degraded.reason, alarm: true };
  if (phase === 'Pending') {
    const why = [getCondition(status, 'Admitted'), getCondition(status, 'Scheduled')].find((condition) => condition?.status === 'False');
    return why && { note: why.message ?? why.reason, alarm: false };
  }
  return status?.ending !== undefined && status.ending !== 'Normal' && status.message !== undefined ? { note: status.message, alarm: false } : undefined;
}

/** A row of the fleet. */
export function workerRow(worker: Worker): WorkerRow {
  const { metadata, spec, status } = worker;
  return {
    name: metadata.name, phase: status?.phase ?? 'Pending', template: spec.templateName, ...given({ version: status?.cmlVersion }),
    capacity: sharesOf(status?.capacity), alerts: alertsOf(worker),
  };
}

function sharesOf(capacity: WorkerStatus['capacity']): Share[] {
  if (!capacity) return [];
  return (['cpu', 'memory', 'storage', 'nodes', 'ports'] as const).flatMap((name) => {
    const [allocated, declared] = [capacity.allocated[name], capacity.declared[name]];
    const [used, total] = [amount(allocated), amount(declared)];
    return used === undefined || total === undefined ? [] : [{ name, used, total, text: `${allocated} of ${declared}` }];
  });
}

/** Undefined for text that is no quantity: somebody wrote to the status by hand. */
function amount(quantity: string | number): number | undefined {
  try {
    return parseQuantity(quantity);
  } catch {
    return undefined;
  }
}

/** A host that is up, or is coming up, and cannot be used. */
const ASKED_FOR = new Set(['Starting', 'Running', 'Draining']);

function alertsOf({ metadata, status }: Worker): Alert[] {
  const alerts: Alert[] = [];
  const phase = status?.phase ?? 'Pending';
  const condition = (type: string): { reason: string; message: string } | undefined => {
    const found = getCondition(status, type);
    return found?.status === 'False' ? { reason: found.reason, message: found.message ?? '' } : undefined;
  };
  if (phase === 'Failed') alerts.push({ level: 'alarm', reason: 'Failed', message: status?.message ?? 'It could not be made; see its conditions.' });
  const [notReady, unlicensed] = [condition('CMLReady'), condition('Licensed')];
  if (status?.unreachableSince !== undefined) alerts.push({ level: 'alarm', reason: 'Unreachable', message: `Its CML host does not answer since ${status.unreachableSince}. ${notReady?.message ?? ''}`.trim() });
  else if (notReady && ASKED_FOR.has(phase)) alerts.push({ level: phase === 'Starting' ? 'notice' : 'alarm', ...notReady });
  if (unlicensed && ASKED_FOR.has(phase)) alerts.push({ level: 'alarm', ...unlicensed });
  if (phase === 'Draining') alerts.push({ level: 'notice', reason: status?.reason ?? 'Draining', message: status?.message ?? 'It takes no new sessions.' });
  if (metadata.deletionTimestamp !== undefined) alerts.push({ level: 'notice', reason: 'Deleting', message: 'It goes when the last session on it has ended.' });
  const unschedulable = condition('Schedulable');
  if (alerts.length === 0 && phase === 'Running' && unschedulable) alerts.push({ level: 'notice', ...unschedulable });
  return alerts;
}

/** The whole story of one session. */
export function storyOf(session: LabletSession, now: Date): Story {
  const { metadata, spec, status = {} } = session;
  const { userSession, gradingSession, scoreReport, pipeline } = status;
  return {
    now: now.getTime(), row: sessionRow(session), created: Date.parse(metadata.creationTimestamp), owner: spec.owner,
    desiredState: isDeleting(session) ? 'Deleted' : spec.desiredState,
    ...given({
      candidate: [spec.candidate?.id, [spec.candidate?.firstName, spec.candidate?.lastName].filter(Boolean).join(' ')].filter(Boolean).join(' · ') || undefined,
      reservation: spec.reservationId, reason: status.reason, message: status.message, lab: status.labName,
      attempts: status.attempts, reschedules: status.reschedules, bookedEnd: time(status.timeslot?.bookedEnd),
    }),
    chapters: chaptersOf(status.history ?? []),
    isCut: (status.history?.length ?? 0) >= HISTORY_MAX,
    conditions: (status.conditions ?? []).map(({ type, status: state, reason, message = '', lastTransitionTime }) => ({ type, status: state, reason, message, since: Date.parse(lastTransitionTime) })),
    ...(pipeline && { pipeline: { name: pipeline.name, attempt: pipeline.attempt, ...given({ error: pipeline.error }), steps: pipeline.steps.map(stepOf) } }),
    ...(userSession && { access: { state: userSession.state, ...given({ started: time(userSession.startedAt), ended: time(userSession.endedAt) }) } }),
    ...(gradingSession && { grading: { state: gradingSession.state, attempt: gradingSession.attempt, ...given({ error: gradingSession.error }) } }),
    ...(scoreReport && { result: { report: scoreReport.name, score: scoreReport.score, passed: scoreReport.passed, at: Date.parse(scoreReport.submittedAt), ...given({ maxScore: scoreReport.maxScore, cutScore: scoreReport.cutScore }) } }),
    undelivered: (status.outbox ?? []).filter(isForSinks).length,
  };
}

function chaptersOf(history: readonly HistoryEntry[]): Chapter[] {
  return history.map(({ to, at, reason, actor, row }, index) => {
    const next = history[index + 1];
    return { phase: to, from: Date.parse(at), reason, actor, ...given({ to: time(next?.at), row }) };
  });
}

function stepOf({ name, state, attempts = 0, startedAt, completedAt, error }: NonNullable<NonNullable<LabletSession['status']>['pipeline']>['steps'][number]): StoryStep {
  return { name, state, attempts, ...given({ from: time(startedAt), to: time(completedAt), error }) };
}

/** Milliseconds of a stored time. */
const time = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));

/** Only the fields that are there: absent and undefined are not the same to JSON's readers. */
function given<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: NonNullable<T[K]> };
}
