/** The rows T0 to T21 beside contract §2.1: what causes each, what it does, which events leave in which order, what stands in the history. */
import { describe, expect, test } from '@jest/globals';
import { EMITTED } from '../../../../src/api/events.ts';
import { labletSessionStatus } from '../../../../src/api/labletsession.ts';
import { TABLE } from '../../../../src/core/session/table.ts';
import { getCondition } from '../../../../src/core/conditions.ts';
import { ASAP, event, HOUR, MINUTE, polled, SECOND, SESSION_UID, sessionAt, Story } from '../../../support/builders.ts';
import type { EmittedType } from '../../../../src/api/events.ts';
import type { Judgement } from '../../../../src/core/session/judge.ts';
import type { RowId } from '../../../../src/core/session/table.ts';
import type { SessionStatus } from '../../../../src/core/session/world.ts';

interface Taken {
  row: RowId;
  when: string;
  /** The session before; its events so far are left out of what is compared. */
  story: () => Story;
  act?: (story: Story) => Judgement;
  /** Rows in order; default: the row alone. */
  rows?: RowId[];
  to: string;
  reason: string;
  actor: string;
  eventId?: string;
  /** Events of the whole decision in order; default: those that the table promises for the row. */
  events?: EmittedType[];
  status?: Partial<SessionStatus>;
  conditions?: Record<string, [status: string, reason: string]>;
}

const given = (story: Story): Story => story;
const judged = (story: Story): Judgement => story.judge();

const TAKEN: Taken[] = [
  // Admission
  { row: 'T0', when: 'a session is created and its definition version is Active', story: () => new Story(), to: 'Pending', reason: 'Created', actor: 'proctor-7',
    status: { definitionVersion: '1.2.0', timeslot: { start: '2026-11-23T10:00:00.000Z', end: '2026-11-23T11:30:00.000Z', bookedEnd: '2026-11-23T11:30:00.000Z' } }, conditions: { Admitted: ['True', 'CapacityBooked'] } },
  { row: 'T0', when: 'a slot without an end lasts for maxDuration', story: () => new Story({ spec: { timeslot: { start: '2026-11-23T10:00:00Z' } } }), to: 'Pending', reason: 'Created', actor: 'proctor-7',
    status: { timeslot: { start: '2026-11-23T10:00:00.000Z', end: '2026-11-23T12:00:00.000Z', bookedEnd: '2026-11-23T12:00:00.000Z' } } },
  { row: 'T0', when: 'a session without a slot has none until it is Ready', story: () => new Story({ spec: ASAP }), to: 'Pending', reason: 'Created', actor: 'proctor-7', status: { timeslot: {} } },
  { row: 'T2', when: 'the definition version was replaced', story: () => new Story({ world: { definition: { ...new Story().world.definition, deprecatedBy: '1.3.0' } as Story['world']['definition'] } }), rows: ['T0', 'T2'], to: 'Terminated', reason: 'DefinitionVersionDeprecated', actor: 'controller',
    events: ['ccm.lablet.session.pending', 'ccm.lablet.session.terminated'], conditions: { Admitted: ['False', 'DefinitionVersionDeprecated'] } },
  { row: 'T2', when: 'the slot is longer than maxDuration', story: () => new Story({ spec: { timeslot: { start: '2026-11-23T10:00:00Z', end: '2026-11-23T12:00:01Z' } } }), rows: ['T0', 'T2'], to: 'Terminated', reason: 'InvalidTimeslot', actor: 'controller', events: ['ccm.lablet.session.pending', 'ccm.lablet.session.terminated'] },
  { row: 'T2', when: 'the slot is over at admission', story: () => new Story().at('2026-11-23T11:30:00Z'), rows: ['T0', 'T2'], to: 'Terminated', reason: 'InvalidTimeslot', actor: 'controller', events: ['ccm.lablet.session.pending', 'ccm.lablet.session.terminated'] },
  { row: 'T2', when: 'the reservation is held by another live session', story: () => new Story({ spec: { reservationId: 'res-1' }, world: { duplicateOf: 'cand-0041' } }), rows: ['T0', 'T2'], to: 'Terminated', reason: 'DuplicateReservation', actor: 'controller', events: ['ccm.lablet.session.pending', 'ccm.lablet.session.terminated'] },
  { row: 'T2', when: 'a Strict session finds the calendar full', story: () => new Story({ spec: { admission: 'Strict' }, world: { noRoom: 'The nearest free slot begins at 14:00.' } }), rows: ['T0', 'T2'], to: 'Terminated', reason: 'NoCapacityInSlot', actor: 'controller', events: ['ccm.lablet.session.pending', 'ccm.lablet.session.terminated'] },
  { row: 'T0', when: 'a queueing session finds the calendar full', story: () => new Story({ world: { noRoom: 'The nearest free slot begins at 14:00.' } }), to: 'Pending', reason: 'Created', actor: 'proctor-7' },
  // Never admitted
  { row: 'T2', when: 'the definition of a booked session is still missing 5 min after the start', story: () => new Story({ world: { definition: { state: 'missing' } } }).at('2026-11-23T10:05:00Z'), to: 'Terminated', reason: 'DefinitionNotFound', actor: 'timer', status: { ending: 'Failed' } },
  { row: 'T2', when: 'the definition of a session without a slot is still not ready after 45 min', story: () => new Story({ spec: ASAP, world: { definition: { state: 'notReady', message: 'ArtifactDrift' } } }).advance(45 * MINUTE), to: 'Terminated', reason: 'DefinitionNotReady', actor: 'timer' },
  { row: 'T2', when: 'a session is cancelled while its definition is missing', story: () => new Story({ spec: { desiredState: 'Ended' }, world: { definition: { state: 'missing' } } }), to: 'Terminated', reason: 'Cancelled', actor: 'user' },
  { row: 'T2', when: 'a session is forced to end while its definition is missing', story: () => new Story({ world: { definition: { state: 'missing' } } }).annotate({ 'lablet.dev/force-terminate': '' }), to: 'Terminated', reason: 'ForceTerminated', actor: 'user' },
  // Pending
  { row: 'T2', when: 'no worker was found 5 min after the start', story: () => sessionAt('Pending').at('2026-11-23T10:05:00Z'), to: 'Terminated', reason: 'TimeslotMissed', actor: 'timer', status: { ending: 'Failed' } },
  { row: 'T2', when: 'no worker was found within 45 min for a session without a slot', story: () => sessionAt('Pending', { spec: ASAP }).advance(45 * MINUTE), to: 'Terminated', reason: 'NoCapacity', actor: 'timer' },
  { row: 'T2', when: 'no worker was found within 45 min for a slot that had begun before the session was created', story: () => sessionAt('Pending', { metadata: { creationTimestamp: '2026-11-23T10:10:00Z' } }).advance(45 * MINUTE), to: 'Terminated', reason: 'NoCapacity', actor: 'timer' },
  { row: 'T2', when: 'a waiting session is cancelled by desiredState', story: () => sessionAt('Pending').edit({ desiredState: 'Ended' }), to: 'Terminated', reason: 'Cancelled', actor: 'user', status: { ending: 'Cancelled' } },
  { row: 'T2', when: 'a waiting session is deleted', story: () => sessionAt('Pending').delete(), to: 'Terminated', reason: 'Cancelled', actor: 'user' },
  { row: 'T1', when: 'the scheduler places it', story: () => sessionAt('Pending'), act: (story) => ({ ...story.look(), status: story.at('2026-11-23T09:30:00Z').place().status }), to: 'Scheduled', reason: 'BestFit', actor: 'scheduler', status: { workerName: 'w-metal-01', scheduledAt: '2026-11-23T09:30:00.000Z' }, conditions: { Scheduled: ['True', 'BestFit'] } },
  // Scheduled
  { row: 'T3', when: 'bootLeadTime is left to the start and the worker is ready', story: () => sessionAt('Scheduled').at('2026-11-23T09:45:00Z'), to: 'Instantiating', reason: 'SlotNear', actor: 'controller', status: { attempts: 1 } },
  { row: 'T3', when: 'a session without a slot has a ready worker', story: () => sessionAt('Scheduled', { spec: ASAP }), to: 'Instantiating', reason: 'AsSoonAsPossible', actor: 'controller' },
  { row: 'T4', when: 'the worker is lost', story: () => sessionAt('Scheduled').worker('lost', 'its phase is Terminated'), to: 'Pending', reason: 'WorkerLost', actor: 'controller', status: { reschedules: 1 }, conditions: { Scheduled: ['False', 'WorkerLost'] } },
  { row: 'T4', when: 'the worker is being drained before the start', story: () => sessionAt('Scheduled').worker('draining'), to: 'Pending', reason: 'WorkerDraining', actor: 'controller' },
  { row: 'T5', when: 'a bound session is cancelled', story: () => sessionAt('Scheduled').edit({ desiredState: 'Terminated' }), to: 'Terminated', reason: 'Cancelled', actor: 'user' },
  { row: 'T5', when: 'the slot is over and the worker never got ready', story: () => sessionAt('Scheduled').worker('notReady').at('2026-11-23T11:30:00Z'), to: 'Terminated', reason: 'TimeslotEnded', actor: 'timer', status: { ending: 'SlotEnded' } },
  { row: 'T5', when: 'a worker is lost for the fourth time', story: () => rescheduled(sessionAt('Scheduled'), 3).worker('lost'), to: 'Terminated', reason: 'WorkerLost', actor: 'controller', status: { ending: 'Failed' } },
  { row: 'T5', when: 'without a slot the worker is not ready within 45 min', story: () => sessionAt('Scheduled', { spec: ASAP }).worker('notReady').advance(45 * MINUTE), to: 'Terminated', reason: 'WorkerNotReady', actor: 'timer' },
  { row: 'T5', when: 'the drain of its worker is over its limit', story: () => overdue(sessionAt('Scheduled'), 'cancel'), to: 'Terminated', reason: 'DrainTimeout', actor: 'timer' },
  // Instantiating
  { row: 'T6', when: 'the pipeline instantiate is completed', story: () => sessionAt('Instantiating').advance(2 * MINUTE).finishPipeline(), to: 'Ready', reason: 'LabConverged', actor: 'controller', status: { readyAt: '2026-11-23T09:47:00.000Z' }, conditions: { Ready: ['True', 'LabConverged'], LabReady: ['True', 'LabConverged'] } },
  { row: 'T6', when: 'a slot that was not booked begins when the lab is ready', story: () => sessionAt('Instantiating', { spec: ASAP }).at('2026-11-23T09:50:00Z').finishPipeline(), to: 'Ready', reason: 'LabConverged', actor: 'controller',
    status: { timeslot: { start: '2026-11-23T09:50:00.000Z', end: '2026-11-23T11:50:00.000Z', bookedEnd: '2026-11-23T11:50:00.000Z' } } },
  { row: 'T7', when: 'the worker is lost while the lab is being made ready', story: () => sessionAt('Instantiating').worker('lost'), to: 'Pending', reason: 'WorkerLost', actor: 'controller', status: { reschedules: 1 } },
  { row: 'T8', when: 'the session is deleted while the lab is being made ready', story: () => sessionAt('Instantiating').delete(), to: 'Stopping', reason: 'Cancelled', actor: 'user', status: { ending: 'Cancelled' } },
  { row: 'T8', when: 'the slot is over before the lab is ready', story: () => sessionAt('Instantiating').at('2026-11-23T11:30:00Z'), to: 'Stopping', reason: 'TimeslotEnded', actor: 'timer', status: { ending: 'SlotEnded' } },
  { row: 'T8', when: 'the lab cannot be imported, now or ever', story: () => sessionAt('Instantiating').failStep('lab_import_or_tags', 'InvalidTopology: no such node definition', true), to: 'Stopping', reason: 'InvalidTopology', actor: 'controller', status: { ending: 'Failed' } },
  // Ready
  { row: 'T9', when: 'the candidate starts', story: () => sessionAt('Ready'), act: (story) => story.consume(event('lds.session.started', {}, { id: 'start-1' })), to: 'Running', reason: 'UserStarted', actor: 'lds', eventId: 'start-1' },
  { row: 'T9', when: 'a poll finds that the candidate has started', story: () => sessionAt('Ready'), act: (story) => story.judge([polled('lds.session.started')]), to: 'Running', reason: 'UserStarted', actor: 'poll' },
  { row: 'T9', when: 'somebody sets the annotation lablet.dev/start', story: () => sessionAt('Ready', { world: { ldsConfigured: false } }).annotate({ 'lablet.dev/start': '' }), to: 'Running', reason: 'StartedByHand', actor: 'user' },
  { row: 'T10', when: 'nobody starts within 30 min after the start of the slot', story: () => sessionAt('Ready').at('2026-11-23T10:30:00Z'), to: 'Stopping', reason: 'NoShow', actor: 'timer', status: { ending: 'NoShow' }, conditions: { Ready: ['False', 'NoShow'] } },
  { row: 'T10', when: 'with no-show off the slot ends', story: () => sessionAt('Ready', { definition: { noShowTimeout: '0s' } }).at('2026-11-23T11:30:00Z'), to: 'Stopping', reason: 'TimeslotEnded', actor: 'timer', status: { ending: 'SlotEnded' } },
  { row: 'T10', when: 'a ready session is cancelled', story: () => sessionAt('Ready').edit({ desiredState: 'Ended' }), to: 'Stopping', reason: 'Cancelled', actor: 'user' },
  // Running
  { row: 'T11', when: 'the candidate ends', story: () => sessionAt('Running'), act: (story) => story.consume(event('lds.session.ended', { reason: 'finished' }, { id: 'end-1' })), to: 'Collecting', reason: 'UserEnded', actor: 'lds', eventId: 'end-1' },
  { row: 'T11', when: 'a poll finds that the candidate has ended', story: () => sessionAt('Running'), act: (story) => story.judge([polled('lds.session.started'), polled('lds.session.ended')]), to: 'Collecting', reason: 'UserEnded', actor: 'poll' },
  { row: 'T11', when: 'somebody sets desiredState Ended', story: () => sessionAt('Running').edit({ desiredState: 'Ended' }), to: 'Collecting', reason: 'Ended', actor: 'user' },
  { row: 'T11', when: 'a running session is deleted', story: () => sessionAt('Running').delete(), to: 'Collecting', reason: 'Ended', actor: 'user' },
  { row: 'T11', when: 'the slot is over', story: () => sessionAt('Running').at('2026-11-23T11:30:00Z'), to: 'Collecting', reason: 'TimeslotEnded', actor: 'timer', status: { durationSeconds: 89 * 60 } },
  { row: 'T11', when: 'the candidate started before the slot and has worked for maxDuration', story: () => sessionAt('Running', { definition: { maxDuration: '90m' } }).at('2026-11-23T09:50:00Z').edit({}), act: (story) => startedEarly(story).judge(), to: 'Collecting', reason: 'MaxDurationReached', actor: 'timer' },
  { row: 'T11', when: 'the drain of its worker is over its limit', story: () => overdue(sessionAt('Running'), 'cancel'), to: 'Collecting', reason: 'DrainTimeout', actor: 'timer' },
  { row: 'T12', when: 'the candidate ends and nothing is graded', story: () => sessionAt('Running', { definition: { grading: undefined } }), act: (story) => story.consume(event('lds.session.ended', {}, { id: 'end-1' })), to: 'Stopping', reason: 'UserEnded', actor: 'lds', eventId: 'end-1', status: { ending: 'Normal' } },
  { row: 'T12', when: 'the slot is over and there is no GradingEngine', story: () => sessionAt('Running', { world: { gradingConfigured: false } }).at('2026-11-23T11:30:00Z'), to: 'Stopping', reason: 'TimeslotEnded', actor: 'timer' },
  { row: 'T12', when: 'somebody sets desiredState Terminated', story: () => sessionAt('Running').edit({ desiredState: 'Terminated' }), to: 'Stopping', reason: 'Cancelled', actor: 'user', status: { ending: 'Cancelled' } },
  { row: 'T12', when: 'the namespace is being deleted', story: () => terminating(sessionAt('Running')), to: 'Stopping', reason: 'Cancelled', actor: 'user' },
  // Collecting
  { row: 'T13', when: 'the evidence is packaged and the pod assigned', story: () => sessionAt('Collecting').finishPipeline(), to: 'Grading', reason: 'EvidenceCollected', actor: 'controller' },
  { row: 'T14', when: 'the third run of the collection fails', story: () => failedRuns(sessionAt('Collecting'), 'capture_configs', 2).failStep('capture_configs', 'CML is away'), to: 'Stopping', reason: 'CollectionFailed', actor: 'controller', status: { ending: 'Failed' }, conditions: { Graded: ['False', 'CollectionFailed'] } },
  { row: 'T14', when: 'the collection takes 10 min', story: () => sessionAt('Collecting').advance(10 * MINUTE), to: 'Stopping', reason: 'CollectionTimeout', actor: 'timer' },
  { row: 'T14', when: 'somebody sets desiredState Terminated during the collection', story: () => sessionAt('Collecting').edit({ desiredState: 'Terminated' }), to: 'Stopping', reason: 'Cancelled', actor: 'user', status: { ending: 'Cancelled' } },
  // Grading
  { row: 'T15', when: 'the result comes', story: () => sessionAt('Grading').requestGrade(), act: (story) => story.consume(event('grading.session.completed', { score: 71, max_score: 100 }, { id: 'grade-1' })), to: 'Stopping', reason: 'Graded', actor: 'grading-engine', eventId: 'grade-1', status: { ending: 'Normal' }, conditions: { Graded: ['True', 'Passed'] } },
  { row: 'T15', when: 'a poll finds the result', story: () => sessionAt('Grading').requestGrade(), act: (story) => story.judge([polled('grading.session.completed', { score: 12 })]), to: 'Stopping', reason: 'Graded', actor: 'poll', conditions: { Graded: ['True', 'NotPassed'] } },
  { row: 'T16', when: 'the grading fails and the policy is Stop', story: () => sessionAt('Grading').requestGrade(), act: (story) => story.consume(event('grading.session.failed', { error: 'no device answers' }, { id: 'fail-1' })), to: 'Stopping', reason: 'GradingFailed', actor: 'grading-engine', eventId: 'fail-1', status: { ending: 'Failed' }, conditions: { Graded: ['False', 'GradingFailed'] } },
  { row: 'T16', when: 'no result comes within 30 min', story: () => sessionAt('Grading').requestGrade().advance(30 * MINUTE), to: 'Stopping', reason: 'GradingTimeout', actor: 'timer' },
  { row: 'T16', when: 'the grading cannot even be asked for', story: () => sessionAt('Grading').failStep('request_grade', 'GradingEngine is away'), to: 'Stopping', reason: 'GradingFailed', actor: 'controller' },
  { row: 'T16', when: 'somebody sets desiredState Terminated while grading', story: () => sessionAt('Grading').edit({ desiredState: 'Terminated' }), to: 'Stopping', reason: 'Cancelled', actor: 'user' },
  { row: 'T16', when: 'the hold is released', story: () => holding().annotate({ 'lablet.dev/release-hold': '' }), to: 'Stopping', reason: 'HoldReleased', actor: 'user', status: { ending: 'Failed' } },
  { row: 'T16', when: 'nobody acts on the hold for 4 h', story: () => holding().advance(4 * HOUR), to: 'Stopping', reason: 'HoldExpired', actor: 'timer' },
  // Teardown
  { row: 'T17', when: 'the lab is stopped', story: () => stopLab(sessionAt('Stopping')), to: 'Stopped', reason: 'Stopped', actor: 'controller', status: { reason: 'Graded' }, conditions: { LabReady: ['False', 'Stopped'] } },
  { row: 'T17', when: 'the worker is lost', story: () => sessionAt('Stopping').worker('lost'), to: 'Stopped', reason: 'Stopped', actor: 'controller' },
  { row: 'T17', when: 'the lab is gone from its host', story: () => labGone(sessionAt('Stopping')), to: 'Stopped', reason: 'Stopped', actor: 'controller' },
  { row: 'T17', when: 'the lab does not stop within 10 min', story: () => sessionAt('Stopping').advance(10 * MINUTE), to: 'Stopped', reason: 'TeardownTimeout', actor: 'timer', status: { reason: 'Graded' } },
  { row: 'T18', when: 'a session that ended normally is torn down', story: () => sessionAt('Stopped').finishPipeline(), to: 'Archived', reason: 'TornDown', actor: 'controller', status: { reason: 'Graded' } },
  { row: 'T18', when: 'the teardown takes 10 min', story: () => sessionAt('Stopped').advance(10 * MINUTE), to: 'Archived', reason: 'TeardownTimeout', actor: 'timer' },
  { row: 'T19', when: 'a session that nobody started is torn down', story: () => noShowStopped().finishPipeline(), to: 'Terminated', reason: 'TornDown', actor: 'controller', status: { reason: 'NoShow' } },
  { row: 'T20', when: 'the archive time is over', story: () => sessionAt('Archived').advance(HOUR), to: 'Terminated', reason: 'ArchiveExpired', actor: 'timer' },
  { row: 'T20', when: 'an archived session is deleted', story: () => sessionAt('Archived').delete(), to: 'Terminated', reason: 'Deleted', actor: 'user' },
  // At once
  { row: 'T21', when: 'the worker is lost in Ready', story: () => sessionAt('Ready').worker('lost'), to: 'Terminated', reason: 'WorkerLost', actor: 'controller', status: { ending: 'Failed' } },
  { row: 'T21', when: 'the lab is gone while the candidate works', story: () => labGone(sessionAt('Running')), to: 'Terminated', reason: 'LabLost', actor: 'controller' },
  { row: 'T21', when: 'the worker is lost while grading', story: () => sessionAt('Grading').worker('lost'), to: 'Terminated', reason: 'WorkerLost', actor: 'controller', conditions: { Graded: ['False', 'WorkerLost'] } },
  { row: 'T21', when: 'the worker could not be drained an hour after the limit', story: () => overdue(sessionAt('Collecting'), 'force'), to: 'Terminated', reason: 'DrainTimeout', actor: 'timer' },
];

describe.each(TABLE.map(({ row }) => row).filter((row, index, all) => all.indexOf(row) === index).sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))))('%s', (id) => {
  const cases = TAKEN.filter(({ row }) => row === id);
  test.each(cases.map((each): [string, Taken] => [each.when, each]))('is taken when %s', (_, { story, act = judged, ...expected }) => {
    const before = given(story());
    const from = before.phase;
    const sequence = before.status.sequence ?? 0;
    const length = before.status.history?.length ?? 0;
    const decision = act(before);
    const { status } = decision;

    expect(status.phase).toBe(expected.to);
    expect(status).toMatchObject(expected.status ?? {});
    const rows = expected.rows ?? [id];
    const history = status.history?.slice(length) ?? [];
    expect(history.map(({ row }) => row)).toEqual(rows);
    expect(history.at(-1)).toEqual({
      ...(rows.length > 1 ? { from: 'Pending' } : from ? { from } : {}), to: expected.to, at: before.now.toISOString(), reason: expected.reason, actor: expected.actor, row: id,
      ...(expected.eventId ? { eventId: expected.eventId } : {}),
    });
    const fresh = (status.outbox ?? []).filter((entry) => (entry.sequence ?? 0) > sequence);
    expect(fresh.map(({ type }) => type)).toEqual(expected.events ?? TABLE.find(({ row, to }) => row === id && to === expected.to)?.events);
    expect(fresh.map((entry) => entry.sequence)).toEqual(fresh.map((_entry, index) => sequence + 1 + index));
    expect(fresh.map((entry) => entry.causationId)).toEqual(fresh.map(() => expected.eventId));
    for (const entry of fresh) EMITTED[entry.type as EmittedType].data.parse(JSON.parse(entry.data));
    for (const [type, [state, reason]] of Object.entries(expected.conditions ?? {})) expect([type, getCondition(status, type)]).toMatchObject([type, { status: state, reason }]);
    labletSessionStatus.parse(status);
  });

  test('has a case', () => {
    expect(cases.length).toBeGreaterThan(0);
  });
});

test.each<[string, () => Story, ((story: Story) => Judgement)?]>([
  ['a definition that is not there yet keeps the session waiting without a phase', () => new Story({ world: { definition: { state: 'missing' } } })],
  ['a booked session whose definition is missing waits until 5 min after the start', () => new Story({ world: { definition: { state: 'missing' } } }).at('2026-11-23T10:04:59.999Z')],
  ['a waiting session is not missed before 5 min after the start', () => sessionAt('Pending').at('2026-11-23T10:04:59.999Z')],
  ['a session without a slot waits for 45 min', () => sessionAt('Pending', { spec: ASAP }).advance(45 * MINUTE - 1)],
  ['a slot that began before creation cannot be missed', () => sessionAt('Pending', { metadata: { creationTimestamp: '2026-11-23T10:10:00Z' } }).advance(10 * MINUTE)],
  ['a duplicate that appears after admission does not end the session', () => withWorld(sessionAt('Pending'), { duplicateOf: 'cand-0041' })],
  ['a version that is replaced after admission keeps serving', () => withWorld(sessionAt('Pending'), { definition: { ...new Story().world.definition, deprecatedBy: '1.3.0' } as Story['world']['definition'] })],
  ['the lab is not started before the boot lead time', () => sessionAt('Scheduled').at('2026-11-23T09:44:59.999Z')],
  ['a draining worker goes on with a lab that is being made ready', () => sessionAt('Instantiating').worker('draining')],
  ['a lost worker changes nothing while the definition cannot be read', () => unreadable(sessionAt('Scheduled')).worker('lost')],
  ['a completed pipeline waits for the definition where that cannot be read', () => unreadable(sessionAt('Instantiating').finishPipeline())],
  ['no-show does not count while 30 min are not over', () => sessionAt('Ready').at('2026-11-23T10:29:59.999Z')],
  ['a no-show of 30 min counts from readyAt where that is later than the start', () => lateReady().at('2026-11-23T10:35:00Z')],
  ['a started session has no no-show', () => sessionAt('Running').at('2026-11-23T10:40:00Z')],
  ['a draining worker does not disturb a running session', () => sessionAt('Running').worker('draining')],
  ['a worker that does not answer for a while does not disturb a running session', () => sessionAt('Running').worker('notReady')],
  ['a started session does not end before its slot', () => sessionAt('Running').at('2026-11-23T11:29:59.999Z')],
  ['work is kept while the definition cannot be read', () => unreadable(sessionAt('Running')), (story) => story.at('2026-11-23T11:39:59Z').judge()],
  ['desiredState Ended lets a collection finish', () => sessionAt('Collecting').edit({ desiredState: 'Ended' })],
  ['a deletion waits for the collection', () => sessionAt('Collecting').delete()],
  ['a deletion waits for the grade', () => sessionAt('Grading').delete()],
  ['an overdue drain does not cut off a collection', () => overdue(sessionAt('Collecting'), 'cancel')],
  ['the annotation release-hold does nothing where nothing is held', () => sessionAt('Grading').annotate({ 'lablet.dev/release-hold': '' })],
  ['a hold lasts for 4 h', () => holding().advance(4 * HOUR - 1)],
  ['a lab that has not stopped is waited for', () => sessionAt('Stopping').advance(10 * MINUTE - 1)],
  ['a teardown is waited for', () => sessionAt('Stopped').advance(10 * MINUTE - 1)],
  ['an archived session stays for its time', () => sessionAt('Archived').advance(HOUR - 1)],
  ['a lost worker does not matter to an archived session', () => sessionAt('Archived').worker('lost')],
  ['a lost lab does not matter before the lab is ready', () => labGone(sessionAt('Instantiating'))],
  ['a paused session has no deadlines', () => sessionAt('Running').annotate({ 'lablet.dev/paused': '' }).at('2026-11-24T00:00:00Z')],
  ['nothing follows Terminated', () => sessionAt('Terminated').annotate({ 'lablet.dev/force-terminate': '' }).delete().advance(1000 * HOUR)],
])('%s', (_, make, act = judged) => {
  const story = make();
  const { phase, history } = story.status;
  const { rows, status } = act(story);
  expect(rows).toEqual([]);
  expect(status.phase).toBe(phase);
  expect(status.history).toEqual(history);
});

describe('T21 by the annotation force-terminate', () => {
  test.each(TABLE.filter(({ row }) => row === 'T21').map(({ from }) => from))('ends a session in %s at once', (from) => {
    if (from === null) throw new Error('T21 starts at a phase');
    const story = sessionAt(from).annotate({ 'lablet.dev/force-terminate': '' });
    const { rows, status } = story.judge();
    expect(rows).toEqual(['T21']);
    expect(status).toMatchObject({ phase: 'Terminated', reason: 'ForceTerminated', terminatedAt: story.now.toISOString() });
    expect(status.pipeline).toBeUndefined();
    expect(JSON.parse(status.outbox?.at(-1)?.data ?? '{}')).toMatchObject({ session_id: SESSION_UID, final_state: from.toLowerCase(), reason: 'ForceTerminated' });
    expect(['Ended', 'Expired', undefined]).toContain(status.userSession?.state);
    expect(['Faulted', 'Submitted', undefined]).toContain(status.gradingSession?.state);
    expect(status.endedAt === undefined).toBe(status.startedAt === undefined);
  });

  test('keeps a report that is there already', () => {
    const { status } = sessionAt('Stopped').annotate({ 'lablet.dev/force-terminate': '' }).judge();
    expect(status.scoreReport).toMatchObject({ score: 71, passed: true });
    expect(getCondition(status, 'Graded')).toMatchObject({ status: 'True' });
  });
});

test('a session restored from a backup is held with a reason, and nothing is decided about it', () => {
  const { rows, status, wakeAt } = sessionAt('Running').annotate({ 'lablet.dev/seen-uid': 'another-uid' }).at('2026-11-24T00:00:00Z').judge();
  expect([rows, wakeAt, status.phase, status.reason]).toEqual([[], undefined, 'Running', 'Restored']);
  expect(status.message).toContain('lablet.dev/seen-uid');
});

describe('what goes with the rows', () => {
  test('T4 and T7 forget the worker and everything on it, and keep the version and the slot', () => {
    const { status } = sessionAt('Instantiating').worker('lost').judge();
    expect(status).not.toHaveProperty('workerName');
    for (const field of ['labName', 'labOrigin', 'cmlLabId', 'allocatedPorts', 'pipeline', 'scheduledAt', 'userSession'] as const) expect(status).not.toHaveProperty(field);
    expect(status).toMatchObject({ definitionVersion: '1.2.0', timeslot: { end: '2026-11-23T11:30:00.000Z' } });
  });

  test('a fourth lost worker ends the session, and nothing has to be stopped on it', () => {
    const { rows, status } = rescheduled(sessionAt('Instantiating'), 3).worker('lost').judge();
    expect(rows).toEqual(['T8', 'T17']);
    expect(status).toMatchObject({ phase: 'Stopped', reason: 'WorkerLost', ending: 'Failed' });
  });

  test('a session that lost its worker after the start of its slot has 5 min more to find another', () => {
    const story = sessionAt('Scheduled').at('2026-11-23T10:20:00Z').worker('lost');
    story.judge();
    expect(story.phase).toBe('Pending');
    expect(story.advance(5 * MINUTE - 1).judge().rows).toEqual([]);
    expect(story.advance(1).judge().rows).toEqual(['T2']);
  });

  test('the launch URL is a reference in the ready event, never a value', () => {
    const ready = sessionAt('Ready').status.outbox?.find(({ type }) => type === 'ccm.lablet.session.ready');
    expect(JSON.parse(ready?.data ?? '{}')).toMatchObject({ login_url: null });
    expect(ready?.secretRef).toEqual({ name: 'cand-0042-launch', key: 'login_url', field: 'login_url' });
  });

  test('a session without LDS gets an access that is started by hand, and says so', () => {
    const story = sessionAt('Instantiating', { definition: { formQualifiedName: undefined } });
    const status = structuredClone(story.finishPipeline().status);
    Reflect.deleteProperty(status, 'userSession');
    story.session = { ...story.session, status };
    expect(story.judge().rows).toEqual(['T6']);
    expect(story.status.userSession).toMatchObject({ state: 'Provisioned' });
    expect(story.status.message).toContain('lablet.dev/start');
    expect(story.status.outbox?.at(-1)).not.toHaveProperty('secretRef');
  });

  test('where LDS may fail the session is Ready without it, Degraded, and can be started by hand', () => {
    const story = sessionAt('Instantiating', { definition: { ldsOptional: true } }).finishPipeline();
    const status = structuredClone(story.status);
    status.userSession = { id: 'a5f0c2a1-1b0f-5e0c-9d57-6b6f1f0c2a11', partNum: 1, state: 'Provisioning' };
    status.pipeline?.steps.forEach((step) => { if (step.name === 'lds_provision') Object.assign(step, { state: 'Failed', error: 'LDS answers 503' }); });
    story.session = { ...story.session, status };
    expect(story.judge().rows).toEqual(['T6']);
    expect(getCondition(story.status, 'Degraded')).toMatchObject({ status: 'True', reason: 'LdsUnavailable', message: expect.stringContaining('LDS answers 503') });
    expect(story.annotate({ 'lablet.dev/start': '' }).judge().rows).toEqual(['T9']);
  });

  test('the slot ends an access as Expired, a request and the longest working time as Ended', () => {
    expect(sessionAt('Running').at('2026-11-23T11:30:00Z').judge().status.userSession?.state).toBe('Expired');
    expect(sessionAt('Running').edit({ desiredState: 'Ended' }).judge().status.userSession?.state).toBe('Ended');
    expect(startedEarly(sessionAt('Running', { definition: { maxDuration: '90m' } })).judge().status.userSession?.state).toBe('Ended');
    expect(sessionAt('Ready').at('2026-11-23T10:30:00Z').judge().status.userSession?.state).toBe('Expired');
    expect(sessionAt('Ready').delete().judge().status.userSession?.state).toBe('Ended');
  });

  test.each<[string, string, (story: Story) => Story]>([
    ['lds_session_ended', 'lds', (story) => { story.consume(event('lds.session.ended')); return story; }],
    ['manual', 'user', (story) => { story.edit({ desiredState: 'Ended' }).judge(); return story; }],
    ['timeslot_end', 'timer', (story) => { story.at('2026-11-23T11:30:00Z').judge(); return story; }],
  ])('the collecting event says %s, triggered by %s', (reason, actor, act) => {
    const collecting = act(sessionAt('Running')).status.outbox?.at(-1);
    expect(JSON.parse(collecting?.data ?? '{}')).toMatchObject({ collection_reason: reason, triggered_by: actor });
  });

  test('the terminated event of a torn down session tells why it ended, not that it was torn down', () => {
    const terminated = noShowStopped().finishPipeline().judge().status.outbox?.at(-1);
    expect(JSON.parse(terminated?.data ?? '{}')).toEqual({ session_id: SESSION_UID, final_state: 'stopped', reason: 'NoShow' });
  });

  test('usage is metered from the binding of the worker to its release', () => {
    const outbox = sessionAt('Stopped').status.outbox;
    expect(JSON.parse(outbox?.at(-1)?.data ?? '{}')).toEqual({ session_id: SESSION_UID, duration_seconds: 59 * 60, worker_seconds: 93 * 60, template_name: 'metal', cost_estimate: '6.1444' });
  });

  test('what a teardown leaves behind is named in an Event', () => {
    expect(sessionAt('Stopping').advance(10 * MINUTE).judge().notices).toEqual([{ type: 'Warning', reason: 'TeardownTimeout', message: expect.stringContaining('campus-edge-7d1f0c2a') }]);
  });

  test('an archived session drops inbox, devices and pipeline at its end and keeps its result', () => {
    const { status } = sessionAt('Terminated');
    expect(status.inbox).toBeUndefined();
    expect(status.userSession?.devices).toBeUndefined();
    expect(status.pipeline).toBeUndefined();
    expect(status.scoreReport).toMatchObject({ score: 71 });
  });

  test('without a sink and an archive nothing is recorded', () => {
    const { status } = sessionAt('Terminated', { world: { emit: false } });
    expect([status.outbox, status.sequence]).toEqual([undefined, undefined]);
  });

  test('a long reason from outside is cut to what a status holds', () => {
    const story = withWorld(sessionAt('Scheduled'), { worker: { name: 'w', state: 'lost', message: 'x'.repeat(4000) } });
    expect(story.judge().status.message).toHaveLength(1024);
  });
});

test('a waiting session says what it waits for and what would help', () => {
  const missing = new Story({ world: { definition: { state: 'missing' } } }).judge().status;
  expect(getCondition(missing, 'Scheduled')).toMatchObject({ status: 'False', reason: 'DefinitionNotFound', message: expect.stringContaining('Create it') });
  const notReady = new Story({ world: { definition: { state: 'notReady', message: 'the ConfigMap has no key lab.yaml' } } }).judge().status;
  expect(getCondition(notReady, 'Scheduled')).toMatchObject({ reason: 'DefinitionNotReady', message: expect.stringContaining('no key lab.yaml') });
  const booting = sessionAt('Scheduled').at('2026-11-23T09:46:00Z').worker('notReady', 'its phase is Starting').judge().status;
  expect(getCondition(booting, 'LabReady')).toMatchObject({ status: 'False', reason: 'WorkerNotReady', message: 'Waits for worker w-metal-01: its phase is Starting' });
});

function withWorld(story: Story, fields: Partial<Story['world']>): Story {
  story.world = { ...story.world, ...fields };
  return story;
}
const unreadable = (story: Story): Story => withWorld(story, { definition: { state: 'notReady', message: 'its stored version cannot be found' } });
const terminating = (story: Story): Story => withWorld(story, { namespaceTerminating: true });
const labGone = (story: Story): Story => withWorld(story, { lab: { state: 'gone' } });
const overdue = (story: Story, overdueDrain: 'cancel' | 'force'): Story => withWorld(story, { worker: { name: 'w-metal-01', state: 'draining', message: 'it is being drained', overdueDrain } });

function withStatus(story: Story, fields: Partial<SessionStatus>): Story {
  story.session = { ...story.session, status: { ...story.status, ...fields } };
  return story;
}
const rescheduled = (story: Story, reschedules: number): Story => withStatus(story, { reschedules });

/** Ready and started half an hour ahead of the slot: maxDuration is over before the slot is. */
const startedEarly = (story: Story): Story => withStatus(story, { startedAt: '2026-11-23T09:50:00.000Z' }).at('2026-11-23T11:20:00Z');

const lateReady = (): Story => {
  const story = sessionAt('Instantiating').at('2026-11-23T10:10:00Z').finishPipeline();
  story.judge();
  return story;
};

function failedRuns(story: Story, step: string, runs: number): Story {
  for (let run = 0; run < runs; run++) story.failStep(step).judge();
  return story.advance(SECOND);
}

function holding(): Story {
  const story = sessionAt('Grading', { definition: { grading: { rulesUri: 's3://rules/grade.xml', onFailure: 'Hold' } } }).requestGrade();
  story.consume(event('grading.session.failed', { error: 'no device answers' }));
  return story;
}

function noShowStopped(): Story {
  const story = sessionAt('Ready').at('2026-11-23T10:30:00Z');
  story.judge();
  stopLab(story).judge();
  return story;
}

function stopLab(story: Story): Story {
  const status = structuredClone(story.status);
  for (const step of status.pipeline?.steps ?? []) if (step.name === 'stop_lab') step.state = 'Completed';
  story.session = { ...story.session, status };
  return story;
}
