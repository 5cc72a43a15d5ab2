import { afterEach, describe, expect, test } from '@jest/globals';
import { EVENT_FAULTS, EventSender, type EventMode } from '../../../hack/sim/common/event-sender.ts';
import { Faults, type FaultSwitch } from '../../../hack/sim/common/faults.ts';
import { eventually } from '../../support/eventually.ts';
import { startReceiver, type Receiver } from '../../support/sim/receiver.ts';

let receiver: Receiver;
let sender: EventSender;

async function start(options: { statuses?: number[]; mode?: EventMode; faults?: FaultSwitch[] } = {}): Promise<void> {
  receiver = await startReceiver(options.statuses);
  sender = new EventSender({
    target: receiver.url, mode: options.mode ?? 'binary', source: '/lds/simulator', seed: 'test', now: Date.now, delayMs: 300,
    faults: new Faults(EVENT_FAULTS, options.faults ?? [], 'test'), log: () => undefined,
  });
}

const send = (type: string): string => sender.send(type, 's-1', { n: 1 }).id;
const ids = (): unknown[] => receiver.received.map(({ headers }) => headers['ce-id']);

afterEach(async () => {
  sender.close();
  await receiver.close();
});

test('binary mode carries the attributes in headers, structured mode in the body', async () => {
  await start();
  const id = send('lds.session.started');
  await eventually(() => expect(receiver.received).toHaveLength(1));
  expect(receiver.received[0]).toMatchObject({
    headers: { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/lds/simulator', 'ce-type': 'lds.session.started', 'ce-subject': 's-1', 'content-type': 'application/json' },
    body: { n: 1 },
  });
  sender.close();
  await receiver.close();
  await start({ mode: 'structured' });
  send('lds.session.started');
  await eventually(() => expect(receiver.received).toHaveLength(1));
  expect(receiver.received[0]).toMatchObject({
    headers: { 'content-type': 'application/cloudevents+json' },
    body: { specversion: '1.0', id, source: '/lds/simulator', type: 'lds.session.started', subject: 's-1', datacontenttype: 'application/json', data: { n: 1 } },
  });
});

test('an event that is not accepted comes again with the same id until it is', async () => {
  await start({ statuses: [503, 429] });
  const id = send('a');
  await eventually(() => expect(sender.events()).toMatchObject([{ state: 'delivered', attempts: 3, deliveries: 1 }]));
  expect(ids()).toEqual([id, id, id]);
});

test('an event that is refused for good does not come again', async () => {
  await start({ statuses: [400] });
  send('a');
  await eventually(() => expect(sender.events()).toMatchObject([{ state: 'rejected', attempts: 1, lastStatus: 400 }]));
});

describe('havoc', () => {
  test('duplicate: every event arrives twice, with the same id', async () => {
    await start({ faults: [{ name: 'duplicate', rate: 1 }] });
    const id = send('a');
    await eventually(() => expect(ids()).toEqual([id, id]));
  });

  test('drop: an event is recorded but never sent', async () => {
    await start({ faults: [{ name: 'drop', rate: 1, route: 'a', times: 1 }] });
    send('a');
    const id = send('b');
    await eventually(() => expect(ids()).toEqual([id]));
    expect(sender.events().map(({ state }) => state)).toEqual(['dropped', 'delivered']);
  });

  test('reorder: an event waits until the next one has overtaken it', async () => {
    await start({ faults: [{ name: 'reorder', rate: 1, times: 1 }] });
    const first = send('a');
    const second = send('b');
    await eventually(() => expect(ids()).toEqual([second, first]));
  });

  test('reorder: an event that nothing overtakes arrives all the same', async () => {
    await start({ faults: [{ name: 'reorder', rate: 1 }] });
    const id = send('a');
    await eventually(() => expect(ids()).toEqual([id]));
  });
});

test('an event can be sent again later, unchanged', async () => {
  await start();
  const id = send('a');
  await eventually(() => expect(ids()).toEqual([id]));
  expect([sender.resend(id), sender.resend('unknown')]).toEqual([true, false]);
  await eventually(() => expect(ids()).toEqual([id, id]));
  expect(receiver.received[1]?.body).toEqual(receiver.received[0]?.body);
});
