/**
 * The transition table of a session, T0 to T21. Of the rows that start at the phase of a session, the first that
 * applies is taken. No phase changes but by a row of this table (`take` in `effects.ts` sees to it), and what a row
 * does to the status stands there. `docs/lifecycle.md` is generated from here.
 */
import { SESSION_PHASES } from '../../api/labletsession.ts';
import { admitted, givenUpBeforeStart, instantiationGivenUp, labReady, movesBeforeStart, movesWhileInstantiating, neverAdmitted, startsNow, waitOver } from './triggers-start.ts';
import { archiveOver, collectionGivenUp, endsAndCollects, endsUngraded, evidenceCollected, graded, gradingGivenUp, notStarted, startedBy, stopped, tornDown } from './triggers-end.ts';
import { forced, lost } from './triggers.ts';
import type { SessionPhase } from '../../api/labletsession.ts';
import type { Row } from './row.ts';

export type { Row, RowId } from './row.ts';

const LIVE = SESSION_PHASES.filter((phase) => phase !== 'Terminated');
/** Phases that cannot go on without their worker and their lab. */
const NEEDS_LAB: ReadonlySet<SessionPhase> = new Set(['Ready', 'Running', 'Collecting', 'Grading']);

const PENDING = 'ccm.lablet.session.pending';
const STOPPING = 'ccm.lablet.session.stopping';
const TERMINATED = 'ccm.lablet.session.terminated';

export const TABLE: readonly Row[] = [
  ...LIVE.map((from): Row => ({
    row: 'T21', from, to: 'Terminated', when: NEEDS_LAB.has(from) ? lost : forced,
    trigger: `annotation lablet.dev/force-terminate, or a drain an hour over its limit${NEEDS_LAB.has(from) ? '; worker lost; lab gone from its host' : ''}`,
    does: 'UserSession Ended, GradingSession Faulted if incomplete; what is left outside is removed later', events: [TERMINATED],
  })),

  {
    row: 'T2', from: null, to: 'Terminated', when: neverAdmitted,
    trigger: 'cancelled; definition not usable until the limits of T2 from Pending', guard: 'definition missing or not Active',
    does: 'nothing was ever reserved', events: [TERMINATED],
  },
  {
    row: 'T0', from: null, to: 'Pending', when: admitted,
    trigger: 'created', guard: 'definition version Active',
    does: 'version and slot pinned', events: [PENDING],
  },

  {
    row: 'T2', from: 'Pending', to: 'Terminated', when: waitOver,
    trigger: 'refused at T0 (in the same write); cancelled; slot missed (start + 5 min, where it lay ahead at creation); no worker in 45 min',
    does: 'a claimed Lab is given back', events: [TERMINATED],
  },
  {
    row: 'T1', from: 'Pending', to: 'Scheduled', when: () => undefined,
    trigger: 'placed by the scheduler', guard: 'gate before the start open, or as soon as possible; a worker fits',
    does: 'Lab claimed first; then worker, Lab and ports noted', events: ['ccm.lablet.session.scheduled'],
  },

  {
    row: 'T5', from: 'Scheduled', to: 'Terminated', when: givenUpBeforeStart,
    trigger: 'cancelled; slot over; without a slot: worker not ready in 45 min; a trigger of T4 with its guard false',
    does: 'release as in T4', events: [TERMINATED],
  },
  {
    row: 'T4', from: 'Scheduled', to: 'Pending', when: movesBeforeStart,
    trigger: 'worker lost, failed or draining', guard: 'fewer than 3 reschedules, slot not over',
    does: 'worker and Lab forgotten; a Reserved Lab deleted, any other unclaimed', events: [PENDING],
  },
  {
    row: 'T3', from: 'Scheduled', to: 'Instantiating', when: startsNow,
    trigger: 'bootLeadTime before the start, or as soon as possible', guard: 'worker Running and its CML ready',
    does: 'pipeline instantiate started', events: ['ccm.lablet.session.instantiating'],
  },

  {
    row: 'T8', from: 'Instantiating', to: 'Stopping', when: instantiationGivenUp,
    trigger: 'cancelled; slot over; three runs failed or timed out, or one failed for good; worker lost with the guard of T4 false',
    does: 'UserSession Ended; pipeline teardown started', events: [STOPPING],
  },
  {
    row: 'T7', from: 'Instantiating', to: 'Pending', when: movesWhileInstantiating,
    trigger: 'worker lost', guard: 'as T4',
    does: 'worker, Lab and UserSession forgotten; the Lab is Orphaned', events: [PENDING],
  },
  {
    row: 'T6', from: 'Instantiating', to: 'Ready', when: labReady,
    trigger: 'pipeline instantiate completed',
    does: 'readyAt; without a booked slot it begins now; UserSession Provisioned', events: ['ccm.lablet.user_session.created', 'ccm.lablet.session.ready'],
  },

  {
    row: 'T10', from: 'Ready', to: 'Stopping', when: notStarted,
    trigger: 'cancelled; slot over; no-show (30 min after the later of readyAt and start)', guard: 'nobody has started',
    does: 'UserSession Expired, or Ended by a cancel; pipeline teardown started', events: [STOPPING],
  },
  {
    row: 'T9', from: 'Ready', to: 'Running', when: startedBy,
    trigger: '`lds.session.started`, or `ended` which implies it, or annotation lablet.dev/start', guard: 'UserSession Provisioned',
    does: 'UserSession Active, startedAt', events: ['ccm.lablet.session.running'],
  },

  {
    row: 'T12', from: 'Running', to: 'Stopping', when: endsUngraded,
    trigger: 'desiredState Terminated; the triggers of T11', guard: 'not gradable, unless Terminated',
    does: 'UserSession Ended or Expired, endedAt; pipeline teardown started', events: [STOPPING],
  },
  {
    row: 'T11', from: 'Running', to: 'Collecting', when: endsAndCollects,
    trigger: '`lds.session.ended`; desiredState Ended; deleted; slot over; longest working time over; drain over its limit', guard: 'gradable',
    does: 'UserSession Ended, or Expired with the slot; endedAt; GradingSession Collecting; pipeline collect_evidence started',
    events: ['ccm.lablet.grading_session.created', 'ccm.lablet.session.collecting'],
  },

  {
    row: 'T14', from: 'Collecting', to: 'Stopping', when: collectionGivenUp,
    trigger: 'desiredState Terminated; three runs failed; not collected in 10 min',
    does: 'GradingSession Faulted; pipeline teardown started', events: [STOPPING],
  },
  {
    row: 'T13', from: 'Collecting', to: 'Grading', when: evidenceCollected,
    trigger: 'pipeline collect_evidence completed',
    does: 'pipeline compute_grading started', events: ['ccm.lablet.session.grading'],
  },

  {
    row: 'T15', from: 'Grading', to: 'Stopping', when: graded,
    trigger: '`grading.session.completed`',
    does: 'ScoreReport created or found; then GradingSession Submitted; pipeline teardown started',
    events: ['ccm.lablet.score_report.created', 'ccm.lablet.session.graded', STOPPING],
  },
  {
    row: 'T16', from: 'Grading', to: 'Stopping', when: gradingGivenUp,
    trigger: 'desiredState Terminated; `grading.session.failed`, no result in 30 min, or no grade call got through; hold released, or over after 4 h',
    guard: 'failed: onFailure Stop, or Retry used up',
    does: 'GradingSession Faulted, Graded=False; pipeline teardown started', events: [STOPPING],
  },

  {
    row: 'T17', from: 'Stopping', to: 'Stopped', when: stopped,
    trigger: 'lab stopped, gone, or its worker lost; 10 min over (the Lab is left as Orphaned)',
    does: 'stoppedAt, capacity given back', events: ['ccm.lablet.session.stopped'],
  },
  {
    row: 'T18', from: 'Stopped', to: 'Archived', when: (s) => (s.draft.ending === 'Normal' ? tornDown(s) : undefined),
    trigger: 'pipeline teardown completed; 10 min over', guard: 'normal ending',
    does: 'result and evidence are final', events: [],
  },
  {
    row: 'T19', from: 'Stopped', to: 'Terminated', when: (s) => (s.draft.ending === 'Normal' ? undefined : tornDown(s)),
    trigger: 'pipeline teardown completed; 10 min over', guard: 'cancelled, failed, no-show, or slot over before the start',
    does: 'nothing further', events: [TERMINATED],
  },
  {
    row: 'T20', from: 'Archived', to: 'Terminated', when: archiveOver,
    trigger: 'archive time over (1 h); deleted',
    does: 'inbox, devices and pipeline dropped', events: [TERMINATED],
  },
];
