import { afterEach, expect, test } from '@jest/globals';
import { createClientFactory } from '../../../src/clients/factory.ts';
import type { ClientFactory } from '../../../src/clients/factory-port.ts';
import { json, startScriptedServer } from '../../support/scripted-server.ts';

const options = { signal: new AbortController().signal };
let factory: ClientFactory;
afterEach(() => factory.close());

test('one client for a host and its Secret, another for another', () => {
  factory = createClientFactory({ credentials: async () => ({ username: 'u', password: 'p' }) });
  const target = { name: 'w1', endpoint: 'https://cml-01.example.org', credentialsKey: 'cml-admin' };
  expect(factory.cml(target)).toBe(factory.cml({ ...target }));
  expect(factory.cml({ ...target, endpoint: 'https://cml-02.example.org' })).not.toBe(factory.cml(target));
  expect(factory.cml({ ...target, credentialsKey: 'other' })).not.toBe(factory.cml(target));
});

test('the Secret is read by the key of the target', async () => {
  const asked: string[] = [];
  const server = await startScriptedServer([json({ version: '2.9.1', ready: true })]);
  factory = createClientFactory({
    credentials: async (key) => {
      asked.push(key);
      return { username: 'u', password: 'p' };
    },
  });
  await factory.cml({ name: 'w1', endpoint: server.url, credentialsKey: 'cml-admin' }).systemInformation(options);
  expect(asked).toEqual(['cml-admin']);
  await server.close();
});

test('an unused client is dropped, and whoever holds it can go on with it', async () => {
  const server = await startScriptedServer([json({ version: '2.9.1', ready: true })]);
  factory = createClientFactory({ credentials: async () => ({ username: 'u', password: 'p' }), unusedAfterMs: 40 });
  const target = { name: 'w1', endpoint: server.url, credentialsKey: 'cml-admin' };
  const first = factory.cml(target);
  await first.systemInformation(options);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(factory.cml(target)).not.toBe(first);
  expect(await first.systemInformation(options)).toMatchObject({ ready: true });
  await server.close();
});
