import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXPECTED, SCRIPT } from '../../hack/demo/candidates.ts';
import { isSettled, problems, type Outcome } from '../../hack/demo/expect.ts';
import type { Stack } from '../../hack/demo/stack.ts';
import { seededRandom } from '../../hack/sim/common/random.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const KILLS = 10;
/** Of a passed, a failed and a missed session: ten phases, ten phases and seven. */
const TRANSITIONS = 27;
/** Longest pause between the transition that a kill waits for and the kill: long enough to hit any step of a pipeline. */
const PAUSE_MS = 600;
const LIMIT_MS = 400_000;

/** LABLET_SEED=n repeats the moments of a run; which step of the work each of them hits is up to the machine. */
const seed = Number(process.env['LABLET_SEED'] ?? randomInt(1_000_000));

/** When to kill: after so many transitions of all sessions together, and then so many milliseconds later. Spread over their lives. */
function moments(): { after: number; pauseMs: number }[] {
  const random = seededRandom(`ten-kills/${seed}`);
  const stratum = (TRANSITIONS - 1) / KILLS;
  return Array.from({ length: KILLS }, (_, index) => ({ after: Math.floor(stratum * (index + random())), pauseMs: Math.floor(random() * PAUSE_MS) }));
}

function transitions({ sessions }: Stack): number {
  return sessions.list().reduce((sum, { status }) => sum + (status?.history ?? []).length, 0);
}

/**
 * A killed controller cannot release its lease, and its successor waits until it has expired, up to 15 s. Twice the test
 * waits, as production would; eight times it removes the lease of the dead process, which is the same but for the wait.
 */
const leaseAt = (kill: number): 'expires' | 'removed' => (kill === 3 || kill === 7 ? 'expires' : 'removed');

describe(`the controller is killed ten times (LABLET_SEED=${seed})`, () => {
  let world: TestStack;
  let outcome: Outcome;
  const killedIn: string[] = [];

  beforeAll(async () => {
    // Slower candidates than the demo's: the work must outlast ten restarts.
    world = await startTestStack({ world: { processes: true, bootDelay: '2s', script: SCRIPT } });
    const { stack } = world;
    const kill = async (index: number): Promise<void> => {
      killedIn.push(stack.sessions.list().map(({ metadata, status }) => `${metadata.name} ${status?.phase ?? 'new'}/${status?.pipeline?.steps.find(({ state }) => state === 'Running' || state === 'Pending')?.name ?? '-'}`).sort().join(', '));
      await stack.crash(leaseAt(index));
    };
    await stack.applySamples();
    for (const [index, { after, pauseMs }] of moments().entries()) {
      await eventually(() => expect(transitions(stack)).toBeGreaterThanOrEqual(after), LIMIT_MS);
      await sleep(pauseMs);
      await kill(index);
    }
    await eventually(() => {
      const unfinished = stack.sessions.list().filter((session) => !isSettled(session));
      expect(unfinished.map(({ metadata, status }) => `${metadata.name}: ${status?.phase ?? 'no phase'}`)).toEqual([]);
      expect(stack.sessions.list()).toHaveLength(EXPECTED.length);
    }, LIMIT_MS);
    outcome = await stack.outcome();
  }, LIMIT_MS + 60_000);

  afterAll(async () => {
    await world.stop();
    process.stderr.write(`ten kills, LABLET_SEED=${seed}:\n${killedIn.map((where) => `  ${where}\n`).join('')}`);
  });

  test('sessions, scores and events are those of an undisturbed run, with one lab for each session and none left', () => {
    expect(problems(outcome, EXPECTED)).toEqual([]);
  });

  test('the kills hit sessions in at least five different phases', () => {
    const phases = new Set(killedIn.flatMap((where) => where.split(', ').map((one) => one.replace(/^\S+ (\w+)\/.*/, '$1'))));
    expect([...phases].length).toBeGreaterThanOrEqual(5);
  });

  test('no session was graded twice, and each grade that counts was asked for', async () => {
    const graded = (await world.stack.world.gradeCalls()).filter(({ runs }) => runs > 0);
    expect(graded.map(({ candidateId }) => candidateId).sort()).toEqual(['ada', 'grace']);
  });
});
