import { beforeAll, describe, expect, test } from '@jest/globals';
import { endings, soakProblems } from '../soak/judge.ts';
import { FATES } from '../soak/plan.ts';
import { runSoak, type SoakOutcome } from '../soak/run.ts';

// The small sister of `make soak`: the same plan every time, so that what fails here was changed here. `make soak` draws a new one.
const seed = process.env['LABLET_SEED'] ?? '197377';
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
