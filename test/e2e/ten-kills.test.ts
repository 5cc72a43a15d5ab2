import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXPECTED, SCRIPT } from '../../hack/demo/candidates.ts';
import { isSettled, problems, type Outcome } from '../../hack/demo/expect.ts';
import type { Stack } from '../../hack/demo/stack.ts';
import { seededRandom } from '../../hack/sim/common/random.ts';
import type { ScriptInput } from '../../hack/sim/common/script.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const KILLS = 10;
/** Of a passed, a failed and a missed session: ten phases, ten phases and seven. */
const TRANSITIONS = 27;
/** Longest pause between the transition that a kill waits for and the kill; mostly it is a short one, so that quick phases are met too. */
const PAUSE_MS = 1_500;
/** Writes of sessions between a restart and the next kill. */
const WRITES_BETWEEN = 2;
const LIMIT_MS = 400_000;

/** As in the demo, but the three do not go through the same phases at the same time: so each kill meets them in different ones. */
const STAGGERED: ScriptInput = {
  ...SCRIPT,
  lds: [
    { candidate: 'linus', noShow: true },
    { candidate: 'ada', startAfter: '1s', endAfter: '2s' },
    { candidate: '*', startAfter: '7s', endAfter: '3s' },
  ],
};

/** LABLET_SEED=n repeats the moments of a run; which step of the work each of them hits is up to the machine. */
const seed = Number(process.env['LABLET_SEED'] ?? randomInt(1_000_000));

/** When to kill: after so many transitions of all sessions together, and then so many milliseconds later. Spread over their lives. */
function moments(): { after: number; pauseMs: number }[] {
  const random = seededRandom(`ten-kills/${seed}`);
  const stratum = (TRANSITIONS - 1) / KILLS;
  return Array.from({ length: KILLS }, (_, index) => ({ after: Math.floor(stratum * (index + random())), pauseMs: Math.floor(random() ** 2 * PAUSE_MS) }));
}

/**
 * Resolves the moment that the sessions have made so many transitions together, but not before something was written since
 * the last kill: else a quick succession of transitions would draw several kills into the same step.
 */
async function progressMade(sessions: Stack['sessions'], wanted: number): Promise<void> {
  const transitions = (): number => sessions.list().reduce((sum, { status }) => sum + (status?.history ?? []).length, 0);
  // A handler is told first of what is there already: that is no write.
  let writes = -sessions.list().length;
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (transitions() >= wanted && (writes >= WRITES_BETWEEN || sessions.list().every(isSettled))) resolve();
    };
    sessions.onChange(() => {
      writes += 1;
      look();
    });
  });
}

/**
 * A killed controller cannot release its lease, and its successor waits until it has expired, up to 15 s. Twice the test
 * waits, as production would; eight times it removes the lease of the dead process, which is the same but for the wait.
 */
const leaseAt = (kill: number): 'expires' | 'removed' => (kill === 3 || kill === 7 ? 'expires' : 'removed');

/** Such as `ada Instantiating/lab_start`: where a kill meets a session. */
function whereabouts({ metadata, status }: LabletSession): string {
  const step = status?.pipeline?.steps.find(({ state }) => state === 'Running' || state === 'Pending');
  return `${metadata.name} ${status?.phase ?? 'new'}${step === undefined ? '' : `/${step.name}`}`;
}

describe(`the controller is killed ten times (LABLET_SEED=${seed})`, () => {
  let world: TestStack;
  let outcome: Outcome;
  const killedIn: string[][] = [];

  beforeAll(async () => {
    world = await startTestStack({ world: { processes: true, bootDelay: '2s', script: STAGGERED } });
    const { stack } = world;
    await stack.applySamples();
    for (const [index, { after, pauseMs }] of moments().entries()) {
      await progressMade(stack.sessions, after);
      await sleep(pauseMs);
      killedIn.push(stack.sessions.list().map(whereabouts).sort());
      await stack.crash(leaseAt(index));
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
    process.stderr.write(`ten kills, LABLET_SEED=${seed}:\n${killedIn.map((where) => `  ${where.join(', ')}\n`).join('')}`);
  });

  test('sessions, scores and events are those of an undisturbed run, with one lab for each session and none left', () => {
    expect(problems(outcome, EXPECTED)).toEqual([]);
  });

  test('the kills hit sessions in at least five different phases', () => {
    const phases = new Set(killedIn.flat().map((where) => where.replace(/^\S+ (\w+).*/, '$1')));
    expect([...phases].length).toBeGreaterThanOrEqual(5);
  });

  test('no session was graded twice, and each grade that counts was asked for', async () => {
    const graded = (await world.stack.world.gradeCalls()).filter(({ runs }) => runs > 0);
    expect(graded.map(({ candidateId }) => candidateId).sort()).toEqual(['ada', 'grace']);
  });
});
