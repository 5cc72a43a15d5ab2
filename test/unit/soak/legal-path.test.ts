import { describe, expect, test } from '@jest/globals';
import { illegalEntry, placesAfter } from '../../soak/legal-path.ts';

const events = (...names: string[]): string[] => names.map((name) => `ccm.lablet.${name}`);
const CANCELLED = events('session.pending', 'session.scheduled', 'session.instantiating', 'session.stopping', 'session.stopped', 'session.terminated');
const LATE = events('score_report.created', 'session.graded');

describe('the events of a session, read along the transition table', () => {
  test('a cancelled session has ended', () => {
    expect([...placesAfter(CANCELLED)]).toEqual(['Terminated']);
  });

  test('nothing told is a session that was never admitted', () => {
    expect([...placesAfter([])]).toEqual([null]);
  });

  test('a stopped session may have been archived, which tells nothing', () => {
    expect(placesAfter(CANCELLED.slice(0, -1))).toEqual(new Set(['Stopped', 'Archived']));
  });

  test('nobody is terminated who was not admitted, not placed, or never left the phase before', () => {
    // Without stopped it would be legal: a session can be terminated by force while it is stopping.
    for (const missing of [0, 1, 3]) expect([...placesAfter(CANCELLED.toSpliced(missing, 1))]).toEqual([]);
  });

  test('two neighbours in the wrong order are no way', () => {
    for (let index = 0; index + 1 < CANCELLED.length; index++) {
      expect([...placesAfter([...CANCELLED.slice(0, index), ...CANCELLED.slice(index, index + 2).reverse(), ...CANCELLED.slice(index + 2)])]).toEqual([]);
    }
  });

  test('a late result is told where the session has come to, and never before its end', () => {
    expect([...placesAfter(CANCELLED.toSpliced(4, 0, ...LATE))]).toEqual(['Terminated']);
    expect([...placesAfter(CANCELLED.toSpliced(3, 0, ...LATE))]).toEqual([]);
  });
});

describe('a history, read along the transition table', () => {
  const entry = (row: string, from: string | undefined, to: string) => ({ row, to, at: '2026-11-23T10:00:00.000Z', reason: 'Test', actor: 'test', ...(from === undefined ? {} : { from }) });
  const history = [entry('T0', undefined, 'Pending'), entry('T1', 'Pending', 'Scheduled'), entry('T5', 'Scheduled', 'Terminated')];

  test('each entry begins where the one before it ended', () => {
    expect(illegalEntry(history)).toBeUndefined();
    expect(illegalEntry(history.toSpliced(1, 1))?.row).toBe('T5');
  });

  test('a row with other phases than those of the table is found', () => {
    expect(illegalEntry([...history.slice(0, 2), entry('T5', 'Scheduled', 'Stopping')])?.to).toBe('Stopping');
  });
});
