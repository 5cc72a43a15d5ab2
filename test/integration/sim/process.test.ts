import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startSimProcess, type SimKind } from '../../../hack/sim/spawn.ts';
import { startSimulatedWorld, type SimulatedWorld } from '../../../hack/sim/world.ts';
import { eventually } from '../../support/eventually.ts';
import { callerOf, cmlCaller, importLab } from '../../support/sim/http.ts';
import { startReceiver } from '../../support/sim/receiver.ts';
import { campusEdge } from '../../support/sim/topology.ts';

const MAIN = fileURLToPath(new URL('../../../hack/sim/main.ts', import.meta.url));
const children: ChildProcess[] = [];

function sim(args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, stdio: 'pipe' });
  children.push(child);
  return child;
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

describe('a simulator as a process', () => {
  test.each<SimKind>(['cml', 'lds', 'grading', 'ec2'])('%s says where it is, serves, and ends on SIGTERM', async (kind) => {
    const process = await startSimProcess(kind, kind === 'ec2' ? ['--upstream', 'http://127.0.0.1:1'] : []);
    expect((await callerOf(process.url)('GET /sim/counters')).status).toBe(200);
    await process.close();
    await expect(callerOf(process.url)('GET /sim/counters')).rejects.toThrow('fetch failed');
  });

  test('ends when its standard input does, as it does when the parent is killed', async () => {
    const child = sim(['cml', '--exit-with-parent']);
    await once(child.stdout ?? child, 'data');
    child.stdin?.end();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test.each([
    ['a fault that it does not know', ['cml', '--fault', 'gremlins=1'], {}, 'no fault is called "gremlins"'],
    ['a rate above 1', ['lds', '--fault', 'drop=2'], {}, 'a rate of 0 to 1'],
    ['a duration without a unit', ['cml', '--boot-delay', '5'], {}, 'write for example 250ms, 3s or 1h30m'],
    ['a certificate without its key', ['cml', '--tls-cert', MAIN], {}, 'belong together'],
    ['a script that is not there', ['lds', '--script', '/nowhere.yaml'], {}, '/nowhere.yaml'],
    ['a time scale outside of development', ['cml'], { TIME_SCALE: '10', LABLET_DEV: '' }, 'set LABLET_DEV=1'],
  ])('refuses %s with a message that says what to do', async (_what, args, env, words) => {
    const child = sim(args, env);
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(text).toContain(words);
    expect(text).not.toContain('    at ');
  });

  test('ends with a message when its port is taken', async () => {
    const first = await startSimProcess('cml', []);
    await expect(startSimProcess('cml', ['--port', new URL(first.url).port])).rejects.toThrow(/ended before it was ready: sim: listen EADDRINUSE/);
    await first.close();
  });

  test('TIME_SCALE divides the boot delay', async () => {
    const fast = await startSimProcess('cml', ['--boot-delay', '1h'], { TIME_SCALE: '36000', LABLET_DEV: '1' });
    try {
      const cml = await cmlCaller(fast.url);
      const lab = await importLab(cml, campusEdge());
      await cml(`PUT /labs/${lab}/start`);
      await eventually(async () => expect((await cml(`GET /labs/${lab}/check_if_converged`)).body).toBe(true));
    } finally {
      await fast.close();
    }
  });
});

describe('a simulated world', () => {
  const script = { lds: [{ candidate: '*', startAfter: '20ms', endAfter: '20ms' }] };
  let world: SimulatedWorld | undefined;

  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  test.each([['in this process', false], ['as processes', true]])('%s: shows the labs on each host and sends the events of its LDS', async (_where, processes) => {
    const receiver = await startReceiver();
    world = await startSimulatedWorld({ cml: 2, script, processes });
    await world.sendEventsTo(receiver.url);
    const [first, second] = await Promise.all(world.cml.map(async ({ url }) => importLab(await cmlCaller(url), campusEdge())));
    expect(first).not.toBe(second);
    expect(await world.labsOnHosts()).toMatchObject([[{ id: first, owner: 'admin', state: 'DEFINED_ON_CORE' }], [{ id: second }]]);
    expect(await world.cmlCounters()).toMatchObject([{ 'POST /import': 1 }, { 'POST /import': 1 }]);

    const { username, password } = world.credentials;
    const lds = callerOf(`${world.lds.url}/reservations/v3`, { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` });
    const { body } = await lds('POST /lab_session', {
      origin: 't', auth_id: 'a', auth_id_type: 'ordered_session', candidate_id: 'c', location: 'cloud', timezone_offset: 0, first_name: 'A', last_name: 'B',
      rack_group: 'LCM', rack_number: 1, scheduled_date: '2026-11-23T10:00:00Z', session_parts: [{ repository_type: 'minio', form_qualified_name: 'Exam' }],
    });
    await lds(`GET /lab_session/${(body as { session_id: string }).session_id}/lablet_launch_url`);
    await eventually(() => expect(receiver.received.map(({ headers }) => headers['ce-type'])).toEqual(['lds.session.started', 'lds.session.ended']));
    expect(await world.ldsSessions()).toMatchObject([{ candidateId: 'c', state: 'USER_FINISHED' }]);
    await receiver.close();
  });
});
