import { expect, test } from '@jest/globals';
import { HISTORY_MAX, OUTBOX_MAX_BYTES, OUTBOX_MAX_ENTRIES } from '../../../../src/api/outbox.ts';
import { INBOX_MAX, INBOX_MAX_DEFERRED_BYTES, labletSessionStatus } from '../../../../src/api/labletsession.ts';
import { recordEvent } from '../../../../src/core/outbox.ts';
import { event, SESSION_UID, sessionAt } from '../../../support/builders.ts';
import type { Story } from '../../../support/builders.ts';
import type { SessionStatus } from '../../../../src/core/session/world.ts';

const LIMIT = 100_000;
const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** A session that is as large as it gets: 50 devices and ports, 50 transitions, full inbox and outbox. */
function large(source: string): Story {
  const story = sessionAt('Running');
  story.consume(event('grading.session.completed', { sections: Array.from({ length: 89 }, () => ({ name: 'x'.repeat(250), score: 1 })) }));
  for (let index = 0; index < INBOX_MAX; index++) story.consume(event('grading.session.failed', {}, { id: `5b0e9c1e-7f0f-4c3b-8a11-${index}`, source }));
  const status = structuredClone(story.status);
  status.allocatedPorts = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`distribution-switch-${index}_serial`, 2000 + index]));
  const devices = Array.from({ length: 50 }, (_, index) => ({ name: `distribution-switch-${index}`, protocol: 'telnet', host: 'w-metal-01.cml.example.org', port: 2000 + index, uri: `telnet://w-metal-01.cml.example.org:${2000 + index}` }));
  if (status.userSession) status.userSession.devices = devices;
  const [entry] = status.history ?? [];
  status.history = Array.from({ length: HISTORY_MAX }, () => ({ ...entry, from: 'Instantiating', to: 'Pending', at: story.now.toISOString(), reason: 'WorkerDraining', actor: 'controller', row: 'T7', eventId: SESSION_UID }));
  fillOutbox(status, story);
  story.session = { ...story.session, status };
  return story;
}

function fillOutbox(status: SessionStatus, story: Story): void {
  for (let index = 0; index < 2 * OUTBOX_MAX_ENTRIES; index++) {
    recordEvent(status, 'ccm.lablet.session.scheduled', { session_id: SESSION_UID, worker_id: 'w-metal-01', allocated_ports: status.allocatedPorts ?? {} }, { uid: SESSION_UID, now: story.now });
  }
}

test('the status of the largest session stays below 100 kB', () => {
  const story = large('https://lds.example.org/events');
  const { status } = story;
  expect(status.inbox).toHaveLength(INBOX_MAX);
  expect(bytes(status.inbox?.find(({ result }) => result === 'Deferred')?.data)).toBeGreaterThan(0.95 * INBOX_MAX_DEFERRED_BYTES);
  expect(bytes(status.outbox)).toBeGreaterThan(0.9 * OUTBOX_MAX_BYTES);
  labletSessionStatus.parse(status);
  expect(bytes(status)).toBeLessThan(LIMIT);
  expect(bytes(story.consume(event('lds.session.ended')).status)).toBeLessThan(LIMIT);
});

test('a sender with very long names costs memory of old events, not the limit', () => {
  const story = large(`https://lds.example.org/${'e'.repeat(480)}`);
  expect(bytes(story.status)).toBeLessThan(LIMIT);
  expect(story.status.inbox?.at(-2)).toMatchObject({ result: 'Ignored' });
  expect(story.status.inbox?.filter(({ result }) => result === 'Deferred')).toMatchObject([{ type: 'grading.session.completed' }, { type: 'grading.session.failed' }]);
});
