import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { archiveRecord } from '../../../src/api/archive.ts';
import { labletSessionStatus } from '../../../src/api/labletsession.ts';
import { OUTBOX_ENTRY_MAX_BYTES, OUTBOX_MAX_ENTRIES } from '../../../src/api/outbox.ts';
import { canonicalJson } from '../../../src/core/canonical.ts';
import { GENESIS, hashOf, rangeOf } from '../../../src/core/chain.ts';
import { acknowledge, recordEvent, recordReceived } from '../../../src/core/outbox.ts';
import { Story, event } from '../../support/builders.ts';
import { chainedContext, emitted, receipt, received, recordsOf } from '../../support/events/chained.ts';
import type { OutboxDraft } from '../../../src/core/outbox.ts';

const uid = '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50';
const URL_HASH = createHash('sha256').update('https://lds/secret-launch').digest('hex');

describe('canonical JSON', () => {
  test('is the same whatever the order of the keys, and has no white space', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'é' }], a: 1.0, ab: undefined })).toBe('{"a":1,"b":[1,{"c":"é","d":null}]}');
    expect(canonicalJson(JSON.parse('{"a":1,"__proto__":{"x":2}}'))).toBe('{"__proto__":{"x":2},"a":1}');
  });
});

describe('the chain of an object', () => {
  test('moves its head with every event that is recorded, emitted or received, each record naming the one before it', () => {
    const draft: OutboxDraft = {};
    emitted(draft, uid);
    received(draft, uid);
    emitted(draft, uid);
    const records = recordsOf(draft, uid);
    expect(records.map(({ chain, direction }) => [chain.n, chain.prev, direction])).toEqual([[1, GENESIS, 'out'], [2, records[0]?.chain.hash, 'in'], [3, records[1]?.chain.hash, 'out']]);
    expect(draft.chain).toEqual({ n: 3, hash: records[2]?.chain.hash });
    expect(draft.sequence).toBe(2);
    for (const record of records) expect(archiveRecord.safeParse(record).error).toBeUndefined();
  });

  test('is as it would be if the decision were taken again, and goes on after acknowledgements', () => {
    const once: OutboxDraft = {};
    emitted(once, uid);
    const again = structuredClone(once);
    for (const draft of [once, again]) acknowledge(draft, new Set(draft.outbox?.map(({ id }) => id)));
    for (const draft of [once, again]) emitted(draft, uid);
    expect(again).toEqual(once);
    expect(once.chain?.n).toBe(2);
  });

  test('can be followed from the records alone: the hash is that of the record as it is read back', () => {
    const draft: OutboxDraft = {};
    emitted(draft, uid);
    received(draft, uid);
    for (const record of recordsOf(draft, uid)) {
      const read = JSON.parse(JSON.stringify({ ...record, archivedAt: '2026-11-23T11:00:00Z' })) as typeof record;
      expect(hashOf(read)).toBe(record.chain.hash);
    }
  });

  test('does not exist where there is no archive: nothing is recorded of what is received', () => {
    const draft: OutboxDraft = {};
    recordEvent(draft, 'ccm.lablet.session.stopping', { session_id: uid }, { uid, now: new Date() });
    recordReceived(draft, receipt(), 'Applied', { uid, now: new Date() });
    expect([draft.chain, draft.outbox?.length, draft.outbox?.[0]?.chain]).toEqual([undefined, 1, undefined]);
  });
});

describe('a launch URL', () => {
  const secretRef = { name: 'cand-0042-launch', key: 'login_url', field: 'login_url', sha256: URL_HASH };

  test('is in the archive by its hash, and named as masked', () => {
    const draft: OutboxDraft = {};
    recordEvent(draft, 'ccm.lablet.session.ready', { session_id: uid, login_url: 'https://lds/secret-launch' }, chainedContext(uid), secretRef);
    expect(JSON.stringify([draft, recordsOf(draft, uid)])).not.toContain('secret-launch');
    expect(recordsOf(draft, uid)[0]?.event).toMatchObject({ masked: 'login_url', data: { session_id: uid, login_url: `sha256:${URL_HASH}` } });
  });
});

describe('a received event', () => {
  test('is recorded with attributes, result, hash and its data up to 1 KiB; it has no sequence and is for the archive alone', () => {
    const draft: OutboxDraft = {};
    recordReceived(draft, receipt({ subject: 'exams/cand-0042', time: '2026-11-23T09:59:59Z', extensions: { traceparent: '00-a' } }), 'Deferred', chainedContext(uid));
    expect(draft.outbox?.[0]).toMatchObject({ archiveOnly: true, type: 'lds.session.started' });
    expect(draft.outbox?.[0]).not.toHaveProperty('sequence');
    expect(recordsOf(draft, uid)[0]?.event).toEqual({
      id: 'evt-1', source: '/lds', type: 'lds.session.started', subject: 'exams/cand-0042', time: '2026-11-23T09:59:59Z', extensions: { traceparent: '00-a' },
      receivedAt: '2026-11-23T10:00:00.000Z', result: 'Deferred', sha256: 'ab'.repeat(32), data: { session_id: 'x' },
    });
  });

  test.each([
    ['data of more than 1 KiB', { data: { report: 'x'.repeat(1020) } }, 'data'],
    ['extensions that leave no room', { extensions: { long: 'y'.repeat(3000) } }, 'extensions'],
    ['a subject that leaves no room', { subject: 'z'.repeat(3000) }, 'subject'],
  ])('with %s is known by its hash, within 2 KiB', (_, fields, gone) => {
    const draft: OutboxDraft = {};
    recordReceived(draft, receipt(fields), 'Applied', chainedContext(uid));
    const [entry] = draft.outbox ?? [];
    expect(Buffer.byteLength(JSON.stringify(entry))).toBeLessThanOrEqual(OUTBOX_ENTRY_MAX_BYTES);
    expect(recordsOf(draft, uid)[0]?.event).toMatchObject({ id: 'evt-1', sha256: 'ab'.repeat(32) });
    expect(recordsOf(draft, uid)[0]?.event).not.toHaveProperty(gone);
    expect(labletSessionStatus.safeParse(draft).error).toBeUndefined();
  });

  test('is recorded in the very status that stores its effect, after the events that it caused; a repeat leaves all as it is', () => {
    const story = new Story({ world: { archive: '/ccm/lablet-controller' } });
    story.judge();
    const before = story.status.chain?.n ?? 0;
    const started = { ...event('lds.session.started', { session_id: story.session.metadata.uid }, { id: 'evt-9' }), receipt: receipt({ id: 'evt-9' }) };
    story.consume(started);
    expect(story.status.chain?.n).toBe(before + 1);
    expect(story.status.outbox?.at(-1)).toMatchObject({ archiveOnly: true });
    const stored = structuredClone(story.status);
    expect(story.consume(started).result).toBe('Duplicate');
    expect(story.status).toEqual(stored);
  });
});

describe('an outbox that the archive does not empty', () => {
  const DROPS = 10;

  function full(): { draft: OutboxDraft; dropped: number } {
    const draft: OutboxDraft = {};
    let dropped = 0;
    for (let n = 0; n < OUTBOX_MAX_ENTRIES / 2; n++) dropped += emitted(draft, uid).length + received(draft, uid).length;
    for (let n = 0; n < DROPS; n++) dropped += emitted(draft, uid).length;
    return { draft, dropped };
  }

  test('loses what is for the archive alone before any event of ours, and says that the archive has a gap', () => {
    const { draft, dropped } = full();
    expect(dropped).toBe(DROPS);
    expect(draft.outbox?.filter(({ archiveOnly }) => archiveOnly)).toHaveLength(OUTBOX_MAX_ENTRIES / 2 - DROPS);
    expect(draft.outbox?.flatMap(({ sequence = [] }) => sequence)).toEqual(Array.from({ length: OUTBOX_MAX_ENTRIES / 2 + DROPS }, (_, n) => n + 1));
    expect(draft.conditions?.[0]).toMatchObject({ type: 'EventsDelivered', status: 'False', reason: 'ArchiveGap', message: expect.stringContaining('The archive has a gap') });
  });

  test('names what it gave up in the next record, and in its head until there is one', () => {
    const { draft } = full();
    // Received events have the even numbers.
    const given = Array.from({ length: DROPS }, (_, n) => 2 * n + 2);
    const named = (texts: readonly string[] = []): number[] => texts.map((text) => rangeOf(text).first);
    expect(named(draft.chain?.dropped)).toEqual(given.slice(-1));
    expect(draft.outbox?.flatMap(({ chain }) => named(chain?.dropped))).toEqual(given.slice(0, -1));
    // And what was before it, so that this one is held in its place.
    expect(rangeOf(draft.chain?.dropped?.[0] ?? '').prev).toBe(recordsOf(draft, uid).find(({ chain }) => chain.n === DROPS * 2 - 1)?.chain.hash);
    emitted(draft, uid);
    expect(named(draft.outbox?.at(-1)?.chain?.dropped)).toEqual(given.slice(-1));
  });

  test('never names more ranges than a status may hold, however long it lasts, and forgets none', () => {
    const draft: OutboxDraft = {};
    for (let n = 0; n < 400; n++) (n % 3 === 0 ? emitted : received)(draft, uid);
    expect(labletSessionStatus.safeParse(draft).error).toBeUndefined();
    const named = [...(draft.outbox ?? []).flatMap(({ chain }) => chain?.dropped ?? []), ...(draft.chain?.dropped ?? [])];
    const kept = new Set(draft.outbox?.map(({ chain }) => chain?.n));
    const given = named.map(rangeOf).flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
    expect(Array.from({ length: 400 }, (_, n) => n + 1).filter((n) => !kept.has(n) && !given.includes(n))).toEqual([]);
  });
});
