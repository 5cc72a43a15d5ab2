import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isTrue } from '../../src/core/conditions.ts';
import { capacityStatus, sumDemands } from '../../src/core/worker-capacity.ts';
import { judgeWorker, WORKER_TABLE } from '../../src/core/worker-lifecycle.ts';
import { parseQuantity } from '../../src/core/quantity.ts';
import { machineWorker, readyProbe, staticWorker, workerWorld } from '../support/worker-world.ts';
import type { WorkerStatus } from '../../src/api/worker.ts';
import type { Probe } from '../../src/core/worker-world.ts';

const START = Date.parse('2026-11-23T12:00:00Z');

const probe: fc.Arbitrary<Probe | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constant(readyProbe()),
  fc.constant(readyProbe({ license: { registration: 'NOT_REGISTERED', authorization: 'EVAL', product: 'CML_Personal' } })),
  fc.constant<Probe>({ state: 'unreachable', message: 'no answer' }),
  fc.constant<Probe>({ state: 'notReady', reason: 'Booting', message: 'starting' }),
  fc.constant<Probe>({ state: 'unconfigured', reason: 'NoCredentials', message: 'no Secret' }),
);

/** One pass: what a person wants, and what the world is like. */
const pass = fc.record({
  desiredState: fc.constantFrom('Running' as const, 'Draining' as const, 'Stopped' as const, 'Terminated' as const),
  deleted: fc.boolean(), forced: fc.boolean(), probe, sessions: fc.integer({ min: 0, max: 2 }), labs: fc.integer({ min: 0, max: 2 }), hasTemplate: fc.boolean(),
  passed: fc.integer({ min: 0, max: 700_000 }),
});

test('whatever happens to a worker, it moves by rows of the table only, and a judgement repeated changes nothing', () => {
  fc.assert(fc.property(fc.array(pass, { maxLength: 20 }), (passes) => {
    let status: WorkerStatus | undefined;
    let now = START;
    for (const { desiredState, deleted, forced, sessions, labs, hasTemplate, passed, probe: seen } of passes) {
      now += passed;
      const bound = Array.from({ length: sessions }, (_, n) => `exams/s-${n}`);
      const world = workerWorld({ probe: seen, sessions: bound, labs, ...(hasTemplate ? {} : { offer: undefined }) });
      const before = status?.phase;
      const judgement = judgeWorker(staticWorker(status, { desiredState, deleted, forced }), world, new Date(now));
      let phase = before ?? null;
      for (const row of judgement.rows) {
        const taken = WORKER_TABLE.find((candidate) => candidate.row === row && candidate.from === phase);
        expect(taken).toBeDefined();
        phase = taken?.to ?? null;
      }
      expect(judgement.status.phase).toBe(phase);
      expect(judgement.status.history?.at(-1)?.to).toBe(phase);
      status = judgement.status;
      const again = judgeWorker(staticWorker(status, { desiredState, deleted, forced }), { ...world, probe: undefined }, new Date(now));
      expect(again.rows.filter((row) => row !== 'W2')).toEqual([]);
    }
  }));
});

test('a worker takes sessions only while it is Running, its CML is ready and its licence in order', () => {
  fc.assert(fc.property(fc.array(pass, { minLength: 1, maxLength: 20 }), (passes) => {
    let status: WorkerStatus | undefined;
    for (const { desiredState, deleted, forced, sessions, labs, hasTemplate, probe: seen } of passes) {
      const world = workerWorld({ probe: seen, sessions: Array.from({ length: sessions }, (_, n) => `exams/s-${n}`), labs, ...(hasTemplate ? {} : { offer: undefined }) });
      status = judgeWorker(staticWorker(status, { desiredState, deleted, forced }), world, new Date(START)).status;
      if (!isTrue(status, 'Schedulable')) continue;
      expect([status.phase, isTrue(status, 'CMLReady'), isTrue(status, 'Licensed'), status.unreachableSince]).toEqual(['Running', true, true, undefined]);
      expect([desiredState, deleted]).toEqual(['Running', false]);
    }
  }));
});

test('a worker with a session on it never leaves Draining for Stopping or Terminating, unless forced', () => {
  fc.assert(fc.property(pass, fc.constantFrom('Running' as const, 'Draining' as const), (one, phase) => {
    const world = workerWorld({ probe: one.probe, sessions: ['exams/one'], labs: 1 });
    const { status } = judgeWorker(staticWorker({ phase, conditions: [] }, { desiredState: one.desiredState, deleted: one.deleted }), world, new Date(START));
    expect(['Running', 'Draining']).toContain(status.phase);
  }));
});

const machinePass = fc.record({
  desiredState: fc.constantFrom('Running' as const, 'Running' as const, 'Draining' as const, 'Stopped' as const, 'Terminated' as const),
  deleted: fc.boolean(), forced: fc.boolean(), drained: fc.boolean(), probe, sessions: fc.integer({ min: 0, max: 1 }), passed: fc.integer({ min: 0, max: 1_000_000 }),
  state: fc.constantFrom('pending', 'running', 'running', 'stopping', 'stopped', 'shutting-down', 'terminated', 'gone', undefined),
  launch: fc.constantFrom('launched' as const, 'waiting' as const, 'failed' as const, undefined),
});

test('a machine is told of as up once for every time it was up, and as down once, whatever happens to it', () => {
  fc.assert(fc.property(fc.array(machinePass, { maxLength: 30 }), (passes) => {
    let status: WorkerStatus | undefined;
    let now = START;
    let told: string[] = [];
    for (const { desiredState, deleted, forced, drained, probe: seen, sessions, passed, state, launch } of passes) {
      now += passed;
      const instance = state && { id: 'i-1', state, ...(state === 'running' ? { address: '10.0.0.7', endpoint: 'https://10.0.0.7' } : {}) };
      const world = workerWorld({
        instance, probe: seen, sessions: Array.from({ length: sessions }, (_, n) => `exams/s-${n}`),
        launch: launch && { state: launch, reason: 'Tried', message: 'tried', instance: { id: 'i-1', state: 'pending' } },
      });
      const before: WorkerStatus | undefined = status && { ...status, ...(drained ? { drain: { by: 'Autoscaler', reason: 'Idle', since: new Date(now).toISOString() } } : {}) };
      const judgement = judgeWorker(machineWorker(before, { desiredState, deleted, forced }), world, new Date(now));
      let phase = before?.phase ?? null;
      for (const row of judgement.rows) {
        const taken = WORKER_TABLE.find((candidate) => candidate.row === row && candidate.from === phase);
        expect(taken).toBeDefined();
        phase = taken?.to ?? null;
      }
      expect(judgement.status.phase).toBe(phase);
      // A session keeps its machine, but for what somebody else does to it.
      if (sessions > 0 && !forced && before?.phase === 'Running' && instance?.state === 'running') expect(['Running', 'Draining']).toContain(phase);
      ({ status } = judgement);
      told = [...told, ...(status.outbox ?? []).map(({ type }) => type).filter((type) => type.startsWith('ccm.worker.scaling.'))];
      status = { ...status, outbox: [] };
      const up = ['Provisioning', 'Starting', 'Running', 'Draining'].includes(phase ?? '');
      expect(told).toEqual(told.map((_, index) => `ccm.worker.scaling.${index % 2 === 0 ? 'up' : 'down'}`));
      expect(told.length % 2 === 1).toBe(up);
    }
  }));
});

test('what is allocated and what is available is together what is declared, in every resource', () => {
  const demand = fc.record({
    resources: fc.record({ cpu: fc.integer({ min: 0, max: 8000 }).map((milli) => milli / 1000), memory: fc.integer({ min: 0, max: 2 ** 40 }), storage: fc.integer({ min: 0, max: 2 ** 40 }) }),
    nodeCount: fc.integer({ min: 0, max: 40 }),
  });
  fc.assert(fc.property(fc.array(demand, { maxLength: 8 }), fc.uniqueArray(fc.integer({ min: 1000, max: 9000 }), { maxLength: 50 }), (demands, ports) => {
    const { offer } = workerWorld();
    if (!offer) throw new Error('the world has an offer');
    const fitting = demands.filter((_, index) => sumDemands(demands.slice(0, index + 1)).cpu <= offer.resources.cpu && sumDemands(demands.slice(0, index + 1)).memory <= offer.resources.memory && sumDemands(demands.slice(0, index + 1)).storage <= offer.resources.storage);
    const { declared, allocated, available } = capacityStatus(offer, 200, sumDemands(fitting), new Set(ports));
    for (const name of ['cpu', 'memory', 'storage'] as const) expect(parseQuantity(allocated[name]) + parseQuantity(available[name])).toBeCloseTo(parseQuantity(declared[name]), 2);
    for (const name of ['nodes', 'ports'] as const) expect(allocated[name] + available[name]).toBe(declared[name]);
    expect(allocated.ports).toBe(ports.filter((port) => port >= 2000 && port <= 7999).length);
  }));
});
