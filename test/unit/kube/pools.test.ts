import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { fixedCredentials } from '../../../src/kube/credentials.ts';
import { PoolsOf } from '../../../src/kube/pools.ts';
import { ScriptedApi, json, watch } from '../../support/scripted-api.ts';

let api: ScriptedApi;
let pools: PoolsOf;
beforeEach(async () => {
  api = await ScriptedApi.start();
  pools = new PoolsOf({ server: api.url, credentials: fixedCredentials({ headers: {} }), namespace: 'default', origin: 'test' }, 4, 1000);
});
afterEach(async () => {
  await pools.close();
  await api.stop();
});

test('a token that changes keeps its connections: only a certificate is bound to them', () => {
  const first = pools.for({ headers: { authorization: 'Bearer one' } });
  expect(pools.for({ headers: { authorization: 'Bearer two' } })).toBe(first);
});

test('another client certificate gets connections of its own, and what runs on the old ones comes to its end', async () => {
  let finish: () => void = () => undefined;
  api.on('watch', (response, request) => {
    finish = () => response.end('the end');
    return watch(['the beginning, '], 'silent')(response, request);
  });
  api.on('other', json({}));
  const old = pools.for({ headers: {}, cert: undefined });
  const running = await old.watches.request({ origin: api.url.origin, path: '/configmaps?watch=true', method: 'GET' });
  const renewed = pools.for({ headers: {}, cert: 'renewed', key: 'renewed' });
  expect(renewed.calls).not.toBe(old.calls);
  await expect(old.calls.request({ origin: api.url.origin, path: '/version', method: 'GET' })).rejects.toThrow(/closed/);
  finish();
  await expect(running.body.text()).resolves.toBe('the beginning, the end');
});
