import { inspect } from 'node:util';
import { afterEach, expect, test } from '@jest/globals';
import { CmlClient } from '../../../src/clients/cml/client.ts';
import { GradingClient } from '../../../src/clients/grading/client.ts';
import { LdsClient } from '../../../src/clients/lds/client.ts';
import { Secret } from '../../../src/clients/secret.ts';
import { json, startScriptedServer } from '../../support/scripted-server.ts';
import type { Answer, ScriptedServer } from '../../support/scripted-server.ts';

const options = { signal: new AbortController().signal };
const credentials = async (): Promise<{ username: string; password: string }> => ({ username: 'admin', password: 'pass-word-1' });
const basic = Buffer.from('admin:pass-word-1').toString('base64');
let server: ScriptedServer;
afterEach(() => server.close());

/** Refuses a call and repeats all that it was sent, as careless services do in their error texts. */
const parrot: Answer = (response, request) => {
  const description = `refused ${request.authorization ?? ''} ${request.body}`;
  json({ description }, 400)(response, request);
};

/** All that a log or a person could see of the error that `call` ends with. */
async function shown(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.catch((caught: unknown) => caught);
  expect(error).toMatchObject({ kind: 'badRequest', description: expect.stringContaining('refused') as unknown });
  return inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + String(error);
}

test('a CML that repeats what it was sent gets no password, token or licence into an error', async () => {
  const login: Answer = json({ id: 'u1', token: 'bearer-token-1' });
  server = await startScriptedServer([parrot, login, parrot]);
  const cml = new CmlClient({ endpoint: server.url, credentials });
  expect(await shown(cml.health(options))).not.toContain('pass-word-1');
  const text = await shown(cml.registerLicence(new Secret('licence-token-1'), options));
  expect(text).not.toContain('bearer-token-1');
  expect(text).not.toContain('licence-token-1');
  await cml.close();
});

test('a service that decodes what it was sent gets no password into an error either', async () => {
  const password = 'pass word&1';
  const decoded: Answer = (response, request) => {
    const given = Buffer.from(request.authorization?.split(' ')[1] ?? '', 'base64').toString('utf8');
    json({ description: `refused ${given} as form ${new URLSearchParams({ password }).toString()} in /login/${encodeURIComponent(password)}` }, 400)(response, request);
  };
  server = await startScriptedServer([decoded]);
  const lds = new LdsClient({ endpoint: server.url, credentials: async () => ({ username: 'admin', password }) });
  const text = await shown(lds.session('s', options));
  for (const form of [password, 'pass+word', 'pass%20word']) expect(text).not.toContain(form);
  await lds.close();
});

test('a service that tells a token of somebody else gets it into no error', async () => {
  const foreign = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';
  server = await startScriptedServer([json({ description: `refused: session of Bearer abcdef123456, ${foreign} is still open` }, 400)]);
  const lds = new LdsClient({ endpoint: server.url, credentials });
  const text = await shown(lds.session('s', options));
  expect(text).toContain('session of Bearer [redacted]');
  for (const token of ['abcdef123456', foreign]) expect(text).not.toContain(token);
  await lds.close();
});

test('an LDS that repeats what it was sent gets no password into an error', async () => {
  server = await startScriptedServer([parrot]);
  const lds = new LdsClient({ endpoint: server.url, credentials });
  const device = { label: 'ws', protocol: 'vnc', host: 'h', port: 2006, password: new Secret('device"pass-1') } as const;
  const text = await shown(lds.setDevices('s', 1, [device], options));
  expect(text).not.toContain('pass-1');
  expect(text).not.toContain(basic);
  await lds.close();
});

test('a GradingEngine that repeats what it was sent gets no password, secret or token into an error', async () => {
  const token: Answer = json({ access_token: 'bearer-token-1', token_type: 'Bearer', expires_in: 3600 });
  server = await startScriptedServer([parrot, token, parrot]);
  const grading = new GradingClient({ endpoint: server.url, tokenUrl: `${server.url}/oauth/token`, credentials });
  expect(await shown(grading.session('s', options))).not.toContain(basic);
  const authentication = { scheme: 'basic', properties: new Secret({ password: 'device-pass-1' }) };
  const devices = [{ label: 'r1', hostname: 'r1', collector: 'cli', interfaces: [{ name: 'c', protocol: 'ssh', host: 'h', authentication }] }];
  const text = await shown(grading.assignPod('s', 'p', { id: 'pod', devices }, options));
  expect(text).not.toContain('bearer-token-1');
  expect(text).not.toContain('device-pass-1');
  await grading.close();
});
