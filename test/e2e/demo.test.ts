import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EXPECTED, SCRIPT } from '../../hack/demo/candidates.ts';
import { isSettled, problems, type Outcome } from '../../hack/demo/expect.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

// What `make demo` shows to people, on the same machinery: one candidate passes, one fails, one never comes.
const LIMIT_MS = 150_000;

describe('from kubectl apply to a graded result', () => {
  let world: TestStack;
  let outcome: Outcome;
  let logs: string;

  beforeAll(async () => {
    world = await startTestStack({ world: { processes: true, bootDelay: '1s', script: SCRIPT } });
    await world.stack.applySamples();
    await eventually(() => {
      const left = EXPECTED.filter(({ session }) => {
        const found = world.stack.sessions.get(`exams/${session}`);
        return found === undefined || !isSettled(found);
      });
      expect(left).toEqual([]);
    }, LIMIT_MS);
    outcome = await world.stack.outcome();
    logs = await world.stack.controller.log();
  }, LIMIT_MS + 30_000);

  afterAll(async () => {
    await world.stop();
  });

  test('phases, scores, events, labs and ports are as the three candidates made them', () => {
    expect(problems(outcome, EXPECTED)).toEqual([]);
  });

  test('every event is sent once while nothing fails', () => {
    const ids = outcome.deliveries.map(({ id }) => id);
    expect(ids.length).toBe(new Set(ids).size);
  });

  test('the launch URL reaches the sink and is told nowhere else', async () => {
    const urls = outcome.deliveries.filter(({ type }) => type === 'ccm.lablet.session.ready').map(({ data }) => data['login_url']);
    expect(urls).toEqual(EXPECTED.map(() => expect.stringMatching(new RegExp(`^${world.stack.world.lds.url}/launch/`))));
    const kubernetesEvents = await world.controlPlane.kubectl(['get', 'events', '--all-namespaces', '--output=json']);
    const told = [logs, kubernetesEvents, JSON.stringify([outcome.sessions, outcome.labs, outcome.reports])].join('\n');
    for (const url of urls) expect(told).not.toContain(new URL(String(url)).pathname);
  });

  test('what an exam team reads of a session names the candidate, the grade and why it is over', async () => {
    const table = await world.controlPlane.kubectl(['get', 'lses', '--all-namespaces', '--output=wide']);
    expect(table).toMatch(/ada .*Archived .*campus-edge .*87 .*true .*Graded/);
    expect(table).toMatch(/grace .*Archived .*campus-edge .*41 .*false .*Graded/);
    expect(table).toMatch(/linus .*Terminated .*campus-edge .*NoShow/);
  });

  test('the worker has its whole capacity again', async () => {
    await eventually(async () => {
      const { status } = JSON.parse(await world.controlPlane.kubectl(['get', 'worker', 'onprem-cml-01', '--output=json'])) as { status: unknown };
      expect(status).toMatchObject({ phase: 'Running', sessions: 0, capacity: { available: { cpu: '16', nodes: 200 } } });
    });
  });

  test('the controller logs no error and no warning on this way', () => {
    const lines = logs.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as { level: string });
    expect(lines.filter(({ level }) => ['warn', 'error', 'fatal'].includes(level))).toEqual([]);
  });
});
