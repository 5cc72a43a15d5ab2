/** Through the AWS SDK to a moto server: from the sink over a bus and a rule into a queue. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { EventBridgeSink } from '../../../src/events/sink-eventbridge.ts';
import { createSinks } from '../../../src/events/sinks.ts';
import { eventually } from '../../support/eventually.ts';
import { MOTO_START_LIMIT_MS, startMoto } from '../../support/moto.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { Moto } from '../../support/moto.ts';

const REGION = 'eu-west-1';
const before = { ...process.env };
let moto: Moto;
let queue: string;

beforeAll(async () => {
  moto = await startMoto();
  Object.assign(process.env, { AWS_ENDPOINT_URL: moto.url, AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
  await aws('events', 'AWSEvents.CreateEventBus', { Name: 'exams' });
  await aws('events', 'AWSEvents.PutRule', { Name: 'graded', EventBusName: 'exams', EventPattern: '{"source":["dev.lablet.controller"],"detail-type":["ccm.lablet.session.graded"]}' });
  queue = z.object({ QueueUrl: z.string() }).parse(await aws('sqs', 'AmazonSQS.CreateQueue', { QueueName: 'results' })).QueueUrl;
  const { Attributes: { QueueArn } } = z.object({ Attributes: z.object({ QueueArn: z.string() }) }).parse(await aws('sqs', 'AmazonSQS.GetQueueAttributes', { QueueUrl: queue, AttributeNames: ['QueueArn'] }));
  await aws('events', 'AWSEvents.PutTargets', { Rule: 'graded', EventBusName: 'exams', Targets: [{ Id: 'queue', Arn: QueueArn }] });
}, MOTO_START_LIMIT_MS);

afterAll(async () => {
  process.env = before;
  await moto.close();
});

/** One call of AWS's JSON protocol; moto reads of the signature only which service and region are meant. */
async function aws(service: 'events' | 'sqs', target: string, input: object): Promise<unknown> {
  const response = await fetch(moto.url, {
    method: 'POST',
    headers: {
      'content-type': `application/x-amz-json-${service === 'sqs' ? '1.0' : '1.1'}`, 'x-amz-target': target,
      authorization: `AWS4-HMAC-SHA256 Credential=testing/20261123/${REGION}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(input),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${target}: ${response.status} ${text}`);
  return text === '' ? {} : JSON.parse(text) as unknown;
}

const message = z.object({ Messages: z.array(z.object({ Body: z.string() })).min(1) });
const busEvent = z.object({ 'detail-type': z.string(), source: z.string(), time: z.string(), region: z.string(), detail: z.record(z.string(), z.unknown()) });

const graded = (id: string, type = 'ccm.lablet.session.graded'): CloudEvent => ({
  id, source: '/ccm/lablet-controller/labletsessions/7d1f', type, subject: 'exams/cand-0042', time: '2026-11-23T10:01:12.345Z', datacontenttype: 'application/json',
  extensions: new Map([['sequence', '0000000007'], ['partitionkey', '7d1f']]), data: { kind: 'json', value: { session_id: '7d1f', score: 83.5, passed: true } },
});
const never = new AbortController().signal;

test('a rule on the bus gets the CloudEvent whole, under its type and at its time', async () => {
  const [sink] = createSinks({ urls: `eventbridge://${REGION}/exams` });
  expect(await sink?.send(graded('other', 'ccm.lablet.session.stopping'), never)).toEqual({ outcome: 'accepted' });
  expect(await sink?.send(graded('event-1'), never)).toEqual({ outcome: 'accepted' });
  const { Messages } = await eventually(async () => message.parse(await aws('sqs', 'AmazonSQS.ReceiveMessage', { QueueUrl: queue, MaxNumberOfMessages: 10 })));
  expect(Messages).toHaveLength(1);
  const received = busEvent.parse(JSON.parse(Messages[0]?.Body ?? ''));
  expect(received).toMatchObject({ 'detail-type': 'ccm.lablet.session.graded', source: 'dev.lablet.controller', region: REGION, time: expect.stringMatching(/^2026-11-23T10:01:12/) });
  expect(received.detail).toEqual({
    specversion: '1.0', id: 'event-1', source: '/ccm/lablet-controller/labletsessions/7d1f', type: 'ccm.lablet.session.graded', subject: 'exams/cand-0042', time: '2026-11-23T10:01:12.345Z',
    datacontenttype: 'application/json', sequence: '0000000007', partitionkey: '7d1f', data: { session_id: '7d1f', score: 83.5, passed: true },
  });
  await sink?.close();
});

test('an entry that fails in an answer of 200 is not taken for delivered', async () => {
  const sink = new EventBridgeSink({ url: new URL(`eventbridge://${REGION}/exams`) });
  // The one failure of an entry that moto knows and an event of ours could show: no detail-type.
  expect(await sink.send(graded('event-2', ''), never)).toEqual({ outcome: 'refused', reason: expect.stringMatching(/^InvalidArgument: /) });
  await sink.close();
});

test('a bus that is not there refuses', async () => {
  const sink = new EventBridgeSink({ url: new URL(`eventbridge://${REGION}/nobody`) });
  expect(await sink.send(graded('event-3'), never)).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/^ResourceNotFoundException/) });
  await sink.close();
});
