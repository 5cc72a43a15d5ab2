/**
 * The transition table of a session, T0 to T21: for each row what may cause it and, in `effects.ts`, what it does.
 * Within a phase the first row that applies wins. No phase changes but by a row of this table.
 */
import { findStep, pipelineSteps, runState } from '../pipelines.ts';
import { isTrue } from '../conditions.ts';
import { fromTime, latest, plus } from '../time.ts';
import { formatDuration } from '../duration.ts';
import { desired, due, hardEnd, isBooked, isForced, isHoldReleased, isStartedByHand, noShowAt, seen, since, slotEnd, slotStart } from './situation.ts';
import { isGradable, usesLds } from './world.ts';
import { isDeleting } from '../../api/meta.ts';
import type { Ending, InboxEntry, PipelineName, SessionPhase } from '../../api/labletsession.ts';
import type { Situation } from './situation.ts';

export type RowId =
  | 'T0' | 'T1' | 'T2' | 'T3' | 'T4' | 'T5' | 'T6' | 'T7' | 'T8' | 'T9' | 'T10' | 'T11' | 'T12' | 'T13' | 'T14' | 'T15' | 'T16' | 'T17' | 'T18' | 'T19' | 'T20' | 'T21';

/** Why a row applies: goes into the history, the status and the events. */
export interface Because {
  /** One word in CamelCase. */
  reason: string;
  /** For people: what happened and what would help. */
  message: string;
  /** user, scheduler, controller, timer, lds, grading-engine, poll. */
  actor: string;
  /** Id of the consumed event. */
  eventId?: string;
  /** The deferred events that are used up by this row. */
  uses?: InboxEntry[];
  /** How the session comes to its end; set by rows into Stopping and Terminated. */
  ending?: Ending;
  /** For the data of session.collecting. */
  collectionReason?: 'manual' | 'timeslot_end' | 'max_duration' | 'lds_session_ended';
}

export interface Row {
  row: RowId;
  from: SessionPhase | null;
  to: SessionPhase;
  /** The trigger in words, for docs/lifecycle.md. */
  trigger: string;
  /** Returns why the row applies now, or undefined. T1 has none: the scheduler takes it with a placement. */
  when: (s: Situation) => Because | undefined;
}

const MAX_RESCHEDULES = 3;

const timer = (reason: string, message: string, more: Partial<Because> = {}): Because => ({ reason, message, actor: 'timer', ...more });
const controller = (reason: string, message: string, more: Partial<Because> = {}): Because => ({ reason, message, actor: 'controller', ...more });

/** Cancelled by a person up to Ready: desiredState Ended or Terminated, or deletion. */
function cancelled(s: Situation): Because | undefined {
  const state = desired(s);
  if (state === 'Active') return undefined;
  const how = s.world.namespaceTerminating ? 'its namespace is being deleted' : isDeleting(s.session) ? 'the session was deleted' : `desiredState is ${state}`;
  return { reason: 'Cancelled', message: `Cancelled before the start: ${how}.`, actor: 'user', ending: 'Cancelled' };
}

/** desiredState Terminated, once the candidate has worked. */
function terminated(s: Situation): Because | undefined {
  if (desired(s) !== 'Terminated') return undefined;
  return { reason: 'Cancelled', message: 'Stopped without a grade: desiredState is Terminated.', actor: 'user', ending: 'Cancelled' };
}

/** What is told once, at admission: the session can never run. */
function refused(s: Situation): Because | undefined {
  if (!s.admitting || s.world.definition.state !== 'ready') return undefined;
  const { definition, durations, deprecatedBy } = s.world.definition;
  const end = (reason: string, message: string) => controller(reason, message, { ending: 'Cancelled' });
  if (deprecatedBy) return end('DefinitionVersionDeprecated', `Version ${definition.version} of ${definition.name} was replaced by ${deprecatedBy}. Create the session with that version, or without one.`);
  const [start, until] = [slotStart(s), slotEnd(s)];
  if (start && until) {
    if (until.getTime() - start.getTime() > durations.maxDuration) return end('InvalidTimeslot', `The slot is longer than maxDuration ${definition.spec.maxDuration} of ${definition.name}. Book a shorter one.`);
    if (until <= s.now) return end('InvalidTimeslot', 'The slot is over already. Book one in the future, or leave the timeslot out to start as soon as possible.');
  }
  if (s.world.duplicateOf) return end('DuplicateReservation', `Reservation ${s.session.spec.reservationId ?? ''} is held by session ${s.world.duplicateOf} already. Use that one, or end it first.`);
  return undefined;
}

/** The last instant for a session that waits for a worker (or its definition). */
function waitLimit(s: Situation): { at: Date; because: Because } {
  const { missedSlot, pendingAsap } = s.world.timeouts;
  const start = slotStart(s) ?? fromTime(s.session.spec.timeslot?.start);
  const why = s.draft.conditions?.find((condition) => condition.type === 'Scheduled')?.message ?? 'no worker had room';
  if (start) {
    const at = plus(latest(start, s.draft.reschedules ? since(s) : undefined) ?? start, missedSlot);
    return { at, because: timer('TimeslotMissed', `The slot began ${formatDuration(missedSlot)} ago and the session had no worker: ${why}`, { ending: 'Failed' }) };
  }
  return { at: plus(since(s), pendingAsap), because: timer('NoCapacity', `No worker within ${formatDuration(pendingAsap)}: ${why}`, { ending: 'Failed' }) };
}

function slotOver(s: Situation, what: string): Because | undefined {
  return due(s, slotEnd(s)) ? timer('TimeslotEnded', `The slot is over: ${what}.`, { ending: 'SlotEnded' }) : undefined;
}

/** The worker of a session that nothing was done for yet, or only by us, cannot serve it. */
function workerGone(s: Situation, alsoDraining: boolean): Because | undefined {
  const { worker } = s.world;
  if (!worker) return controller('WorkerLost', `Worker ${s.draft.workerName ?? '?'} is gone.`, { ending: 'Failed' });
  if (worker.state === 'lost') return controller('WorkerLost', `Worker ${worker.name} is lost: ${worker.message}`, { ending: 'Failed' });
  if (alsoDraining && worker.state === 'draining') return controller('WorkerDraining', `Worker ${worker.name} is being drained.`, { ending: 'Failed' });
  return undefined;
}

const mayReschedule = (s: Situation): boolean => {
  const end = slotEnd(s);
  return (s.draft.reschedules ?? 0) < MAX_RESCHEDULES && (end === undefined || s.now < end);
};

const ifThen = (condition: boolean, because: Because | undefined): Because | undefined => (condition ? because : undefined);

/** State of the run of a pipeline; undefined if another one (or none) is in the checkpoint. */
export function pipelineState(s: Situation, name: PipelineName): 'running' | 'completed' | 'failed' | undefined {
  const { pipeline } = s.draft;
  if (pipeline?.name !== name) return undefined;
  const spec = s.world.definition.state === 'ready' ? s.world.definition.definition.spec : undefined;
  return runState(pipeline, pipelineSteps(name, spec));
}

/** What ends the work of the candidate (T11, T12). */
function workEnded(s: Situation): Because | undefined {
  const event = seen(s, 'lds.session.ended');
  if (event) {
    const said = event.event.data.reason;
    return {
      reason: 'UserEnded', message: `The candidate finished${said ? ` (${said})` : ''}.`, actor: event.actor, ending: 'Normal', collectionReason: 'lds_session_ended',
      ...(event.actor === 'poll' ? {} : { eventId: event.event.id }), ...(event.entry ? { uses: [event.entry] } : {}),
    };
  }
  const state = desired(s);
  if (state !== 'Active') {
    const how = s.world.namespaceTerminating ? 'the namespace is being deleted' : isDeleting(s.session) ? 'the session was deleted' : `desiredState is ${state}`;
    return { reason: 'Ended', message: `Ended by request: ${how}.`, actor: 'user', ending: 'Normal', collectionReason: 'manual' };
  }
  const end = hardEnd(s);
  if (!due(s, end)) return undefined;
  const bySlot = end?.getTime() === slotEnd(s)?.getTime();
  return bySlot
    ? timer('TimeslotEnded', 'The slot is over.', { ending: 'Normal', collectionReason: 'timeslot_end' })
    : timer('MaxDurationReached', 'The longest working time is over.', { ending: 'Normal', collectionReason: 'max_duration' });
}

const collects = (s: Situation): boolean => isGradable(s.world) && desired(s) !== 'Terminated';

/** T21: ended at once, whatever is left outside. */
function forced(s: Situation): Because | undefined {
  if (isForced(s)) return { reason: 'ForceTerminated', message: 'Ended at once by the annotation lablet.dev/force-terminate.', actor: 'user', ending: 'Cancelled' };
  return undefined;
}

/** T21 in Ready to Grading: there is nothing left to go on with. */
function lost(s: Situation): Because | undefined {
  const gone = workerGone(s, false);
  if (gone) return { ...gone, ending: 'Failed' };
  if (s.world.lab?.state === 'gone') return controller('LabLost', `Lab ${s.draft.labName ?? ''} is gone from the CML host.`, { ending: 'Failed' });
  return undefined;
}

/** A failed grading that is given up (T16): by onFailure, by a person, or after the hold. */
function gradingGivenUp(s: Situation): Because | undefined {
  const { gradingSession } = s.draft;
  if (gradingSession?.state !== 'Faulted' || s.world.definition.state !== 'ready') return undefined;
  const policy = s.world.definition.definition.spec.grading?.onFailure ?? 'Stop';
  const error = gradingSession.error ?? 'no reason given';
  if (policy === 'Hold') {
    if (isHoldReleased(s)) return { reason: 'HoldReleased', message: `Grading failed (${error}); the hold was released.`, actor: 'user', ending: 'Failed' };
    const from = fromTime(gradingSession.completedAt) ?? since(s);
    return ifThen(due(s, plus(from, s.world.timeouts.hold)), timer('HoldExpired', `Grading failed (${error}); nobody acted within ${formatDuration(s.world.timeouts.hold)}.`, { ending: 'Failed' }));
  }
  if (policy === 'Retry' && (gradingSession.gradeCalls ?? 1) <= MAX_GRADE_RETRIES) return undefined;
  return { reason: 'GradingFailed', message: `Grading failed: ${error}`, actor: 'grading-engine', ending: 'Failed' };
}

/** Further grade calls under onFailure Retry. */
export const MAX_GRADE_RETRIES = 2;

function completedGrading(s: Situation): Because | undefined {
  const event = seen(s, 'grading.session.completed');
  if (!event) return undefined;
  return {
    reason: 'Graded', message: `Graded with ${event.event.data.score}${event.event.data.maxScore === undefined ? '' : ` of ${event.event.data.maxScore}`}.`, actor: event.actor, ending: 'Normal',
    ...(event.actor === 'poll' ? {} : { eventId: event.event.id }), ...(event.entry ? { uses: [event.entry] } : {}),
  };
}

function startedBy(s: Situation): Because | undefined {
  if (s.draft.userSession?.state !== 'Provisioned') return undefined;
  const started = seen(s, 'lds.session.started');
  const ended = seen(s, 'lds.session.ended');
  const event = started ?? ended;
  if (event) {
    return {
      reason: 'UserStarted', message: 'The candidate started.', actor: event.actor,
      ...(event.actor === 'poll' ? {} : { eventId: event.event.id }), ...(started?.entry ? { uses: [started.entry] } : {}),
    };
  }
  return isStartedByHand(s) ? { reason: 'StartedByHand', message: 'Started by the annotation lablet.dev/start.', actor: 'user' } : undefined;
}

function stopped(s: Situation): Because | undefined {
  const keep = (message: string): Because => controller('Stopped', message, { ...(s.draft.ending ? { ending: s.draft.ending } : {}) });
  if (!s.draft.labName || workerGone(s, false)) return keep('Nothing stands on a worker any more.');
  const stop = findStep(s.draft.pipeline?.name === 'teardown' ? s.draft.pipeline : undefined, 'stop_lab');
  if (stop?.state === 'Completed' || stop?.state === 'Skipped') return keep('The lab is stopped.');
  return due(s, plus(since(s), s.world.timeouts.teardown)) ? timer('TeardownTimeout', `The lab did not stop within ${formatDuration(s.world.timeouts.teardown)}; Lab ${s.draft.labName} is left as Orphaned and removed later.`) : undefined;
}

function tornDown(s: Situation): Because | undefined {
  const done = pipelineState(s, 'teardown') === 'completed' || !s.draft.labName;
  const because = controller(s.draft.reason ?? 'TornDown', s.draft.message ?? 'Nothing is left on the worker.');
  if (done) return because;
  return due(s, plus(since(s), s.world.timeouts.teardown)) ? { ...because, message: `${because.message} Not everything could be removed in time; what is left is removed later.` } : undefined;
}

const ANY_LIVE: SessionPhase[] = ['Pending', 'Scheduled', 'Instantiating', 'Ready', 'Running', 'Collecting', 'Grading', 'Stopping', 'Stopped', 'Archived'];
const NEEDS_LAB: SessionPhase[] = ['Ready', 'Running', 'Collecting', 'Grading'];

export const TABLE: readonly Row[] = [
  ...ANY_LIVE.map((from): Row => ({
    row: 'T21', from, to: 'Terminated', trigger: NEEDS_LAB.includes(from) ? 'forced; worker or lab lost' : 'forced',
    when: (s) => forced(s) ?? (NEEDS_LAB.includes(from) ? lost(s) : undefined),
  })),

  { row: 'T2', from: null, to: 'Terminated', trigger: 'definition never became usable, or cancelled before admission',
    when: (s) => {
      if (s.world.definition.state === 'ready') return undefined;
      const limit = waitLimit(s);
      return cancelled(s) ?? ifThen(due(s, limit.at), { ...limit.because, reason: s.world.definition.state === 'missing' ? 'DefinitionNotFound' : 'DefinitionNotReady' });
    } },
  { row: 'T0', from: null, to: 'Pending', trigger: 'created, definition version Active',
    when: (s) => ifThen(s.world.definition.state === 'ready', { reason: 'Created', message: 'Waits for a worker.', actor: s.session.spec.owner }) },

  { row: 'T2', from: 'Pending', to: 'Terminated', trigger: 'refused, cancelled, slot missed, or no capacity in time',
    when: (s) => {
      const limit = waitLimit(s);
      return refused(s) ?? cancelled(s) ?? ifThen(due(s, limit.at), limit.because);
    } },
  { row: 'T1', from: 'Pending', to: 'Scheduled', trigger: 'placed by the scheduler', when: () => undefined },

  { row: 'T5', from: 'Scheduled', to: 'Terminated', trigger: 'cancelled, slot over, or worker lost for the fourth time',
    when: (s) => cancelled(s) ?? slotOver(s, 'no worker became ready in time') ?? ifThen(!mayReschedule(s), workerGone(s, true)) },
  { row: 'T4', from: 'Scheduled', to: 'Pending', trigger: 'worker lost, failed or draining', when: (s) => workerGone(s, true) },
  { row: 'T3', from: 'Scheduled', to: 'Instantiating', trigger: 'boot lead time before the start, or as soon as possible; worker ready',
    when: (s) => {
      const start = slotStart(s);
      const lead = s.world.definition.state === 'ready' ? s.world.definition.durations.bootLeadTime : 0;
      const inTime = start === undefined || due(s, plus(start, -lead));
      return ifThen(inTime && s.world.worker?.state === 'ready', controller(isBooked(s) ? 'SlotNear' : 'AsSoonAsPossible', 'The lab is being made ready.'));
    } },

  { row: 'T8', from: 'Instantiating', to: 'Stopping', trigger: 'cancelled, slot over, attempts exhausted, or worker lost for the fourth time',
    when: (s) => cancelled(s) ?? slotOver(s, 'the lab was not ready in time') ?? ifThen(!mayReschedule(s), workerGone(s, false)) ?? instantiationFailed(s) },
  { row: 'T7', from: 'Instantiating', to: 'Pending', trigger: 'worker lost', when: (s) => workerGone(s, false) },
  { row: 'T6', from: 'Instantiating', to: 'Ready', trigger: 'pipeline instantiate completed',
    when: (s) => ifThen(pipelineState(s, 'instantiate') === 'completed', controller('LabConverged', usesLds(s.world) ? 'The candidate can start.' : 'The lab is ready; it is started by the annotation lablet.dev/start.')) },

  { row: 'T10', from: 'Ready', to: 'Stopping', trigger: 'cancelled, slot over, or no-show',
    when: (s) => cancelled(s) ?? ifThen(!startedBy(s), slotOver(s, 'nobody started') ?? ifThen(due(s, noShowAt(s)), timer('NoShow', 'Nobody started the session in time.', { ending: 'NoShow' }))) },
  { row: 'T9', from: 'Ready', to: 'Running', trigger: 'lds.session.started (or ended), or annotation lablet.dev/start', when: startedBy },

  { row: 'T12', from: 'Running', to: 'Stopping', trigger: 'work ended, not gradable or desiredState Terminated', when: (s) => ifThen(!collects(s), workEnded(s)) },
  { row: 'T11', from: 'Running', to: 'Collecting', trigger: 'work ended, gradable', when: (s) => ifThen(collects(s), workEnded(s)) },

  { row: 'T14', from: 'Collecting', to: 'Stopping', trigger: 'cancelled, collection failed or timed out',
    when: (s) => terminated(s)
      ?? ifThen(pipelineState(s, 'collect_evidence') === 'failed' && (s.draft.pipeline?.attempt ?? 1) > COLLECT_RETRIES, controller('CollectionFailed', `The evidence could not be collected: ${s.draft.pipeline?.error ?? ''}`, { ending: 'Failed' }))
      ?? ifThen(due(s, plus(since(s), s.world.timeouts.collection)), timer('CollectionTimeout', `The evidence was not collected within ${formatDuration(s.world.timeouts.collection)}: ${s.draft.pipeline?.error ?? 'still running'}`, { ending: 'Failed' })) },
  { row: 'T13', from: 'Collecting', to: 'Grading', trigger: 'pipeline collect_evidence completed',
    when: (s) => ifThen(pipelineState(s, 'collect_evidence') === 'completed', controller('EvidenceCollected', 'The lab is being graded.')) },

  { row: 'T15', from: 'Grading', to: 'Stopping', trigger: 'grading.session.completed', when: completedGrading },
  { row: 'T16', from: 'Grading', to: 'Stopping', trigger: 'cancelled; failed or timed out and onFailure used up; hold released or expired', when: (s) => terminated(s) ?? gradingGivenUp(s) },

  { row: 'T17', from: 'Stopping', to: 'Stopped', trigger: 'lab stopped or absent, or teardown limit over', when: stopped },
  { row: 'T18', from: 'Stopped', to: 'Archived', trigger: 'torn down, normal ending', when: (s) => ifThen(s.draft.ending === 'Normal', tornDown(s)) },
  { row: 'T19', from: 'Stopped', to: 'Terminated', trigger: 'torn down, any other ending', when: (s) => ifThen(s.draft.ending !== 'Normal', tornDown(s)) },
  { row: 'T20', from: 'Archived', to: 'Terminated', trigger: 'archive TTL over, or deleted',
    when: (s) => ifThen(isDeleting(s.session), { reason: 'Deleted', message: 'The session was deleted.', actor: 'user' })
      ?? ifThen(due(s, plus(since(s), s.world.timeouts.archiveTtl)), timer('ArchiveExpired', 'The archive time is over.')) },
];

/** Failed runs of collect_evidence that are tried again (T14). */
export const COLLECT_RETRIES = 2;

function instantiationFailed(s: Situation): Because | undefined {
  const runs = s.draft.pipeline?.attempt ?? 1;
  if (pipelineState(s, 'instantiate') !== 'failed' || (runs < s.world.timeouts.instantiateAttempts && !s.draft.pipeline?.permanent)) return undefined;
  return controller('InstantiationFailed', `The lab could not be made ready in ${runs} run(s): ${s.draft.pipeline?.error ?? 'no reason given'}`, { ending: 'Failed' });
}

/** Is the session held after a failed grading? Shown as condition Graded=False. */
export const isHeld = (s: Situation): boolean => s.draft.phase === 'Grading' && s.draft.gradingSession?.state === 'Faulted' && !isTrue(s.draft, 'Graded');
