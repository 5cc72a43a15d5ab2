import { beforeAll, describe, expect, test } from '@jest/globals';
import { randomInt } from 'node:crypto';
import { endings, soakProblems } from '../soak/judge.ts';
import { placesAfter } from '../soak/legal-path.ts';
import { FATES } from '../soak/plan.ts';
import { runSoak, type SoakOutcome } from '../soak/run.ts';

// The small sister of `make soak`. LABLET_SEED=n plays a run again.
const seed = process.env['LABLET_SEED'] ?? String(randomInt(1_000_000));
const LIMIT_MS = 300_000;

describe(`forty sessions of every fate on four hosts (LABLET_SEED=${seed})`, () => {
  let outcome: SoakOutcome;

  beforeAll(async () => {
    outcome = await runSoak({ sessions: 40, workers: 4, seed });
  }, LIMIT_MS);

  test('every session comes to its end on a legal path, and nothing of any is left on a host, in an object or in LDS', () => {
    expect(soakProblems(outcome)).toEqual([]);
  });

  test('every fate was among them, and they did not all end alike', () => {
    expect(new Set(outcome.planned.map(({ fate }) => fate))).toEqual(new Set(FATES));
    expect(endings(outcome).length).toBeGreaterThanOrEqual(5);
  });
});

describe('the judge of the soak', () => {
  const ended = ['session.pending', 'session.scheduled', 'session.instantiating', 'session.stopping', 'session.stopped', 'session.terminated'].map((type) => `ccm.lablet.${type}`);

  test('takes a way through the table for legal', () => {
    expect([...placesAfter(ended)]).toEqual(['Terminated']);
  });

  test('finds each event that is missing', () => {
    // Without its last event, or without telling that it was admitted or placed, nobody could have come to this end.
    for (const missing of [0, 1, 3, 4]) expect(placesAfter(ended.toSpliced(missing, 1)).has('Terminated')).toBe(false);
  });

  test('finds events in the wrong order', () => {
    for (let index = 0; index + 1 < ended.length; index++) {
      expect([...placesAfter([...ended.slice(0, index), ended[index + 1] ?? '', ended[index] ?? '', ...ended.slice(index + 2)])]).toEqual([]);
    }
  });
});
