import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLdsSimulator } from '../../../../hack/sim/lds/simulator.ts';
import type { LdsSimulator } from '../../../../hack/sim/lds/simulator.ts';
import { OutcomeUnknownError } from '../../../../src/clients/errors.ts';
import { LdsClient } from '../../../../src/clients/lds/client.ts';
import { Secret } from '../../../../src/clients/secret.ts';

const options = { signal: new AbortController().signal };
const booking = {
  origin: 'lablet-controller',
  authId: 'session-uid-1',
  candidate: { id: 'cand-0042', firstName: 'Ada', lastName: 'Example' },
  scheduledAt: '2026-11-23T10:00:00Z',
  formQualifiedName: 'Exam CCNP EDGE v1 LAB 1.2',
};
let simulator: LdsSimulator;
let url: string;
let password: string;
let lds: LdsClient;

beforeEach(async () => {
  simulator = createLdsSimulator();
  url = await simulator.listen();
  password = 'secret';
  lds = new LdsClient({ endpoint: url, credentials: async () => ({ username: 'admin', password }), resilience: { retryBaseMs: 1 } });
});
afterEach(async () => {
  await simulator.close();
  await lds.close();
});

async function arm(fault: { name: string; times: number; route: string }): Promise<void> {
  const answer = await fetch(`${url}/sim/fault`, { method: 'POST', body: JSON.stringify(fault), headers: { 'content-type': 'application/json' } });
  expect(answer.status).toBe(200);
}

test('a session is booked, given its devices, opened and released', async () => {
  const { id } = await lds.createSession(booking, options);
  await lds.setDevices(
    id,
    1,
    [
      { label: 'edge-r1', protocol: 'telnet', host: 'cml-01.example.org', port: 2002 },
      { label: 'workstation', protocol: 'vnc', host: 'cml-01.example.org', port: 2006, password: new Secret('vnc-pass') },
    ],
    options,
  );
  expect(await lds.session(id, options)).toMatchObject({ id, state: 'PENDING', parts: [{ formQualifiedName: booking.formQualifiedName }] });
  const [part] = simulator.delivery.session(id).parts;
  expect(part?.devices).toEqual([
    { device_label: 'edge-r1', protocol: 'telnet', host: 'cml-01.example.org', port: 2002 },
    { device_label: 'workstation', protocol: 'vnc', host: 'cml-01.example.org', port: 2006, password: 'vnc-pass' },
  ]);
  const launch = await lds.launchUrl(id, options);
  expect((await fetch(launch.reveal())).status).toBe(200);
  expect(inspect({ launch })).not.toContain(id);
  await lds.release(id, options);
  // A second release, after a crash between the call and its record, does no harm.
  await lds.release(id, options);
});

test('a launch URL can be given the name that candidates know', async () => {
  const { id } = await lds.createSession(booking, options);
  const before = new URL((await lds.launchUrl(id, options)).reveal());
  const fronted = new LdsClient({ endpoint: url, frontendUrl: 'https://labs.example.org', credentials: async () => ({ username: 'admin', password }) });
  const after = new URL((await fronted.launchUrl(id, options)).reveal());
  expect(after.origin).toBe('https://labs.example.org');
  expect(after.pathname).toBe(before.pathname);
  await fronted.close();
});

test('an unknown session is not found, and its release is nothing to do', async () => {
  await expect(lds.session('none', options)).rejects.toMatchObject({ kind: 'notFound', system: 'lds' });
  await lds.release('none', options);
});

test('content is refreshed by its form name, blanks and all', async () => {
  expect(await lds.refreshContent(booking.formQualifiedName, options)).toEqual({ version: '1' });
  expect(await lds.refreshContent(booking.formQualifiedName, options)).toEqual({ version: '2' });
});

test('a booking whose answer got lost is one booking, and said to be unknown', async () => {
  await arm({ name: 'lost-answer', times: 1, route: '/lab_session' });
  await expect(lds.createSession(booking, options)).rejects.toBeInstanceOf(OutcomeUnknownError);
  expect(simulator.delivery.sessions()).toHaveLength(1);
});

test('a refusal is met once by reading the Secret again', async () => {
  await lds.createSession(booking, options);
  await arm({ name: 'http401', times: 1, route: '/lab_session' });
  await lds.createSession(booking, options);
  expect(simulator.delivery.sessions()).toHaveLength(2);
  password = 'wrong';
  const error: unknown = await lds.createSession(booking, options).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ kind: 'unauthorized', retryable: false });
  expect(String(error)).not.toContain('wrong');
});

test('a booking that LDS refuses says which field', async () => {
  await expect(lds.createSession({ ...booking, scheduledAt: 'tomorrow' }, options)).rejects.toThrow(/POST \/reservations\/v3\/lab_session: 400 .*scheduled_date/);
});
