import { describe, expect, test } from '@jest/globals';
import { getCondition } from '../../../src/core/conditions.ts';
import { judgeWorker } from '../../../src/core/worker-lifecycle.ts';
import { drainLimits, overdueDrain } from '../../../src/core/worker-drain.ts';
import { machineWorker, readyProbe, workerWorld } from '../../support/worker-world.ts';
import type { WorkerPhase, WorkerStatus } from '../../../src/api/worker.ts';
import type { InstanceFacts, Launch } from '../../../src/core/worker-world.ts';

const NOW = new Date('2026-11-23T12:00:00Z');
const MINUTE = 60_000;
const at = (ms: number): Date => new Date(NOW.getTime() + ms);
/** An hour in the phase: whatever the provider shows has settled. */
const LONG_AGO = at(-60 * MINUTE).toISOString();

type Parts = Parameters<typeof machineWorker>[1];
type World = Parameters<typeof workerWorld>[0];

const inPhase = (phase: WorkerPhase, more: Partial<WorkerStatus> = {}, since = LONG_AGO): WorkerStatus => ({
  phase, observedGeneration: 1, instanceId: 'i-1', outbox: [], sequence: 0,
  history: [{ from: 'Pending', to: 'Provisioning', at: since, reason: 'Launched', actor: 'controller' }, { from: 'Provisioning', to: phase, at: since, reason: 'Test', actor: 'controller' }], ...more,
});
const judge = (status: WorkerStatus | undefined, parts: Parts = {}, world: World = {}, now = NOW) => judgeWorker(machineWorker(status, parts), workerWorld(world), now);

const machine = (state: InstanceFacts['state'], more: Partial<InstanceFacts> = {}): InstanceFacts => ({ id: 'i-1', state, ...more });
const running = machine('running', { address: '10.0.0.7', endpoint: 'https://10.0.0.7' });
const launched: Launch = { state: 'launched', instance: machine('pending', { imageId: 'ami-1', imageName: 'cisco-cml2.9.1' }) };
const idle = { by: 'Autoscaler' as const, reason: 'Idle', since: LONG_AGO };

describe('the table of a worker on EC2', () => {
  test.each<[string, WorkerStatus | undefined, Parts, World, WorkerPhase, string[], string[]]>([
    ['new', undefined, {}, {}, 'Pending', ['W0'], []],
    ['pending, launched', inPhase('Pending'), {}, { launch: launched, instance: machine('pending') }, 'Provisioning', ['W12'], ['up']],
    ['pending, no capacity', inPhase('Pending'), {}, { launch: { state: 'failed', reason: 'InsufficientInstanceCapacity', message: 'none left' } }, 'Failed', ['W13'], []],
    ['pending, throttled', inPhase('Pending', {}, NOW.toISOString()), {}, { launch: { state: 'waiting', reason: 'LaunchDelayed', message: 'throttled' } }, 'Pending', [], []],
    ['pending, throttled for half an hour', inPhase('Pending'), {}, { launch: { state: 'waiting', reason: 'LaunchDelayed', message: 'throttled' } }, 'Failed', ['W13'], []],
    ['pending, deleted', inPhase('Pending'), { deleted: true }, { instance: { state: 'gone' } }, 'Terminated', ['W10', 'W9'], []],
    ['provisioning, runs', inPhase('Provisioning', {}, NOW.toISOString()), {}, { instance: running }, 'Starting', ['W14'], []],
    ['provisioning, runs without an address', inPhase('Provisioning', {}, NOW.toISOString()), {}, { instance: machine('running') }, 'Provisioning', [], []],
    ['provisioning, not shown yet', inPhase('Provisioning', {}, NOW.toISOString()), {}, { instance: machine('gone') }, 'Provisioning', [], []],
    ['provisioning for too long', inPhase('Provisioning'), {}, { instance: machine('pending') }, 'Failed', ['W15'], ['down']],
    ['provisioning, to be stopped', inPhase('Provisioning', {}, NOW.toISOString()), { desiredState: 'Stopped' }, { instance: machine('pending') }, 'Stopping', ['W7'], ['down']],
    ['starting, its CML ready', inPhase('Starting', {}, NOW.toISOString()), {}, { instance: running, probe: readyProbe() }, 'Running', ['W2'], []],
    ['starting, the licence missing', inPhase('Starting', {}, NOW.toISOString()), {}, { instance: running, probe: readyProbe({ license: { registration: 'NOT_REGISTERED', authorization: 'EVAL', product: 'CML_Enterprise' } }) }, 'Starting', [], []],
    ['starting for too long', inPhase('Starting'), {}, { instance: running, probe: { state: 'unreachable', message: 'no answer' } }, 'Failed', ['W15'], ['down']],
    ['running and empty, drained by the autoscaler', inPhase('Running', { drain: idle }), {}, { instance: running }, 'Stopping', ['W3', 'W5'], ['draining', 'down']],
    ['running and empty, deleted', inPhase('Running'), { deleted: true }, { instance: running, labs: 2 }, 'Terminating', ['W3', 'W11'], ['draining', 'down']],
    ['stopping, not yet stopped', inPhase('Stopping'), { desiredState: 'Stopped' }, { instance: machine('stopping') }, 'Stopping', [], []],
    ['stopping, stopped', inPhase('Stopping'), { desiredState: 'Stopped' }, { instance: machine('stopped') }, 'Stopped', ['W6'], []],
    ['stopped, wanted and started', inPhase('Stopped'), {}, { instance: machine('pending') }, 'Starting', ['W8'], ['up']],
    ['stopped, wanted, sessions still on it', inPhase('Stopped'), {}, { instance: machine('pending'), sessions: ['exams/one'] }, 'Stopped', [], []],
    ['stopped by the autoscaler', inPhase('Stopped', { drain: idle }), {}, { instance: machine('stopped') }, 'Stopped', [], []],
    ['stopped for longer than its template allows', inPhase('Stopped', { drain: idle }), {}, { instance: machine('stopped'), limits: { stoppedTtl: MINUTE } }, 'Terminating', ['W10'], []],
    ['terminating, the instance ending', inPhase('Terminating'), { deleted: true }, { instance: machine('shutting-down') }, 'Terminating', [], []],
    ['terminating, the instance gone', inPhase('Terminating'), { deleted: true }, { instance: machine('gone'), labs: 3 }, 'Terminated', ['W9'], []],
    ['failed, its spec unchanged', inPhase('Failed', { failedGeneration: 1 }), {}, { instance: machine('terminated') }, 'Failed', [], []],
    ['failed, its instance still up', inPhase('Failed', { failedGeneration: 0 }), {}, { instance: running }, 'Failed', [], []],
    ['failed, its spec changed', inPhase('Failed', { failedGeneration: 0, launchGeneration: 1 }), {}, { instance: machine('terminated') }, 'Pending', ['W16'], []],
    ['failed and deleted', inPhase('Failed'), { deleted: true }, { instance: machine('terminated') }, 'Terminated', ['W10', 'W9'], []],
    ['running with a session, stopped outside', inPhase('Running'), {}, { instance: machine('stopped'), sessions: ['exams/one'] }, 'Stopped', ['W18'], ['down']],
    ['running, being stopped outside', inPhase('Running'), {}, { instance: machine('stopping'), sessions: ['exams/one'] }, 'Stopping', ['W17'], ['down']],
    ['draining, being terminated outside', inPhase('Draining', { drain: idle }), {}, { instance: machine('shutting-down'), sessions: ['exams/one'] }, 'Terminating', ['W19'], ['down']],
    ['running with a session, terminated outside', inPhase('Running'), {}, { instance: machine('terminated'), sessions: ['exams/one'] }, 'Terminated', ['W20'], ['down']],
    ['running, not known to EC2 any more', inPhase('Running'), {}, { instance: machine('gone') }, 'Terminated', ['W20'], ['down']],
    ['stopped, terminated outside', inPhase('Stopped', { drain: idle }), {}, { instance: machine('terminated') }, 'Terminated', ['W20'], []],
    ['running, EC2 not looked at', inPhase('Running'), {}, {}, 'Running', [], []],
  ])('%s', (_, status, parts, world, phase, rows, events) => {
    const judgement = judge(status, parts, world);
    expect([judgement.status.phase, judgement.rows]).toEqual([phase, rows]);
    expect((judgement.status.outbox ?? []).map(({ type }) => type.split('.').at(-1))).toEqual(events);
  });

  test('notes where its CML is once it runs, and tells it by the address that the spec gives for candidates', () => {
    const { status } = judge(inPhase('Provisioning', {}, NOW.toISOString()), { overrides: { address: 'lab.example.org' } }, { instance: running });
    expect(status).toMatchObject({ phase: 'Starting', endpoint: 'https://10.0.0.7', address: 'lab.example.org', instanceState: 'running' });
  });

  test('a further launch has another token, and nothing of the failed one', () => {
    const { status } = judge(inPhase('Failed', { failedGeneration: 0, launchGeneration: 3, endpoint: 'https://10.0.0.7' }), {}, { instance: machine('terminated') });
    expect([status.launchGeneration, status.instanceId, status.endpoint]).toEqual([4, undefined, undefined]);
  });

  test('what EC2 shows right after our own act is believed a moment later', () => {
    const fresh = inPhase('Starting', {}, NOW.toISOString());
    const early = judge(fresh, {}, { instance: machine('stopped'), limits: { settle: 5_000 } });
    expect([early.rows, early.wakeAt]).toEqual([[], at(5_000)]);
    expect(judge(fresh, {}, { instance: machine('stopped') }, at(5_000)).rows).toEqual(['W18']);
  });

  test('an adopted instance is let go of and never waited for', () => {
    expect(judge(inPhase('Terminating'), { deleted: true, instanceId: 'i-1' }, { instance: running }).status.phase).toBe('Terminated');
    expect(judge(inPhase('Terminating'), { deleted: true, instanceId: 'i-1' }, { instance: running, licenseReleased: false }).status.phase).toBe('Terminating');
  });

  test('a person who changes the spec of a worker that the autoscaler stopped has it back', () => {
    const status = inPhase('Stopped', { drain: idle, observedGeneration: 0 });
    expect(judge(status, {}, { instance: machine('pending') }).status).not.toHaveProperty('drain');
  });

  test('says why its licence is missing', () => {
    const probe = readyProbe({ license: { registration: 'NOT_REGISTERED', authorization: 'EVAL', product: 'CML_Personal' } });
    const { status } = judge(inPhase('Starting', {}, NOW.toISOString()), {}, { instance: running, probe, registration: { reason: 'TokenRefused', message: 'CML does not accept it.' } });
    expect(getCondition(status, 'Licensed')).toMatchObject({ status: 'False', reason: 'TokenRefused' });
    expect(status.reason).toBe('TokenRefused');
  });
});

describe('a drain', () => {
  const draining = inPhase('Draining', { drainStartedAt: LONG_AGO, drain: idle });
  const limits = { drain: 240 * MINUTE, drainForce: 60 * MINUTE };
  const world: World = { instance: running, sessions: ['exams/one'], limits };

  test('says when it will be done: at the end of the last session, or at its own limit', () => {
    const soon = judge(draining, {}, { ...world, lastSessionEnd: at(90 * MINUTE) });
    expect(soon.status.drainDoneBy).toBe(at(90 * MINUTE).toISOString());
    expect(getCondition(soon.status, 'Schedulable')).toMatchObject({ status: 'False', reason: 'Draining', message: expect.stringContaining(`1 session(s) are left; the last will have ended by ${at(90 * MINUTE).toISOString()}`) });
    expect(soon.wakeAt).toEqual(at(180 * MINUTE));
    expect(judge(draining, {}, world).status.drainDoneBy).toBe(at(240 * MINUTE).toISOString());
  });

  test.each([[0, undefined], [239, undefined], [240, 'cancel'], [299, 'cancel'], [300, 'force'], [600, 'force']] as const)('after %d minutes: %s', (minutes, overdue) => {
    const since = drainLimits({ phase: 'Draining', drainStartedAt: NOW.toISOString() }, limits);
    expect(since && overdueDrain(since, at(minutes * MINUTE)).overdue).toBe(overdue);
    expect(drainLimits({ phase: 'Running', drainStartedAt: NOW.toISOString() }, limits)).toBeUndefined();
  });

  test('that has taken too long says so, and does not stop the machine under a session', () => {
    const { status } = judge(draining, {}, world, at(180 * MINUTE));
    expect(status).toMatchObject({ phase: 'Draining', reason: 'DrainTimeout', message: expect.stringContaining('longer than 4h') });
  });

  test('that is cancelled leaves nothing of it behind', () => {
    const { status } = judge({ ...draining, drain: undefined }, {}, world);
    expect([status.phase, status.drainStartedAt, status.drainDoneBy]).toEqual(['Running', undefined, undefined]);
  });
});
