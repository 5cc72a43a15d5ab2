import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { LABLET_DEFINITIONS, WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { EMITTED_TYPES } from '../../../src/api/events.ts';
import { REGION, startEc2, type TestEc2 } from '../../support/ec2.ts';
import { eventually } from '../../support/eventually.ts';
import { MOTO_START_LIMIT_MS } from '../../../hack/moto/moto.ts';
import { newTemplate } from '../../support/objects.ts';
import { eventsOf, NAMESPACE, startScenario, type Scenario } from '../../support/scenario.ts';
import type { Delivery } from '../../../hack/demo/sink.ts';
import type { LabletDefinition } from '../../../src/api/labletdefinition.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { Worker } from '../../../src/api/worker.ts';

/** A minute is a second here: a machine counts as idle after five of them, and an archive is closed after sixty. */
const SCALE = 60;
/** Longest wait for a worker to come or to go; it says nothing about speed. */
const LIMIT_MS = 60_000;

/** What a graded session tells, in the order of the contract, §10.1: a child before the phase that it belongs to. */
const STORY = [
  'session.pending', 'session.scheduled', 'session.instantiating', 'user_session.created', 'session.ready', 'session.running', 'grading_session.created', 'session.collecting',
  'session.grading', 'score_report.created', 'session.graded', 'session.stopping', 'session.stopped', 'session.terminated',
];

/** Attribute of an event in binary mode. */
function attribute(delivery: Delivery | undefined, name: string): string | undefined {
  const [headers] = JSON.parse(delivery?.bytes ?? '[[]]') as [[string, string][]];
  return new Map(headers).get(`ce-${name}`);
}

describe('from a definition to a result (acceptance scenario 1)', () => {
  let ec2: TestEc2;
  let world: Scenario;
  let definition: LabletDefinition;
  let session: LabletSession;
  let worker: Worker;
  const environment = { ...process.env };

  // There is no worker, and a template of EC2: the machine comes for the session, and goes when nobody has used it for long.
  beforeAll(async () => {
    ec2 = await startEc2({ transitionMs: 200, cml: { license: 'enterprise' } });
    const aws = { AWS_ENDPOINT_URL_EC2: ec2.url, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
    world = await startScenario({ scale: SCALE, host: false, environment: { ...aws, SCALE_DOWN: 'enabled', TIMEOUTS: 'provisioning=2h,pendingAsap=2h' }, world: { script: { lds: [{ candidate: '*', startAfter: '10s', endAfter: '30s' }], grading: [{ candidate: '*', score: 87, maxScore: 100, cutScore: 60, after: '10s' }] } } });
    await world.client.create(WORKER_TEMPLATES, newTemplate('metal', {
      spec: { provider: 'ec2', instanceType: 'm5zn.metal', imagePattern: 'cisco-cml2.9*', region: REGION, endpoint: { scheme: 'http', port: ec2.cmlPort, address: 'Private' }, idleTimeout: '5m', maxWorkers: 1 },
    }));
    await world.define('exam', { version: '1.0.0' });
    await world.client.mergePatch(LABLET_DEFINITIONS, 'exam', NAMESPACE, { spec: { version: '1.1.0' } });
    await eventually(async () => {
      definition = await world.client.get(LABLET_DEFINITIONS, 'exam', NAMESPACE);
      expect(definition.status?.currentVersion).toBe('1.1.0');
    });
    await world.book('ada', 'exam', { reservationId: 'res-5521' });
    session = await world.reaches('ada', 'Archived');
    // The archive is closed by a person here; its own time is another test's subject.
    await world.patch('ada', { metadata: { finalizers: [...(session.metadata.finalizers ?? []), 'test.example/keep'] } });
    await world.remove('ada');
    session = await world.reaches('ada', 'Terminated');
    await eventually(() => expect(eventsOf(world.stack.sink.deliveries, session.metadata.uid)).toHaveLength(STORY.length));
    worker = await eventually(async () => {
      const found = await world.client.get(WORKERS, 'metal-1');
      if (found.status?.phase !== 'Stopped' || (found.status.outbox ?? []).length > 0) throw new Error(`metal-1 is ${found.status?.phase ?? 'new'}: ${found.status?.message ?? ''}`);
      return found;
    }, LIMIT_MS);
  }, MOTO_START_LIMIT_MS + 180_000);
  afterAll(async () => {
    await world.stop();
    await ec2.close();
    process.env = environment;
  });

  test('every one of the 19 event types is seen, and no other', () => {
    const seen = new Set(world.stack.sink.deliveries.map(({ type }) => type));
    expect([...seen].sort()).toEqual([...EMITTED_TYPES].sort());
    expect(seen.size).toBe(19);
  });

  test('the worker came for the session, was drained when idle, and stopped, and its events say so in that order', async () => {
    expect(worker.status?.history?.map(({ to }) => to)).toEqual(['Pending', 'Provisioning', 'Starting', 'Running', 'Draining', 'Stopping', 'Stopped']);
    expect(session.status?.workerName).toBe('metal-1');
    const own = world.stack.sink.deliveries.filter(({ source }) => source.endsWith(`/workers/${worker.metadata.uid}`));
    expect(own.map(({ type, data }) => [type, data])).toEqual([
      ['ccm.worker.scaling.up', expect.objectContaining({ worker_id: 'metal-1', template_name: 'metal' })],
      ['ccm.worker.draining', expect.objectContaining({ worker_id: 'metal-1', reason: 'Idle', running_sessions_count: 0 })],
      ['ccm.worker.scaling.down', expect.objectContaining({ worker_id: 'metal-1', reason: expect.any(String) })],
    ]);
    expect((await ec2.instances()).map(({ id, state }) => [id, state])).toEqual([[worker.status?.instanceId, 'stopped']]);
  });

  test('the session tells its story in the order of the contract', () => {
    expect(eventsOf(world.stack.sink.deliveries, session.metadata.uid).map(({ type }) => type)).toEqual(STORY);
  });

  test('the definition tells of itself, and of its next version', () => {
    expect(eventsOf(world.stack.sink.deliveries, definition.metadata.uid).map(({ type }) => type)).toEqual(['definition.created', 'definition.version.created']);
  });

  test('each source counts from 1 without a gap, and no id comes twice', () => {
    const { deliveries } = world.stack.sink;
    for (const [, own] of Map.groupBy(deliveries, ({ source }) => source)) expect(own.map(({ sequence }) => sequence)).toEqual(own.map((_, index) => index + 1));
    expect(new Set(deliveries.map(({ id }) => id)).size).toBe(deliveries.length);
  });

  test('what the events say fits together: one session, one access, one grading, one result', async () => {
    const data = (type: string): Readonly<Record<string, unknown>> => world.stack.sink.deliveries.find((event) => event.type === `ccm.lablet.${type}`)?.data ?? {};
    const [report] = await world.reports('ada');
    expect(data('session.pending')).toMatchObject({ session_id: session.metadata.uid, definition_id: definition.metadata.uid, definition_version: '1.1.0', owner_id: 'proctor-7', reservation_id: 'res-5521' });
    expect(data('session.scheduled')).toMatchObject({ worker_id: session.status?.workerName, allocated_ports: session.status?.allocatedPorts });
    expect(data('session.running')['user_session_id']).toBe(data('user_session.created')['user_session_id']);
    expect(data('session.grading')['grading_session_id']).toBe(data('grading_session.created')['grading_session_id']);
    expect(data('session.graded')).toMatchObject({ score: 87, passed: true, score_report_id: data('score_report.created')['score_report_id'] });
    expect(data('session.terminated')).toMatchObject({ final_state: 'archived', score_report_id: data('session.graded')['score_report_id'] });
    expect(report?.spec).toMatchObject({ score: 87, maxScore: 100, passed: true, definition: { name: 'exam', version: '1.1.0' } });
  });

  test('what is billed is the time on the worker at the price of its template', () => {
    const stopped = world.stack.sink.deliveries.find(({ type }) => type === 'ccm.lablet.session.stopped');
    const { worker_seconds: seconds, cost_estimate: cost, ...rest } = z.looseObject({ worker_seconds: z.int().min(1), cost_estimate: z.string() }).parse(stopped?.data);
    expect(cost).toBe(((3.9641 * seconds) / 3600).toFixed(4));
    expect(rest).toEqual({ session_id: session.metadata.uid, template_name: 'metal', duration_seconds: session.status?.durationSeconds });
  });

  test('the data of every event is of the schema that the event names and the controller serves', async () => {
    const { controller, sink } = world.stack;
    for (const [dataschema, alike] of Map.groupBy(sink.deliveries, (delivery) => attribute(delivery, 'dataschema') ?? 'none')) {
      const answer = await fetch(`${controller.webUrl}${new URL(dataschema).pathname}`);
      const schema = z.looseObject({ $id: z.literal(dataschema), title: z.literal(alike[0]?.type) }).parse(await answer.json());
      for (const { data } of alike) expect(z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(data)).toMatchObject({ success: true });
    }
  });

  test('one trace and one correlation id hold the story of the session together', () => {
    const own = world.stack.sink.deliveries.filter(({ source }) => source.endsWith(session.metadata.uid));
    expect(new Set(own.map((event) => attribute(event, 'correlationid')))).toEqual(new Set([session.metadata.uid]));
    const traces = own.map((event) => attribute(event, 'traceparent') ?? '');
    for (const trace of traces) expect(trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);
    const undisturbed = traces.filter((_, index) => attribute(own[index], 'causationid') === undefined);
    expect(new Set(undisturbed.map((trace) => trace.split('-')[1]))).toEqual(new Set([session.metadata.uid.replaceAll('-', '')]));
  });
});
