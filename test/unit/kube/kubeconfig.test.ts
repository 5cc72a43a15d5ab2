import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createProxy } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { KubeClient } from '../../../src/kube/client.ts';
import { fixedCredentials, tokenFileCredentials } from '../../../src/kube/credentials.ts';
import { ConfigurationError } from '../../../src/kube/errors.ts';
import { loadConnection } from '../../../src/kube/kubeconfig.ts';
import { ScriptedApi, json } from '../../support/scripted-api.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const file = async (name: string, content: string): Promise<string> => {
  await writeFile(join(directory, name), content);
  return join(directory, name);
};
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const config = (user: string, cluster = 'server: https://k8s.example:6443'): string => `
apiVersion: v1
kind: Config
current-context: main
clusters: [{name: c, cluster: {${cluster}}}]
contexts: [{name: main, context: {cluster: c, user: u, namespace: labs}}]
users: [{name: u, user: {${user}}}]
`;

describe('a kubeconfig', () => {
  test('with certificates, in the file or beside it', async () => {
    await file('ca.pem', 'CA');
    const path = await file('config', config(`client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}`, 'server: https://k8s.example:6443, certificate-authority: ca.pem, tls-server-name: api'));
    const connection = await loadConnection({ kubeconfig: path });
    expect(connection).toMatchObject({ ca: 'CA', tlsServerName: 'api', namespace: 'labs', insecureSkipTlsVerify: false });
    expect(connection.server.href).toBe('https://k8s.example:6443/');
    await expect(connection.credentials.get()).resolves.toEqual({ headers: {}, cert: 'CERT', key: 'KEY' });
  });

  test.each([
    ['a token', 'token: t', { authorization: 'Bearer t' }],
    ['a name and a password', 'username: me, password: pw', { authorization: `Basic ${base64('me:pw')}` }],
    ['a token, acting as somebody else', 'token: t, as: jane, as-groups: [a, b]', { authorization: 'Bearer t', 'impersonate-user': 'jane', 'impersonate-group': ['a', 'b'] }],
  ])('with %s', async (_name, user, headers) => {
    const connection = await loadConnection({ kubeconfig: await file('config', config(user)) });
    await expect(connection.credentials.get()).resolves.toMatchObject({ headers });
  });

  test('that is named by KUBECONFIG goes before the ServiceAccount', async () => {
    const path = await file('config', config('token: t'));
    const connection = await loadConnection({ env: { KUBECONFIG: path, KUBERNETES_SERVICE_HOST: '10.0.0.1' }, serviceAccountDirectory: directory });
    expect(connection.origin).toBe(`context main of ${path}`);
  });

  test('in several files: the first that names a thing wins, and a file that is not there is passed over', async () => {
    const first = await file('first', 'current-context: other\ncontexts: [{name: other, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: first}}]');
    const second = await file('second', config('token: second'));
    const connection = await loadConnection({ kubeconfig: [first, join(directory, 'missing'), second].join(delimiter) });
    expect(connection.namespace).toBe('default');
    await expect(connection.credentials.get()).resolves.toMatchObject({ headers: { authorization: 'Bearer first' } });
  });

  test.each([
    ['is not there', undefined, /cannot be read: set KUBECONFIG/],
    ['is not YAML', 'a: [', /cannot be read: set KUBECONFIG/],
    ['is something else', 'clusters: 7', /is not valid:[^]*clusters/],
    ['has no current context', 'clusters: []', /no current-context: run kubectl config use-context/],
    ['names a user that is not there', config('token: t').replace('user: u,', 'user: gone,'), /There is no user gone in/],
    ['has a server that is no URL', config('token: t', 'server: "k8s example"'), /server k8s example is not a URL/],
    ['names a certificate that is not there', config('client-certificate: nope.pem'), /nope\.pem, named in .*config, cannot be read/],
  ])('that %s is refused with a sentence that says so', async (_name, content, message) => {
    const path = content === undefined ? join(directory, 'config') : await file('config', content);
    const failure: unknown = await loadConnection({ kubeconfig: path }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect((failure as Error).message).toMatch(message);
  });

  test('without any configuration, the error says what to set', async () => {
    await expect(loadConnection({ env: { HOME: directory } })).rejects.toThrow(/set KUBECONFIG, or run in a pod/);
  });
});

describe('the ServiceAccount of a pod', () => {
  test('gives server, authority, namespace and token', async () => {
    await Promise.all([file('ca.crt', 'CA'), file('token', 'projected\n'), file('namespace', 'lablet-system')]);
    const connection = await loadConnection({ env: { HOME: directory, KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }, serviceAccountDirectory: directory });
    expect(connection).toMatchObject({ ca: 'CA', namespace: 'lablet-system' });
    expect(connection.server.href).toBe('https://[fd00::1]:6443/');
    await expect(connection.credentials.get()).resolves.toEqual({ headers: { authorization: 'Bearer projected' } });
  });
});

describe('a token file', () => {
  test('is read again after a minute, and at once when its token is refused', async () => {
    const path = await file('token', 'one');
    let now = 0;
    const source = tokenFileCredentials(path, {}, () => now);
    const one = await source.get();
    await writeFile(path, 'two');
    expect(await source.get()).toBe(one);
    now = 61_000;
    const two = await source.get();
    expect(two.headers).toEqual({ authorization: 'Bearer two' });
    await writeFile(path, 'three');
    await source.refresh(one);
    expect(await source.get()).toBe(two);
    await source.refresh(two);
    expect((await source.get()).headers).toEqual({ authorization: 'Bearer three' });
  });

  test('that vanishes for a moment leaves the last token in use', async () => {
    const path = await file('token', 'one');
    const source = tokenFileCredentials(path);
    const one = await source.get();
    await rm(path);
    await source.refresh(one);
    expect(await source.get()).toBe(one);
  });

  test('that was never there is refused with its path', async () => {
    await expect(tokenFileCredentials(join(directory, 'token')).get()).rejects.toThrow(`No token could be read from ${join(directory, 'token')}`);
  });
});

describe('a credential plugin', () => {
  /** A program that counts its runs and issues token-1, token-2, …. */
  async function plugin(lifetimeSeconds: number): Promise<{ path: string; kubeconfig: string }> {
    const path = await file('issue-token', `#!/bin/sh
echo run >> "$LOG"
[ -n "$KUBERNETES_EXEC_INFO" ] || exit 3
count=$(wc -l < "$LOG" | tr -d ' ')
expiry=$(date -u -d "+${lifetimeSeconds} seconds" +%Y-%m-%dT%H:%M:%SZ)
echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"token-$count\\",\\"expirationTimestamp\\":\\"$expiry\\"}}"
`);
    await chmod(path, 0o755);
    const env = `[{name: LOG, value: ${join(directory, 'runs')}}]`;
    return { path, kubeconfig: await file('config', config(`exec: {apiVersion: client.authentication.k8s.io/v1, command: ./issue-token, env: ${env}}`)) };
  }
  const runs = async (): Promise<number> => (await readFile(join(directory, 'runs'), 'utf8')).trim().split('\n').length;

  test('runs once for many calls, and again when its token is refused', async () => {
    const { credentials } = await loadConnection({ kubeconfig: (await plugin(3600)).kubeconfig });
    const first = await credentials.get();
    expect(first.headers).toEqual({ authorization: 'Bearer token-1' });
    expect(await credentials.get()).toBe(first);
    expect(await runs()).toBe(1);
    await credentials.refresh(first);
    expect((await credentials.get()).headers).toEqual({ authorization: 'Bearer token-2' });
  }, 20_000);

  test('runs again when its token has expired', async () => {
    const { credentials } = await loadConnection({ kubeconfig: (await plugin(-10)).kubeconfig });
    await credentials.get();
    expect((await credentials.get()).headers).toEqual({ authorization: 'Bearer token-2' });
  }, 20_000);

  test('that fails is named as the cause', async () => {
    const path = await file('config', config('exec: {apiVersion: client.authentication.k8s.io/v1, command: /no/such/program}'));
    const { credentials } = await loadConnection({ kubeconfig: path });
    await expect(credentials.get()).rejects.toThrow(/credential plugin of the kubeconfig failed: run it by hand/);
  }, 20_000);
});

describe('a proxy', () => {
  test('named by proxy-url carries the calls', async () => {
    const api = await ScriptedApi.start();
    api.on('other', json({ minor: '37' }));
    const asked: string[] = [];
    const proxy = createProxy().on('connect', (request, socket) => {
      asked.push(request.url ?? '');
      const [host = '', port] = (request.url ?? '').split(':');
      const target = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        target.pipe(socket).pipe(target);
      });
      target.on('error', () => socket.destroy());
      socket.on('error', () => target.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const client = new KubeClient({ server: api.url, proxyUrl, credentials: fixedCredentials({ headers: {} }), namespace: 'default', origin: 'test' });
    await expect(client.raw('GET', '/version')).resolves.toEqual({ minor: '37' });
    expect(asked).toEqual([api.url.host]);
    await client.close();
    proxy.close();
    await api.stop();
  });

  test('of a kind that is not supported is refused before anything is sent', async () => {
    const client = new KubeClient({ server: new URL('https://k8s.example'), proxyUrl: 'socks5://p', credentials: fixedCredentials({ headers: {} }), namespace: 'default', origin: 'test' });
    await expect(client.raw('GET', '/version')).rejects.toThrow(/proxy-url socks5:\/\/p is not supported/);
  });
});
