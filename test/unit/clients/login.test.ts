import { afterEach, expect, test } from '@jest/globals';
import { CmlClient } from '../../../src/clients/cml/client.ts';
import type { Credentials } from '../../../src/clients/factory-port.ts';
import { json, startScriptedServer } from '../../support/scripted-server.ts';
import type { Answer, ScriptedServer } from '../../support/scripted-server.ts';

const options = { signal: new AbortController().signal };
let server: ScriptedServer;
let cml: CmlClient;
afterEach(async () => {
  await server.close();
  await cml.close();
});

/** A CML that issues t1, t2, … and takes what `accepts` says; a Secret that may change between reads. */
async function given(setup: {
  accepts: (token: string, seen: number) => boolean;
  secret?: (fresh: boolean) => Credentials;
  login?: (count: number, password: string) => Answer;
}): Promise<{ logins: () => string[] }> {
  const passwords: string[] = [];
  let seen = 0;
  server = await startScriptedServer([
    (response, request) => {
      if (request.url === '/api/v0/auth_extended') {
        const { password } = JSON.parse(request.body) as { password: string };
        passwords.push(password);
        const answer = setup.login?.(passwords.length, password) ?? json({ id: 'u1', username: 'admin', token: `t${passwords.length}`, admin: true });
        answer(response, request);
        return;
      }
      seen += 1;
      const accepted = setup.accepts(request.authorization?.replace('Bearer ', '') ?? '', seen);
      (accepted ? json(true) : json({ code: 401, description: 'token expired' }, 401))(response, request);
    },
  ]);
  cml = new CmlClient({
    endpoint: server.url,
    credentials: async ({ fresh }) => setup.secret?.(fresh) ?? { username: 'admin', password: 'secret' },
    resilience: { retryBaseMs: 1, breakerFailures: 100 },
  });
  return { logins: () => passwords };
}

test('ten calls at once share one login', async () => {
  const { logins } = await given({ accepts: (token) => token === 't1' });
  await Promise.all(Array.from({ length: 10 }, () => cml.converged('l', options)));
  expect(logins()).toHaveLength(1);
});

test('a token that went stale is replaced once, for all who meet it', async () => {
  const { logins } = await given({ accepts: (token, seen) => token === 't2' || seen === 1 });
  await cml.converged('l', options);
  const answers = await Promise.all(Array.from({ length: 6 }, () => cml.converged('l', options)));
  expect(answers).toEqual(Array(6).fill(true));
  expect(logins()).toHaveLength(2);
});

test('a host that refuses the new token too is not asked a third time', async () => {
  const { logins } = await given({ accepts: () => false });
  await expect(cml.converged('l', options)).rejects.toMatchObject({ kind: 'unauthorized', status: 401, retryable: false });
  expect(logins()).toHaveLength(2);
  expect(server.received.filter(({ method }) => method === 'GET')).toHaveLength(2);
});

test('an import that meets a stale token is made once, with the new one', async () => {
  await given({ accepts: (token) => token === 't2' });
  await cml.importLab('t', 'lab: {}', options).catch(() => 'the scripted answer is no lab');
  const imports = server.received.filter(({ url }) => url.startsWith('/api/v0/import'));
  expect(imports.map(({ authorization }) => authorization)).toEqual(['Bearer t1', 'Bearer t2']);
});

test('a changed Secret counts from the next call on', async () => {
  let password = 'old';
  const { logins } = await given({ accepts: () => true, secret: () => ({ username: 'admin', password }) });
  await cml.converged('l', options);
  password = 'new';
  await cml.converged('l', options);
  await cml.converged('l', options);
  expect(logins()).toEqual(['old', 'new']);
});

test('after a refusal the Secret is read anew, past any cache', async () => {
  let cached: Credentials = { username: 'admin', password: 'old' };
  const { logins } = await given({
    accepts: (token) => token === 't2',
    secret: (fresh) => {
      if (fresh) cached = { username: 'admin', password: 'new' };
      return cached;
    },
  });
  expect(await cml.converged('l', options)).toBe(true);
  expect(logins()).toEqual(['old', 'new']);
});

test('a refused password is an error of that call only: the next one tries again', async () => {
  const { logins } = await given({ accepts: () => true, login: (count) => (count === 1 ? json({ code: 403, description: 'Authentication failed!' }, 403) : json({ id: 'u1', token: 't' })) });
  await expect(cml.converged('l', options)).rejects.toThrow(/POST \/auth_extended: 403 Authentication failed!/);
  expect(await cml.converged('l', options)).toBe(true);
  expect(logins()).toHaveLength(2);
});

test('a caller who gives up does not take the login from the others', async () => {
  const { logins } = await given({
    accepts: () => true,
    login: () => (response, request) => {
      setTimeout(() => {
        json({ id: 'u1', token: 't1' })(response, request);
      }, 50);
    },
  });
  const hasty = new AbortController();
  const gaveUp = expect(cml.converged('l', { signal: hasty.signal })).rejects.toThrow('changed my mind');
  const patient = cml.converged('l', options);
  hasty.abort(new Error('changed my mind'));
  await gaveUp;
  expect(await patient).toBe(true);
  expect(logins()).toHaveLength(1);
});

test('a host without the extended login is logged in to the plain way', async () => {
  server = await startScriptedServer([json({ code: 404, description: 'no such path' }, 404), json('plain-token'), json(false)]);
  cml = new CmlClient({ endpoint: server.url, credentials: async () => ({ username: 'admin', password: 'secret' }) });
  expect(await cml.converged('l', options)).toBe(false);
  expect(server.received.map(({ url }) => url)).toEqual(['/api/v0/auth_extended', '/api/v0/authenticate', '/api/v0/labs/l/check_if_converged']);
  expect(server.received[2]?.authorization).toBe('Bearer plain-token');
});
