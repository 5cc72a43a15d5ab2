import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createEventBus, type EventBus } from '../../support/events/event-bus.ts';
import { parse } from '../../support/events/requests.ts';
import { TestSink } from '../../support/events/sink.ts';
import { eventually } from '../../support/eventually.ts';
import { MOTO_START_LIMIT_MS, startMoto, type Moto } from '../../../hack/moto/moto.ts';
import { startScenario, type Scenario } from '../../support/scenario.ts';
import { startScriptedServer, type ScriptedServer } from '../../support/scripted-server.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';

const REGION = 'eu-west-1';
const KEY = 'c2VjcmV0';

let moto: Moto;
let bus: EventBus;
let plain: TestSink;
let broker: TestSink;
let topic: ScriptedServer;
let folder: string;
let world: Scenario;

beforeAll(async () => {
  moto = await startMoto();
  bus = await createEventBus(moto, REGION, 'exams', { source: ['dev.lablet.controller'] });
  [plain, broker] = await Promise.all([TestSink.start(), TestSink.start()]);
  // As Event Grid: it takes nothing without its key.
  topic = await startScriptedServer([(response, { headers }) => response.writeHead(headers['aeg-sas-key'] === KEY ? 200 : 401).end()]);
  folder = await mkdtemp(join(tmpdir(), 'lablet-events-'));
  world = await startScenario({
    scale: 100,
    world: { script: { lds: [{ candidate: '*', startAfter: '0s', endAfter: '0s' }], grading: [{ candidate: '*', score: 87, after: '0s' }] } },
    environment: {
      CLOUDEVENTS_SINK_URL: [plain.url.href, `eventgrid+${topic.url}/api/events`, `eventbridge://${REGION}/exams`, pathToFileURL(join(folder, 'events.jsonl')).href].join(', '),
      EVENTGRID_KEY: KEY, AWS_ENDPOINT_URL: moto.url, AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing',
    },
  });
  await world.define('exam');
}, MOTO_START_LIMIT_MS);

afterAll(async () => {
  await world.stop();
  await Promise.all([plain.close(), broker.close(), topic.close(), moto.close(), rm(folder, { recursive: true })]);
});

const structured = (body: string): CloudEvent[] => [...parse({ 'content-type': body.startsWith('[') ? 'application/cloudevents-batch+json' : 'application/cloudevents+json' }, body).events];
const idsOf = (events: readonly CloudEvent[], uid: string): string[] => events.filter(({ source }) => source.endsWith(`/${uid}`)).map(({ id }) => id);

test('a session is told to four kinds of sink at once, the same events in the same order', async () => {
  await world.book('ada', 'exam');
  const { metadata: { uid } } = await world.reaches('ada', 'Archived');
  await eventually(async () => expect((await world.session('ada')).status?.outbox ?? []).toEqual([]), 60_000);
  const told = plain.arrivals.map(({ event }) => event).filter(({ source }) => source.endsWith(`/${uid}`));
  expect(told.map(({ type }) => type.replace('ccm.lablet.', ''))).toEqual([
    'session.pending', 'session.scheduled', 'session.instantiating', 'user_session.created', 'session.ready', 'session.running', 'grading_session.created', 'session.collecting',
    'session.grading', 'score_report.created', 'session.graded', 'session.stopping', 'session.stopped',
  ]);
  const ids = told.map(({ id }) => id);
  expect(idsOf(topic.received.flatMap(({ body }) => structured(body)), uid)).toEqual(ids);
  const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(idsOf(lines.flatMap(structured), uid)).toEqual(ids);
  // A queue of SQS gives back in any order.
  expect((await bus.received()).map(({ detail }) => detail['id'])).toEqual(expect.arrayContaining(ids));
  expect(lines.flatMap(structured).filter(({ source }) => source.endsWith(`/${uid}`))).toEqual(told);
}, 120_000);

test('a controller that is bound to a broker, and names no sink, sends there with what the binding adds', async () => {
  await world.stack.crash('removed', { CLOUDEVENTS_SINK_URL: '', K_SINK: broker.url.href, K_CE_OVERRIDES: '{"extensions":{"site":"lab-7"}}' });
  await world.book('grace', 'exam');
  const { metadata: { uid } } = await world.reaches('grace', 'Archived');
  await eventually(() => expect(idsOf(broker.arrivals.map(({ event }) => event), uid)).toHaveLength(13));
  expect(new Set(broker.arrivals.map(({ event }) => event.extensions.get('site')))).toEqual(new Set(['lab-7']));
  expect(plain.arrivals.some(({ event }) => event.source.endsWith(`/${uid}`))).toBe(false);
}, 120_000);
