import { describe, expect, test } from '@jest/globals';
import { LABLET_SESSIONS, WORKERS } from '../../../src/api/kinds.ts';
import { recordEvent } from '../../../src/core/outbox.ts';
import { encodeEvent } from '../../../src/events/codec.ts';
import { envelope } from '../../../src/events/envelope.ts';
import type { Emission } from '../../../src/api/outbox.ts';
import type { OutboxDraft } from '../../../src/core/outbox.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';

const uid = '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50';
const session = { metadata: { namespace: 'exams', name: 'cand-0042', uid, resourceVersion: '1', creationTimestamp: '2026-11-23T09:00:00Z' } };

/** The events of a session that stops twice, as they are sent. */
function events(traceParent?: string): CloudEvent[] {
  const status: OutboxDraft = {};
  for (const now of ['2026-11-23T10:00:00Z', '2026-11-23T10:05:00Z']) recordEvent(status, 'ccm.lablet.session.stopping', { session_id: uid }, { uid, now: new Date(now), traceParent });
  return (status.outbox ?? []).map((entry) => envelope(entry as Emission, session, LABLET_SESSIONS, '/base', null));
}

describe('the trace of an event', () => {
  const traces = (list: readonly CloudEvent[]): string[][] => list.map(({ extensions }) => String(extensions.get('traceparent')).split('-'));

  test('is that of the session where nothing from outside brought one: one trace, a parent for each event, in the form of W3C', () => {
    const [first, second] = traces(events());
    expect(first).toEqual(['00', uid.replaceAll('-', ''), expect.stringMatching(/^[0-9a-f]{16}$/), '01']);
    expect(second?.[1]).toBe(first?.[1]);
    expect(second?.[2]).not.toBe(first?.[2]);
  });

  test('is the same on every re-send', () => {
    expect(traces(events())).toEqual(traces(events()));
  });

  test('is that of its cause where there is one', () => {
    const trace = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-00`;
    expect(traces(events(trace))).toEqual([trace.split('-'), trace.split('-')]);
  });
});

describe('dataschema', () => {
  const [entry] = ((): Emission[] => {
    const status: OutboxDraft = {};
    recordEvent(status, 'ccm.worker.draining', { worker_id: 'w-1' }, { uid, now: new Date() });
    return (status.outbox ?? []) as Emission[];
  })();
  const schemaOf = (change: Partial<Emission> = {}): string | undefined => envelope({ ...(entry as Emission), ...change }, session, WORKERS, '/base', null).dataschema;

  test('names type and revision of the schema by which the data was recorded, in both modes', () => {
    expect(schemaOf()).toBe('https://lablet.dev/schemas/ccm.worker.draining/v1.json');
    const [event] = events();
    expect(event && encodeEvent(event, 'binary').headers['ce-dataschema']).toBe('https://lablet.dev/schemas/ccm.lablet.session.stopping/v1.json');
    expect(event && JSON.parse(Buffer.from(encodeEvent(event, 'structured').body ?? []).toString())).toMatchObject({ dataschema: 'https://lablet.dev/schemas/ccm.lablet.session.stopping/v1.json' });
  });

  test('stays that of the write, whatever revision the program that sends it knows', () => {
    expect(schemaOf({ revision: 7 })).toBe('https://lablet.dev/schemas/ccm.worker.draining/v7.json');
  });

  test('names a type that this program does not know any more', () => {
    expect(schemaOf({ type: 'ccm.worker.waiting' })).toBe('https://lablet.dev/schemas/ccm.worker.waiting/v1.json');
  });
});
