import { describe, expect, test } from '@jest/globals';
import { bookingOf, isAdmitted, isBookable, noRoomMessage } from '../../../src/core/booking.ts';
import type { LabletSession, LabletSessionStatus } from '../../../src/api/labletsession.ts';
import type { BookingTerms } from '../../../src/core/booking.ts';

const MINUTE = 60_000;
const NOW = new Date('2026-11-23T08:00:00Z');
const at = (text: string): number => Date.parse(`2026-11-23T${text}:00Z`);

const terms: BookingTerms = {
  scale: 1, durations: { maxDuration: 120 * MINUTE, maxExtension: 30 * MINUTE, bootLeadTime: 15 * MINUTE, noShowTimeout: 30 * MINUTE },
  demand: { definition: 'exams/edge@1.0.0', resources: { cpu: 1, memory: 1, storage: 1 }, nodeCount: 1, nodeDefinitions: [], portCount: 0, images: [], licenseAffinity: [], nestedVirtualization: true, labReuse: true },
};

function session(timeslot?: { start?: string; end?: string }, status: LabletSessionStatus = { phase: 'Pending' }): LabletSession {
  return {
    apiVersion: 'lablet.dev/v1alpha1', kind: 'LabletSession', metadata: { name: 'ada', namespace: 'exams', uid: 'u-1', creationTimestamp: '2026-11-23T07:59:00Z', resourceVersion: '1' },
    spec: { definitionRef: { name: 'edge' }, owner: 'proctor', admission: 'Queue', desiredState: 'Active', ...(timeslot ? { timeslot } : {}) }, status,
  };
}

const slot = { start: '2026-11-23T10:00:00Z', end: '2026-11-23T11:30:00Z', bookedEnd: '2026-11-23T11:30:00Z' };

describe('a session holds', () => {
  test('a booked slot, with bootLeadTime before and 50 min after it', () => {
    expect(bookingOf(session(slot), terms, NOW)).toMatchObject({ kind: 'booked', lead: 15 * MINUTE, hold: { from: at('09:45'), to: at('12:20') } });
  });

  test('maxDuration where its end was left out', () => {
    expect(bookingOf(session({ start: slot.start }), terms, NOW).hold.to).toBe(at('12:50'));
  });

  test('from now on, for bootLeadTime, maxDuration and 50 min, if it starts as soon as possible', () => {
    expect(bookingOf(session(), terms, NOW)).toMatchObject({ kind: 'soon', hold: { from: at('08:00'), to: at('11:05') } });
  });

  test('from now on, if its slot had begun when it was created, or it lost its worker past the start', () => {
    expect(bookingOf(session({ start: '2026-11-23T07:30:00Z', end: '2026-11-23T09:00:00Z' }), terms, NOW)).toMatchObject({ kind: 'soon', hold: { from: at('08:00'), to: at('09:50') } });
    expect(bookingOf(session(slot, { phase: 'Pending', reschedules: 1, timeslot: slot }), terms, new Date(at('10:10')))).toMatchObject({ kind: 'soon', hold: { from: at('10:10'), to: at('12:20') } });
  });

  test('its worker from the placement to 50 min after its end, extensions included', () => {
    const running: LabletSessionStatus = { phase: 'Running', scheduledAt: '2026-11-23T09:25:00Z', timeslot: { ...slot, end: '2026-11-23T11:50:00Z' } };
    expect(bookingOf(session(slot, running), terms, NOW).hold).toEqual({ from: at('09:25'), to: at('12:40') });
  });

  test('no longer than 50 min after the candidate has ended', () => {
    const ended: LabletSessionStatus = { phase: 'Collecting', scheduledAt: '2026-11-23T09:25:00Z', timeslot: slot, endedAt: '2026-11-23T10:20:00Z' };
    expect(bookingOf(session(slot, ended), terms, NOW).hold.to).toBe(at('11:10'));
  });
});

test('a slot that is refused at T0 anyway asks for no room', () => {
  const asks = (timeslot: { start: string; end: string }) => isBookable(bookingOf(session(timeslot), terms, NOW), terms, NOW);
  expect(asks(slot)).toBe(true);
  expect(asks({ ...slot, end: slot.start })).toBe(false);
  expect(asks({ ...slot, end: '2026-11-23T12:30:00Z' })).toBe(false);
  expect(asks({ start: '2026-11-23T05:00:00Z', end: '2026-11-23T06:00:00Z' })).toBe(false);
});

describe('a session is admitted', () => {
  const says = (status: 'True' | 'False', reason: string) => isAdmitted(session(slot, { phase: 'Pending', conditions: [{ type: 'Admitted', status, reason, lastTransitionTime: '2026-11-23T08:00:00Z' }] }));

  test.each([['True', 'CapacityBooked', true], ['False', 'NoCapacityInSlot', false], ['False', 'CapacityLost', true], ['False', 'ExtensionRefused', true]] as const)('Admitted=%s %s: %s', (status, reason, admitted) => {
    expect(says(status, reason)).toBe(admitted);
  });
});

describe('where there is no room, the message', () => {
  const booked = bookingOf(session(slot), terms, NOW);

  test('names the slot and the nearest ones', () => {
    expect(noRoomMessage(booked, { before: at('08:45'), after: at('13:15') }, terms, true)).toBe(
      'The capacity is booked from 2026-11-23 10:00 to 11:30 (UTC). The nearest slots with room begin at 2026-11-23 08:45 and 2026-11-23 13:15 (UTC).',
    );
  });

  test('says what helps if no slot has room', () => {
    expect(noRoomMessage(booked, {}, terms, true)).toContain('raise maxWorkers of a WorkerTemplate, or add a Worker');
  });

  test('says so if nothing could ever serve it', () => {
    expect(noRoomMessage(booked, {}, terms, false)).toContain('No worker and no WorkerTemplate could serve it');
  });
});
