import { describe, expect, test } from '@jest/globals';
import { OUTBOX_ENTRY_MAX_BYTES, OUTBOX_MAX_BYTES, OUTBOX_MAX_ENTRIES } from '../../../src/api/outbox.ts';
import { labletSessionStatus } from '../../../src/api/labletsession.ts';
import { acknowledge, derivedId, recordEvent } from '../../../src/core/outbox.ts';
import type { OutboxDraft } from '../../../src/core/outbox.ts';

const uid = '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50';
const ctx = { uid, now: new Date('2026-11-23T10:00:00Z') };
const stopping = { session_id: uid };

function record(draft: OutboxDraft, times: number): void {
  for (let i = 0; i < times; i++) recordEvent(draft, 'ccm.lablet.session.stopping', stopping, ctx);
}

describe('recording an event', () => {
  test('sequences count from 1 without a gap, across acknowledgements', () => {
    const draft: OutboxDraft = {};
    record(draft, 3);
    acknowledge(draft, new Set(draft.outbox?.map((entry) => entry.id)));
    expect(draft.outbox).toEqual([]);
    record(draft, 2);
    expect(draft.outbox?.map((entry) => entry.sequence)).toEqual([4, 5]);
    expect(draft.sequence).toBe(5);
  });

  test('a decision taken a second time from the same status names the same event with the same bytes', () => {
    const once: OutboxDraft = { sequence: 6 };
    const again: OutboxDraft = { sequence: 6 };
    record(once, 1);
    record(again, 1);
    expect(again).toEqual(once);
    record(again, 1);
    expect(new Set(again.outbox?.map((entry) => entry.id)).size).toBe(2);
  });

  test('a launch URL is a reference in the status, and its field is null', () => {
    const draft: OutboxDraft = {};
    const secretRef = { name: 'cand-0042-launch', key: 'login_url', field: 'login_url' };
    recordEvent(draft, 'ccm.lablet.session.ready', { session_id: uid, login_url: 'https://lds/secret-launch' }, ctx, secretRef);
    expect(JSON.stringify(draft)).not.toContain('secret-launch');
    expect(draft.outbox?.[0]).toMatchObject({ secretRef, data: `{"session_id":"${uid}","login_url":null}` });
  });

  test('the causing event and the trace context go along', () => {
    const draft: OutboxDraft = {};
    recordEvent(draft, 'ccm.lablet.session.stopping', stopping, { ...ctx, causationId: 'evt-1', traceParent: '00-a-b-01' });
    expect(draft.outbox?.[0]).toMatchObject({ causationId: 'evt-1', traceParent: '00-a-b-01', time: '2026-11-23T10:00:00.000Z' });
  });
});

describe('an outbox that no sink empties', () => {
  test('keeps the newest 32 events, and says in the same write which one is lost', () => {
    const draft: OutboxDraft = {};
    record(draft, OUTBOX_MAX_ENTRIES);
    expect(draft.conditions).toBeUndefined();
    const dropped = recordEvent(draft, 'ccm.lablet.session.stopping', stopping, ctx);
    expect(dropped.map((entry) => entry.sequence)).toEqual([1]);
    expect(draft.outbox).toHaveLength(OUTBOX_MAX_ENTRIES);
    expect(draft.conditions?.[0]).toMatchObject({ type: 'EventsDelivered', status: 'False', reason: 'EventsLost', message: expect.stringContaining('sequence 1') });
  });

  test('never gives up the terminal event while another one is left', () => {
    const draft: OutboxDraft = {};
    recordEvent(draft, 'ccm.lablet.session.terminated', { session_id: uid, final_state: 'archived' }, ctx);
    record(draft, OUTBOX_MAX_ENTRIES * 2);
    expect(draft.outbox?.[0]?.type).toBe('ccm.lablet.session.terminated');
    const newest = Array.from({ length: OUTBOX_MAX_ENTRIES - 1 }, (_, i) => OUTBOX_MAX_ENTRIES + 3 + i);
    expect(draft.outbox?.slice(1).map((entry) => entry.sequence)).toEqual(newest);
  });

  test('stays within 32 KiB whatever the events hold, and always fits the schema of the status', () => {
    const draft: OutboxDraft = {};
    const ports = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`a-port-with-a-rather-long-name-${i}`.padEnd(70, 'x'), 2000 + i]));
    for (let i = 0; i < 40; i++) recordEvent(draft, 'ccm.lablet.session.scheduled', { session_id: uid, worker_id: 'w', allocated_ports: ports }, ctx);
    expect(Buffer.byteLength(JSON.stringify(draft.outbox))).toBeLessThanOrEqual(OUTBOX_MAX_BYTES);
    expect(labletSessionStatus.safeParse(draft).error).toBeUndefined();
    const sequences = draft.outbox?.map((entry) => entry.sequence) ?? [];
    expect(sequences).toEqual(sequences.map((_, i) => 40 - sequences.length + 1 + i));
  });
});

describe('an event of more than 2 KiB', () => {
  const long = (n: number): string => 'é'.repeat(n);

  test('loses its extras before anything that is mandatory', () => {
    const draft: OutboxDraft = {};
    const mandatory = { session_id: uid, definition_id: uid, owner_id: long(256) };
    recordEvent(draft, 'ccm.lablet.session.pending', { ...mandatory, reservation_id: long(256), definition_version: '1.2.0', timeslot_start: long(500) }, ctx);
    expect(JSON.parse(draft.outbox?.[0]?.data ?? '')).toEqual(mandatory);
  });

  test('has its port map cut and marked when even that is too long', () => {
    const draft: OutboxDraft = {};
    const ports = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`port-${i}`.padEnd(128, '-'), 2000 + i]));
    recordEvent(draft, 'ccm.lablet.session.scheduled', { session_id: uid, worker_id: 'w', allocated_ports: ports }, ctx);
    const entry = draft.outbox?.[0];
    const data = JSON.parse(entry?.data ?? '') as { allocated_ports: Record<string, number>; truncated: boolean };
    expect(Buffer.byteLength(JSON.stringify(entry))).toBeLessThanOrEqual(OUTBOX_ENTRY_MAX_BYTES);
    expect(data.truncated).toBe(true);
    expect(ports).toMatchObject(data.allocated_ports);
    expect(Object.keys(data.allocated_ports).length).toBeGreaterThan(8);
    expect(Object.keys(ports)).toHaveLength(50);
  });
});

test('ids of the parts of a session are the same for everyone who derives them, and differ by kind and attempt', () => {
  expect(derivedId(uid, 'UserSession')).toBe(derivedId(uid, 'UserSession', 1));
  expect(new Set([derivedId(uid, 'UserSession'), derivedId(uid, 'GradingSession'), derivedId(uid, 'GradingSession', 2), derivedId(uid, 'ScoreReport')]).size).toBe(4);
});
