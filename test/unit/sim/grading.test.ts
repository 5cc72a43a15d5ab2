import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createGradingSimulator, type GradingOptions, type GradingSimulator } from '../../../hack/sim/grading/simulator.ts';
import { readScript, type ScriptInput } from '../../../hack/sim/common/script.ts';
import { readConsumedData } from '../../../src/api/consumed.ts';
import { eventually } from '../../support/eventually.ts';
import { callerOf, type Caller } from '../../support/sim/http.ts';
import { startReceiver, type Receiver } from '../../support/sim/receiver.ts';

const FORM = 'Exam CCNP TEST v1 LAB 1.1';
const PART = `/sessions/ge-1/parts/${encodeURIComponent(FORM)}`;
const POD = { id: 'uid-1', devices: [{ label: 'edge-r1', hostname: 'edge-r1', collector: 'ios', interfaces: [{ name: 'console', protocol: 'console', host: 'cml-01', port: 2002 }] }] };

let simulator: GradingSimulator;
let receiver: Receiver;
let ge: Caller;
let url: string;

const token = async (form: string, headers: Record<string, string> = {}): Promise<{ status: number; body: unknown }> =>
  callerOf(url, { 'content-type': 'application/x-www-form-urlencoded', ...headers })('POST /oauth/token', form);

async function start(rules: ScriptInput['grading'] = [], options: GradingOptions = {}): Promise<void> {
  simulator = createGradingSimulator({ seed: 'test', eventsTo: receiver.url, rules: readScript({ grading: rules }).grading, timeScale: 50, ...options });
  url = await simulator.listen();
  const { body } = await token('grant_type=client_credentials&client_id=admin&client_secret=secret');
  ge = callerOf(`${url}/api/v1`, { authorization: `Bearer ${(body as { access_token: string }).access_token}` });
}

async function graded(): Promise<void> {
  await ge('POST /sessions', { id: 'ge-1', candidateId: 'cand-1', parts: [{ id: FORM }] });
  await ge(`POST ${PART}/pod`, POD);
  expect((await ge(`POST ${PART}/grade`)).status).toBe(202);
}

const part = async (): Promise<unknown> => ((await ge('GET /sessions/ge-1')).body as { parts: unknown[] }).parts[0];

beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  await simulator.close();
  await receiver.close();
});

describe('a grading', () => {
  test('is accepted at once, answered by an event, and can be polled as well', async () => {
    await start([{ candidate: 'cand-*', score: 71, cutScore: 60 }]);
    await graded();
    expect(await part()).toMatchObject({ status: 'GRADING', scoreReport: null });
    await eventually(() => expect(receiver.received).toHaveLength(1));
    expect(receiver.received[0]).toMatchObject({
      headers: { 'ce-type': 'grading.session.completed' },
      body: { grading_session_id: 'ge-1', session_id: 'uid-1', score: 71, max_score: 100, cut_score: 60, passed: true },
    });
    expect(await part()).toMatchObject({ status: 'GRADED', scoreReport: { score: 71, maxScore: 100, sections: [{ id: 'Lab', score: 71, maxScore: 100, items: [] }] } });
  });

  test('both shapes of a score say the same to the operator', async () => {
    const read = async (scoreShape: 'flat' | 'nested'): Promise<unknown> => {
      await start([{ candidate: '*', score: 40, cutScore: 60, sections: [{ name: 'OSPF', score: 40, maxScore: 100 }] }], { scoreShape });
      const before = receiver.received.length;
      await graded();
      await eventually(() => expect(receiver.received).toHaveLength(before + 1));
      await simulator.close();
      return readConsumedData('grading.session.completed', receiver.received.at(-1)?.body);
    };
    const flat = await read('flat');
    expect(flat).toMatchObject({ score: 40, maxScore: 100, cutScore: 60, passed: false, sections: [{ name: 'OSPF', score: 40, maxScore: 100 }] });
    expect(await read('nested')).toEqual(flat);
  });

  test('that fails the first time succeeds when it is asked for again', async () => {
    await start([{ candidate: '*', fail: 'device unreachable', failTimes: 1 }]);
    await graded();
    await eventually(() => expect(receiver.received.map(({ body }) => body)).toEqual([expect.objectContaining({ grading_session_id: 'ge-1', error: 'device unreachable' })]));
    expect(await part()).toMatchObject({ status: 'FAILED', statusReason: 'device unreachable', scoreReport: null });
    await ge(`POST ${PART}/grade`);
    await eventually(() => expect(receiver.received.map(({ headers }) => headers['ce-type'])).toEqual(['grading.session.failed', 'grading.session.completed']));
  });

  test('asked for twice while it runs, runs once', async () => {
    await start();
    await graded();
    expect((await ge(`POST ${PART}/grade`)).status).toBe(202);
    await eventually(() => expect(receiver.received).toHaveLength(1));
    expect((await callerOf(url)('GET /sim/sessions')).body).toMatchObject([{ parts: [{ gradeCalls: 2, runs: 1 }] }]);
  });

  test('a silent one shows its result only to those who poll', async () => {
    await start([{ candidate: '*', silent: true }]);
    await graded();
    await eventually(async () => expect(await part()).toMatchObject({ scoreReport: { score: 80 } }));
    expect(receiver.received).toEqual([]);
  });

  test('judges by the cut score of the rule set, which the score report does not have', async () => {
    await start([{ candidate: '*', score: 70 }]);
    await ge('POST /sessions', { id: 'ge-1', candidateId: 'cand-1', parts: [{ id: FORM, pod: POD }] });
    expect((await ge(`PUT ${PART}/ruleset/scoring`, { cutScore: 75 })).status).toBe(200);
    await ge(`POST ${PART}/grade`);
    await eventually(() => expect(receiver.received).toMatchObject([{ body: { cut_score: 75, passed: false } }]));
    expect((await ge(`GET ${PART}/score/view`)).body).toMatchObject({ score: 70, cutScore: 75, passed: false });
    expect(await part()).not.toHaveProperty('scoreReport.cutScore');
  });
});

describe('the API', () => {
  test('a session whose id is taken is a conflict, and the first one stays', async () => {
    await start();
    const first = await ge('POST /sessions', { id: 'ge-1', candidateId: 'cand-1', parts: [{ id: FORM }] });
    expect((await ge('POST /sessions', { id: 'ge-1', candidateId: 'cand-2' })).status).toBe(409);
    expect((await ge('GET /sessions/ge-1')).body).toEqual(first.body);
  });

  test('nothing is graded without a pod', async () => {
    await start();
    await ge('POST /sessions', { id: 'ge-1', candidateId: 'cand-1', parts: [{ id: FORM }] });
    expect((await ge(`POST ${PART}/grade`)).status).toBe(409);
  });

  test('a pod is assigned once, replaced, taken away', async () => {
    await start();
    await ge('POST /sessions', { id: 'ge-1', candidateId: 'cand-1', parts: [{ id: FORM }] });
    const answers = [];
    for (const call of ['PUT', 'POST', 'POST', 'PUT', 'DELETE', 'DELETE']) answers.push((await ge(`${call} ${PART}/pod`, call === 'DELETE' ? undefined : POD)).status);
    expect(answers).toEqual([404, 200, 409, 200, 200, 404]);
  });

  test('a part can be added later', async () => {
    await start();
    await ge('POST /sessions', { id: 'ge-1', candidateId: 'cand-1' });
    expect(await ge('POST /sessions/parts', { sessionId: 'ge-1', part: { id: FORM } })).toMatchObject({ status: 200, body: { parts: [{ id: FORM, status: 'CREATED' }] } });
  });

  test('wants a bearer token, which client credentials buy, in the form or as Basic', async () => {
    await start();
    expect((await callerOf(`${url}/api/v1`)('GET /sessions/ge-1')).status).toBe(401);
    expect((await token('grant_type=client_credentials&client_id=admin&client_secret=guess')).status).toBe(401);
    expect((await token('grant_type=password&username=a')).status).toBe(400);
    const basic = { authorization: `Basic ${Buffer.from('admin:secret').toString('base64')}` };
    expect(await token('grant_type=client_credentials', basic)).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 3_600 } });
  });

  test('a token that expired is refused', async () => {
    await start([], { tokenLifetimeMs: 0 });
    expect((await ge('GET /sessions/ge-1')).status).toBe(401);
  });
});
