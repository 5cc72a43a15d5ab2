import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLdsSimulator, type LdsOptions, type LdsSimulator } from '../../../hack/sim/lds/simulator.ts';
import { readScript, type ScriptInput } from '../../../hack/sim/common/script.ts';
import { eventually } from '../../support/eventually.ts';
import { callerOf, type Caller } from '../../support/sim/http.ts';
import { startReceiver, type Receiver } from '../../support/sim/receiver.ts';

let simulator: LdsSimulator;
let receiver: Receiver;
let lds: Caller;
let url: string;

const login = (user: string, password: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` });

async function start(rules: ScriptInput['lds'] = [], options: LdsOptions = {}): Promise<void> {
  simulator = createLdsSimulator({ seed: 'test', eventsTo: receiver.url, rules: readScript({ lds: rules }).lds, ...options });
  url = await simulator.listen();
  lds = callerOf(`${url}/reservations/v3`, login('admin', 'secret'));
}

const booking = (candidate: string): Record<string, unknown> => ({
  origin: 'test', auth_id: 'a-1', auth_id_type: 'ordered_session', candidate_id: candidate, location: 'cloud', timezone_offset: 0, first_name: 'Ada', last_name: 'Example',
  rack_group: 'LCM', rack_number: 1, scheduled_date: '2026-11-23T10:00:00Z', session_parts: [{ repository_type: 'minio', form_qualified_name: 'Exam CCNP TEST v1 LAB 1.1' }],
});

async function book(candidate: string): Promise<string> {
  const { body } = await lds('POST /lab_session', booking(candidate));
  return (body as { session_id: string }).session_id;
}

const state = async (id: string): Promise<unknown> => ((await lds(`GET /lab_session/${id}`)).body as { state: string }).state;
const types = (): unknown[] => receiver.received.map(({ headers }) => headers['ce-type']);
/** Long enough for everything that the script could still do. */
const quiet = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));

beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  await simulator.close();
  await receiver.close();
});

describe('a session', () => {
  const quick = { candidate: '*', startAfter: '20ms', endAfter: '20ms' };

  test('is played by the script once its launch URL was fetched, not before', async () => {
    await start([quick]);
    const id = await book('cand-1');
    await quiet();
    expect([await state(id), types()]).toEqual(['SESSION_PENDING', []]);
    await lds(`GET /lab_session/${id}/lablet_launch_url`);
    await eventually(() => expect(types()).toEqual(['lds.session.started', 'lds.session.ended']));
    expect(await state(id)).toBe('SESSION_USER_FINISHED');
    expect(receiver.received.map(({ body }) => body)).toEqual([
      { session_id: id, lds_session_id: id, user_id: 'cand-1', started_at: expect.any(String) },
      { session_id: id, lds_session_id: id, reason: 'user_finished', ended_by: 'candidate', ended_at: expect.any(String) },
    ]);
  });

  test('a launch URL that is fetched twice starts the candidate once', async () => {
    await start([quick]);
    const id = await book('cand-1');
    const [first, second] = [await lds(`GET /lab_session/${id}/lablet_launch_url`), await lds(`GET /lab_session/${id}/lablet_launch_url`)];
    expect(second).toEqual(first);
    await quiet();
    expect(types()).toEqual(['lds.session.started', 'lds.session.ended']);
  });

  test('each candidate behaves by the first rule that matches', async () => {
    await start([{ ...quick, candidate: 'absent-*', noShow: true }, { ...quick, candidate: 'slow-*', neverEnd: true }, quick]);
    const ids = await Promise.all(['absent-1', 'slow-1', 'other'].map(book));
    await Promise.all(ids.map((id) => lds(`GET /lab_session/${id}/lablet_launch_url`)));
    await quiet();
    expect(await Promise.all(ids.map(state))).toEqual(['SESSION_PENDING', 'SESSION_RUNNING', 'SESSION_USER_FINISHED']);
  });

  test('a released session is archived and its candidate no longer acts', async () => {
    await start([{ candidate: '*', startAfter: '1s' }], { timeScale: 10 });
    const id = await book('cand-1');
    await lds(`GET /lab_session/${id}/lablet_launch_url`);
    expect(await lds(`POST /lab_session/${id}/release`, {})).toMatchObject({ status: 200, body: { state: 'SESSION_ARCHIVING' } });
    await eventually(async () => expect(await state(id)).toBe('SESSION_ARCHIVED'));
    expect((await lds(`POST /lab_session/${id}/release`, {})).status).toBe(200);
    await quiet();
    expect(types()).toEqual([]);
  });

  test('a candidate can also act by hand, on the page behind the launch URL', async () => {
    await start([{ candidate: '*', noShow: true }]);
    const id = await book('cand-1');
    const { url: link } = (await lds(`GET /lab_session/${id}/lablet_launch_url`)).body as { url: string };
    const page = callerOf('');
    expect((await page(`GET ${link.replace('signature=', 'signature=x')}`)).status).toBe(403);
    expect((await page(`GET ${link}`)).status).toBe(200);
    expect(await state(id)).toBe('SESSION_PRELAUNCH');
    expect((await page(`POST ${link.replace('?', '/begin?')}`)).status).toBe(303);
    expect(await state(id)).toBe('SESSION_RUNNING');
    expect((await page(`POST ${link.replace('?', '/finish?')}`)).status).toBe(303);
    expect(await state(id)).toBe('SESSION_USER_FINISHED');
  });

  test('pauses and resumes at the hand of a test', async () => {
    await start([{ candidate: '*', startAfter: '0s', neverEnd: true }]);
    const id = await book('cand-1');
    await lds(`GET /lab_session/${id}/lablet_launch_url`);
    await eventually(async () => expect(await state(id)).toBe('SESSION_RUNNING'));
    await callerOf(url)(`POST /sim/sessions/${id}/pause`);
    expect(await state(id)).toBe('SESSION_PAUSED');
    await callerOf(url)(`POST /sim/sessions/${id}/resume`);
    expect(await state(id)).toBe('SESSION_RUNNING');
  });
});

describe('the reservations API', () => {
  test('has no idempotency key: the same booking twice is two sessions', async () => {
    await start();
    expect(await book('cand-1')).not.toBe(await book('cand-1'));
  });

  test('replaces the devices of a part and echoes them, but never shows a password again', async () => {
    await start();
    const id = await book('cand-1');
    const list = [{ device_label: 'edge-r1', protocol: 'telnet', host: 'cml-01', port: 2002, password: 'cisco' }];
    expect(await lds(`PUT /lab_session/${id}/part/1/devices`, list)).toEqual({ status: 200, body: list });
    const { body } = await lds(`GET /lab_session/${id}`);
    expect(body).toMatchObject({ session_parts: [{ form_qualified_name: 'Exam CCNP TEST v1 LAB 1.1', devices: [{ device_label: 'edge-r1', port: 2002 }] }] });
    expect(JSON.stringify(body)).not.toContain('cisco');
  });

  test.each([
    ['a second device of the same label', 1, [{ device_label: 'r1', protocol: 'telnet', host: 'h' }, { device_label: 'r1', protocol: 'vnc', host: 'h' }], 400],
    ['a protocol that LDS does not know', 1, [{ device_label: 'r1', protocol: 'serial', host: 'h' }], 400],
    ['a part that is not there', 2, [], 404],
  ])('refuses %s', async (_what, part, devices, status) => {
    await start();
    expect((await lds(`PUT /lab_session/${await book('cand-1')}/part/${part}/devices`, devices)).status).toBe(status);
  });

  test('wants a login, a body with a release, and a session that exists', async () => {
    await start();
    const id = await book('cand-1');
    expect((await callerOf(`${url}/reservations/v3`, login('admin', 'guess'))(`GET /lab_session/${id}`)).status).toBe(401);
    expect((await lds(`POST /lab_session/${id}/release`)).status).toBe(415);
    expect((await lds('GET /lab_session/nobody')).status).toBe(404);
    expect((await lds('POST /lab_session', { ...booking('c'), auth_id_type: 'other' })).status).toBe(400);
  });

  test('refreshes the content of a form whose name has spaces', async () => {
    await start();
    expect(await lds('PUT /lab_folder/minio/Exam%20CCNP%20TEST%20v1%20LAB%201.1')).toMatchObject({ status: 200, body: { Version: '1' } });
    expect((await callerOf(url)('GET /sim/content')).body).toEqual({ 'Exam CCNP TEST v1 LAB 1.1': 1 });
  });
});
