import { describe, expect, test } from '@jest/globals';
import { getCondition } from '../../../src/core/conditions.ts';
import { judgeWorker, WORKER_TABLE } from '../../../src/core/worker-lifecycle.ts';
import { acceptedLicenses, licenseProduct } from '../../../src/core/worker-health.ts';
import { WORKER_PHASES } from '../../../src/api/worker.ts';
import { readyProbe, staticWorker, workerWorld } from '../../support/worker-world.ts';
import type { WorkerPhase, WorkerStatus } from '../../../src/api/worker.ts';
import type { Probe, WorkerWorld } from '../../../src/core/worker-world.ts';

const NOW = new Date('2026-11-23T12:00:00Z');
const HEALTHY: WorkerStatus = (({ status }) => ({ conditions: status.conditions, ...status }))(judgeWorker(staticWorker(), workerWorld({ probe: readyProbe() }), NOW));

/** A worker that has been in `phase` since NOW, its CML as it should be. */
const inPhase = (phase: WorkerPhase, more: Partial<WorkerStatus> = {}): WorkerStatus => ({ ...HEALTHY, phase, history: [{ to: phase, at: NOW.toISOString(), reason: 'Test', actor: 'controller' }], outbox: [], sequence: 0, ...more });
const judge = (status: WorkerStatus | undefined, parts: Parameters<typeof staticWorker>[1] = {}, world: Parameters<typeof workerWorld>[0] = {}, now = NOW) => judgeWorker(staticWorker(status, parts), workerWorld(world), now);

const UNREACHABLE: Probe = { state: 'unreachable', message: 'no answer' };

describe('the table of a static worker', () => {
  test.each<[string, WorkerStatus | undefined, Parameters<typeof staticWorker>[1], Partial<WorkerWorld>, WorkerPhase, string[]]>([
    ['new, its host ready', undefined, {}, { probe: readyProbe() }, 'Running', ['W0', 'W1', 'W2']],
    ['new, its host silent', undefined, {}, { probe: UNREACHABLE }, 'Starting', ['W0', 'W1']],
    ['new, without a template', undefined, {}, { offer: undefined }, 'Pending', ['W0']],
    ['starting, not asked', inPhase('Starting'), {}, {}, 'Starting', []],
    ['starting, to be stopped', inPhase('Starting'), { desiredState: 'Stopped' }, {}, 'Stopped', ['W7', 'W6']],
    ['running, its host silent', inPhase('Running'), {}, { probe: UNREACHABLE }, 'Running', []],
    ['running with a session, to be drained', inPhase('Running'), { desiredState: 'Draining' }, { sessions: ['exams/one'] }, 'Draining', ['W3']],
    ['running with a session, to be stopped', inPhase('Running'), { desiredState: 'Stopped' }, { sessions: ['exams/one'] }, 'Draining', ['W3']],
    ['running and empty, to be stopped', inPhase('Running'), { desiredState: 'Stopped' }, {}, 'Stopped', ['W3', 'W5', 'W6']],
    ['running and empty, deleted', inPhase('Running'), { deleted: true }, {}, 'Terminated', ['W3', 'W11', 'W9']],
    ['running, deleted, labs left', inPhase('Running'), { deleted: true }, { labs: 2 }, 'Terminating', ['W3', 'W11']],
    ['running with a session, deleted', inPhase('Running'), { deleted: true }, { sessions: ['exams/one'] }, 'Draining', ['W3']],
    ['running with a session, deleted by force', inPhase('Running'), { deleted: true, forced: true }, { sessions: ['exams/one'], labs: 1 }, 'Terminated', ['W3', 'W11', 'W9']],
    ['running, drained by the autoscaler', inPhase('Running', { drain: { by: 'Autoscaler', reason: 'Idle', since: NOW.toISOString() } }), {}, { sessions: ['exams/one'] }, 'Draining', ['W3']],
    ['draining, wanted again', inPhase('Draining'), {}, {}, 'Running', ['W4']],
    ['draining, a lab being wiped', inPhase('Draining'), { desiredState: 'Stopped' }, { busyLabs: 1, labs: 1 }, 'Draining', []],
    ['draining and empty, whatever asked for it', inPhase('Draining'), { desiredState: 'Draining' }, {}, 'Stopped', ['W5', 'W6']],
    ['stopped, wanted again, its host silent', inPhase('Stopped'), {}, { probe: UNREACHABLE }, 'Stopped', []],
    ['stopped, wanted again, its host ready', inPhase('Stopped'), {}, { probe: readyProbe() }, 'Running', ['W8', 'W2']],
    ['stopped by the autoscaler, its host ready', inPhase('Stopped', { drain: { by: 'Autoscaler', reason: 'Idle', since: NOW.toISOString() } }), {}, { probe: readyProbe() }, 'Stopped', []],
    ['stopped and deleted', inPhase('Stopped'), { deleted: true }, {}, 'Terminated', ['W10', 'W9']],
    ['terminated', inPhase('Terminated'), { deleted: true }, {}, 'Terminated', []],
  ])('%s', (_, status, parts, world, phase, rows) => {
    const judgement = judge(status, parts, world);
    expect([judgement.status.phase, judgement.rows]).toEqual([phase, rows]);
    expect(judgement.status.history?.slice(-rows.length || Infinity).map(({ row }) => row)).toEqual(rows);
  });

  test('has no row out of Terminated', () => {
    expect(WORKER_TABLE.filter(({ from }) => from === 'Terminated')).toEqual([]);
    for (const { from, to } of WORKER_TABLE) expect(WORKER_PHASES).toEqual(expect.arrayContaining([from ?? to, to]));
  });

  test('tells of a drain with the sessions that are left, once', () => {
    const draining = judge(inPhase('Running'), { desiredState: 'Draining' }, { sessions: ['exams/one', 'exams/two'] });
    expect(draining.status.outbox).toMatchObject([{ type: 'ccm.worker.draining', sequence: 1 }]);
    expect(JSON.parse(draining.status.outbox?.[0]?.data ?? '')).toEqual({ worker_id: 'cml-1', reason: 'Draining', running_sessions_count: 2 });
    expect(judge(draining.status, { desiredState: 'Draining' }, { sessions: ['exams/one'] }).status.outbox).toHaveLength(1);
    expect(judge(inPhase('Running'), { desiredState: 'Draining' }, { emit: false, sessions: ['exams/one'] }).status.outbox).toEqual([]);
  });

  test('waits for the labs of a worker that goes up to the limit, and not longer', () => {
    const waiting = judge(inPhase('Terminating'), { deleted: true }, { labs: 1, limits: { teardown: 600_000 } });
    expect([waiting.status.phase, waiting.wakeAt]).toEqual(['Terminating', new Date(NOW.getTime() + 600_000)]);
    const over = judge(inPhase('Terminating'), { deleted: true }, { labs: 1, limits: { teardown: 600_000 } }, new Date(NOW.getTime() + 600_000));
    expect(over.status).toMatchObject({ phase: 'Terminated', reason: 'TeardownTimeout' });
  });
});

describe('the health of a worker', () => {
  test('that is as ever is not worth a write until the next heartbeat', () => {
    const heartbeat = 300_000;
    const at = (ms: number) => judge(HEALTHY, {}, { probe: readyProbe(), limits: { heartbeat } }, new Date(NOW.getTime() + ms)).status;
    expect(at(heartbeat - 1)).toEqual(HEALTHY);
    expect(at(heartbeat).lastProbeTime).toBe(new Date(NOW.getTime() + heartbeat).toISOString());
  });

  test('keeps the moment at which the host fell silent, until it answers', () => {
    const silent = judge(HEALTHY, {}, { probe: UNREACHABLE }).status;
    const still = judge(silent, {}, { probe: UNREACHABLE }, new Date(NOW.getTime() + 60_000)).status;
    expect([silent.unreachableSince, still.unreachableSince]).toEqual([NOW.toISOString(), NOW.toISOString()]);
    expect(getCondition(still, 'Schedulable')).toMatchObject({ status: 'False', reason: 'Unreachable' });
    expect(judge(still, {}, { probe: readyProbe() }).status.unreachableSince).toBeUndefined();
  });

  test('does not call a host unreachable because a Secret is missing: nobody loses a lab for that', () => {
    const { status } = judge(HEALTHY, {}, { probe: { state: 'unconfigured', reason: 'CredentialsMissing', message: 'Secret a/b does not exist; create it.' } });
    expect(status.unreachableSince).toBeUndefined();
    expect(getCondition(status, 'Schedulable')).toMatchObject({ status: 'False', reason: 'CredentialsMissing' });
  });

  test.each([
    ['CML_Personal', 'COMPLETED', 'IN_COMPLIANCE', 'Personal', 'True', 20],
    ['CML_Enterprise', 'COMPLETED', 'IN_COMPLIANCE', 'Enterprise', 'True', undefined],
    ['CML_Evaluation', 'COMPLETED', 'IN_COMPLIANCE', 'Evaluation', 'True', undefined],
    ['CML_Enterprise', 'COMPLETED', 'OUT_OF_COMPLIANCE', 'Enterprise', 'False', undefined],
    ['CML_Enterprise', 'NOT_REGISTERED', 'EVAL', 'Enterprise', 'False', undefined],
    ['CML_Personal', 'COMPLETED', 'IN_COMPLIANCE', 'Enterprise', 'False', 20],
  ] as const)('with %s, %s and %s where %s is wanted: Licensed=%s', (product, registration, authorization, wanted, licensed, limit) => {
    const { status } = judge(undefined, {}, { wantedLicense: wanted, probe: readyProbe({ license: { product, registration, authorization } }) });
    expect(getCondition(status, 'Licensed')?.status).toBe(licensed);
    expect(status.license).toEqual({ product: licenseProduct(product), state: authorization, ...(limit ? { nodeLimit: limit } : {}) });
    expect(status.phase).toBe(licensed === 'True' ? 'Running' : 'Starting');
  });

  test('serves a definition that asks for a Personal licence with an Enterprise one only where the installation says so', () => {
    expect(acceptedLicenses(['Personal'], false)).toEqual(['Personal']);
    expect(acceptedLicenses(['Personal'], true)).toEqual(['Personal', 'Enterprise']);
    expect(acceptedLicenses(['Enterprise'], true)).toEqual(['Enterprise']);
    expect(acceptedLicenses([], true)).toEqual([]);
  });

  test('places nothing beside a session of which nobody knows what it needs', () => {
    expect(getCondition(judge(HEALTHY, {}, { unknownDemands: ['exams/odd'] }).status, 'Schedulable')).toMatchObject({ status: 'False', reason: 'DemandUnknown' });
  });
});
