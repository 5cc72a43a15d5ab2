/** The calendar, the placements and the warm pool on a real API server; the hosts are simulators. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../../hack/cluster/ports.ts';
import { createCmlSimulator, type CmlSimulator } from '../../../hack/sim/cml/simulator.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { BookingCalendar } from '../../../src/controllers/scheduler/calendar.ts';
import { definitionController } from '../../../src/controllers/definition/controller.ts';
import { labController } from '../../../src/controllers/lab/controller.ts';
import { schedulerController } from '../../../src/controllers/scheduler/controller.ts';
import { sessionController } from '../../../src/controllers/session/controller.ts';
import { workerController } from '../../../src/controllers/worker/controller.ts';
import { clockTime } from '../../../src/core/booking.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { eventually } from '../../support/eventually.ts';
import { newDefinition, newSession, newTemplate, newWorker } from '../../support/objects.ts';
import type { LabletSession, LabletSessionSpec } from '../../../src/api/labletsession.ts';

const credentials = { username: 'admin', password: 'secret' };
const HOUR = 3_600_000;

/** A start in `hours`, on the full hour. */
const hour = (hours: number): number => Math.ceil(Date.now() / HOUR) * HOUR + hours * HOUR;
const text = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');

let world: TestDeps;
let simulators: CmlSimulator[] = [];

/** Controllers of one replica. */
const parts = () => [definitionController(world.deps), workerController(world.deps), labController(world.deps), schedulerController(world.deps), sessionController(world.deps)];

/** A host with 16 CPUs, in service. */
async function host(name: string, template = 'onprem'): Promise<CmlSimulator> {
  const simulator = createCmlSimulator({ seed: name, user: credentials.username, password: credentials.password, port: await freePort() });
  simulators.push(simulator);
  await world.client.create(WORKERS, newWorker(name, template, await simulator.listen()));
  await eventually(async () => expect(getCondition((await world.client.get(WORKERS, name)).status, 'Schedulable')).toMatchObject({ status: 'True' }));
  return simulator;
}

async function define(name: string, cpu: string, warm = 0): Promise<void> {
  await world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, name, { spec: { resources: { cpu, memory: '1Gi', storage: '10Gi' }, warmPool: { size: warm } } }));
  await eventually(async () => expect((await world.client.get(LABLET_DEFINITIONS, name, world.namespace)).status?.currentVersion).toBe('1.0.0'));
}

const read = (name: string) => world.client.get(LABLET_SESSIONS, name, world.namespace);
const admitted = async (name: string) => getCondition((await read(name)).status, 'Admitted');

/** Books, and waits until the session was admitted or refused. */
async function book(name: string, definition: string, spec: Partial<LabletSessionSpec> = {}): Promise<LabletSession> {
  await world.client.create(LABLET_SESSIONS, newSession(world.namespace, name, definition, { spec }));
  return eventually(async () => {
    const session = await read(name);
    expect(getCondition(session.status, 'Admitted')).toBeDefined();
    return session;
  });
}
const slot = (start: number): Partial<LabletSessionSpec> => ({ timeslot: { start: text(start), end: text(start + HOUR) } });

beforeEach(async () => {
  world = await startDeps({ credentials });
  await world.client.create(WORKER_TEMPLATES, newTemplate('onprem'));
  world.run(...parts());
});

afterEach(async () => {
  await world.close();
  await Promise.all(simulators.map((simulator) => simulator.close()));
  simulators = [];
});

describe('a booking', () => {
  test('is admitted while there is room in its slot; the next one is told the nearest slots, and waits or is refused', async () => {
    await host('cml-1');
    await define('exam', '10');
    const start = hour(5);
    expect(getCondition((await book('ada', 'exam', slot(start))).status, 'Admitted')).toMatchObject({ status: 'True', reason: 'CapacityBooked' });

    const full = { status: 'False', reason: 'NoCapacityInSlot' };
    const bob = await book('bob', 'exam', slot(start + HOUR / 2));
    expect(bob.status?.phase).toBe('Pending');
    const { message } = getCondition(bob.status, 'Admitted') ?? {};
    expect(getCondition(bob.status, 'Admitted')).toMatchObject(full);
    // The first session is held from a quarter of an hour before its start to 50 minutes after its end.
    expect(message).toBe(`The capacity is booked from ${clockTime(start + HOUR / 2)} to ${clockTime(start + 1.5 * HOUR, start + HOUR / 2)} (UTC). The nearest slots with room begin at ${clockTime(start - 2.25 * HOUR)} and ${clockTime(start + 2.25 * HOUR)} (UTC).`);

    const cyd = await book('cyd', 'exam', { ...slot(start), admission: 'Strict' });
    expect(cyd.status).toMatchObject({ phase: 'Terminated', reason: 'NoCapacityInSlot' });
    expect(getCondition(cyd.status, 'Admitted')).toMatchObject(full);

    // Whoever waits gets the room that comes free.
    await world.client.mergePatch(LABLET_SESSIONS, 'ada', world.namespace, { spec: { desiredState: 'Ended' } });
    await eventually(async () => expect(await admitted('bob')).toMatchObject({ status: 'True' }));
  });

  test('stays admitted when another replica takes over, and keeps its room', async () => {
    await host('cml-1');
    await define('exam', '10');
    const start = hour(5);
    await book('ada', 'exam', slot(start));
    await world.stop();
    const { caches, clock, revisions, settings } = world.deps;
    world.deps.calendar = new BookingCalendar({ caches, clock, revisions, settings });
    world.run(...parts());
    expect(getCondition((await book('bob', 'exam', slot(start))).status, 'Admitted')).toMatchObject({ status: 'False', reason: 'NoCapacityInSlot' });
    expect(await admitted('ada')).toMatchObject({ status: 'True' });
  });

  test('is told when its host goes, and that another has come', async () => {
    await host('cml-1');
    await define('exam', '10');
    const ada = await book('ada', 'exam', slot(hour(5)));
    await world.client.mergePatch(WORKERS, 'cml-1', undefined, { spec: { desiredState: 'Draining' } });
    await eventually(async () => expect(await admitted('ada')).toMatchObject({ status: 'False', reason: 'CapacityLost' }));
    await eventually(async () => expect(await world.eventsOf(ada)).toContainEqual(expect.objectContaining({ reason: 'CapacityLost', type: 'Warning' })));
    await host('cml-2');
    await eventually(async () => expect(await admitted('ada')).toMatchObject({ status: 'True', reason: 'CapacityBooked' }));
  });

  test('is extended only where nothing else is booked after it', async () => {
    await host('cml-1');
    await define('exam', '10');
    const start = hour(5);
    await book('ada', 'exam', slot(start));
    await book('bob', 'exam', slot(start + 2.25 * HOUR));
    const extend = (name: string, to: number) => world.client.mergePatch(LABLET_SESSIONS, name, world.namespace, { spec: { timeslot: { end: text(to) } } });
    await extend('ada', start + 1.5 * HOUR);
    await eventually(async () => expect(await admitted('ada')).toMatchObject({ status: 'False', reason: 'ExtensionRefused', message: expect.stringMatching(/^There is no room to extend the slot to /) }));
    await extend('bob', start + 3.75 * HOUR);
    await eventually(async () => expect(await admitted('bob')).toMatchObject({ status: 'True', reason: 'Extended' }));
    // What was promised to the first one is promised still, and the longer slot of the second one is booked.
    expect(getCondition((await book('cyd', 'exam', slot(start + 4.5 * HOUR))).status, 'Admitted')).toMatchObject({ status: 'False' });
    expect(getCondition((await book('dan', 'exam', slot(start))).status, 'Admitted')).toMatchObject({ status: 'False' });
  });

  test('keeps its room from a session that would start at once and run into it', async () => {
    await host('cml-1');
    await define('exam', '10');
    // Held from a quarter of an hour before; a session of an hour that starts now gives its room back after two hours and more.
    await book('ada', 'exam', slot(hour(1)));
    const bob = await book('bob', 'exam');
    expect(getCondition(bob.status, 'Admitted')).toMatchObject({ status: 'False', reason: 'NoCapacityInSlot' });
    await eventually(async () => expect(getCondition((await read('bob')).status, 'Scheduled')).toMatchObject({
      status: 'False', reason: 'CapacityBooked', message: expect.stringMatching(/^0\/1 workers: 1 CapacityBooked\. It could start at /),
    }));
    await define('small', '4');
    await book('cyd', 'small');
    await eventually(async () => expect((await read('cyd')).status?.workerName).toBe('cml-1'));
  });
});

describe('the warm pool', () => {
  const labs = async () => (await world.client.list(LABS)).items;
  const pool = async () => (await world.client.get(LABLET_DEFINITIONS, 'exam', world.namespace)).status?.warmPool;

  test('is filled one lab after the other, serves sessions, is filled again, and shrinks', async () => {
    const simulator = await host('cml-1');
    await define('exam', '4', 2);
    await eventually(async () => expect(await pool()).toEqual({ desired: 2, ready: 2 }));
    const warm = await labs();
    expect(warm.map(({ spec, status }) => [spec.source, spec.sessionRef, status?.state])).toEqual([['WarmPool', undefined, 'Defined'], ['WarmPool', undefined, 'Defined']]);
    expect(new Set(warm.flatMap(({ spec }) => spec.ports.map(({ number }) => number))).size).toBe(2);
    expect(simulator.host.labs().map(({ title }) => title).sort()).toEqual(warm.map(({ metadata }) => metadata.name).sort());

    await book('ada', 'exam');
    const ada = await eventually(async () => {
      const session = await read('ada');
      expect(session.status?.labOrigin).toBe('Reused');
      return session;
    });
    expect(warm.map(({ metadata }) => metadata.name)).toContain(ada.status?.labName);
    await eventually(async () => expect((await labs()).filter(({ spec, status }) => !spec.sessionRef && status?.state === 'Defined')).toHaveLength(2));

    await world.client.mergePatch(LABLET_DEFINITIONS, 'exam', world.namespace, { spec: { warmPool: { size: 0 } } });
    await eventually(async () => {
      expect((await labs()).map(({ metadata }) => metadata.name)).toEqual([ada.status?.labName]);
      expect(simulator.host.labs()).toHaveLength(1);
    });
    await eventually(async () => expect(await pool()).toEqual({ desired: 0, ready: 0 }));
  });

  test('leaves a worker that is drained', async () => {
    const simulator = await host('cml-1');
    await define('exam', '4', 1);
    await eventually(async () => expect(await pool()).toEqual({ desired: 1, ready: 1 }));
    await world.client.mergePatch(WORKERS, 'cml-1', undefined, { spec: { desiredState: 'Draining' } });
    await eventually(async () => {
      expect(await labs()).toEqual([]);
      expect(simulator.host.labs()).toEqual([]);
    });
  });
});
