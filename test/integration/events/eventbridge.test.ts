/** Through the AWS SDK to a moto server: from the sink over a bus and a rule into a queue. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { EventBridgeSink } from '../../../src/events/sink-eventbridge.ts';
import { createSinks } from '../../../src/events/sinks.ts';
import { createEventBus } from '../../support/events/event-bus.ts';
import { eventually } from '../../support/eventually.ts';
import { MOTO_START_LIMIT_MS, startMoto } from '../../../hack/moto/moto.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { EventBus } from '../../support/events/event-bus.ts';
import type { Moto } from '../../../hack/moto/moto.ts';

const REGION = 'eu-west-1';
const before = { ...process.env };
let moto: Moto;
let bus: EventBus;

beforeAll(async () => {
  moto = await startMoto();
  Object.assign(process.env, { AWS_ENDPOINT_URL: moto.url, AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
  bus = await createEventBus(moto, REGION, 'exams', { source: ['dev.lablet.controller'], 'detail-type': ['ccm.lablet.session.graded'], detail: { subject: [{ prefix: 'exams/' }] } });
}, MOTO_START_LIMIT_MS);

afterAll(async () => {
  process.env = before;
  await moto.close();
});

const graded = (id: string, type = 'ccm.lablet.session.graded'): CloudEvent => ({
  id, source: '/ccm/lablet-controller/labletsessions/7d1f', type, subject: 'exams/cand-0042', time: '2026-11-23T10:01:12.345Z', datacontenttype: 'application/json',
  extensions: new Map([['sequence', '0000000007'], ['partitionkey', '7d1f']]), data: { kind: 'json', value: { session_id: '7d1f', score: 83.5, passed: true } },
});
const never = new AbortController().signal;

test('a rule on the bus gets the CloudEvent whole, under its type and at its time', async () => {
  const [sink] = createSinks({ urls: `eventbridge://${REGION}/exams` });
  expect(await sink?.send(graded('other', 'ccm.lablet.session.stopping'), never)).toEqual({ outcome: 'accepted' });
  expect(await sink?.send(graded('event-1'), never)).toEqual({ outcome: 'accepted' });
  const received = await eventually(async () => {
    const all = await bus.received();
    expect(all).not.toHaveLength(0);
    return all;
  });
  expect(received).toEqual([{
    'detail-type': 'ccm.lablet.session.graded', source: 'dev.lablet.controller', region: REGION, time: expect.stringMatching(/^2026-11-23T10:01:12/),
    detail: {
      specversion: '1.0', id: 'event-1', source: '/ccm/lablet-controller/labletsessions/7d1f', type: 'ccm.lablet.session.graded', subject: 'exams/cand-0042', time: '2026-11-23T10:01:12.345Z',
      datacontenttype: 'application/json', sequence: '0000000007', partitionkey: '7d1f', data: { session_id: '7d1f', score: 83.5, passed: true },
    },
  }]);
  await sink?.close();
});

test('an entry that fails in an answer of 200 is not taken for delivered', async () => {
  const sink = new EventBridgeSink({ url: new URL(`eventbridge://${REGION}/exams`) });
  // The one failure of an entry that moto can be brought to: no detail-type.
  expect(await sink.send(graded('event-2', ''), never)).toEqual({ outcome: 'refused', reason: expect.stringMatching(/^InvalidArgument: /) });
  await sink.close();
});

test('a bus that is not there refuses', async () => {
  const sink = new EventBridgeSink({ url: new URL(`eventbridge://${REGION}/nobody`) });
  expect(await sink.send(graded('event-3'), never)).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/^ResourceNotFoundException/) });
  await sink.close();
});
