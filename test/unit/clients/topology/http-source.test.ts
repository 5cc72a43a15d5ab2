import type { LookupAddress } from 'node:dns';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { CallReport } from '../../../../src/clients/call.ts';
import { AddressGuard } from '../../../../src/clients/topology/guard.ts';
import type { Resolve } from '../../../../src/clients/topology/guard.ts';
import { HttpTopologySource } from '../../../../src/clients/topology/http-source.ts';
import { TopologySourceError } from '../../../../src/clients/topology/port.ts';
import type { TopologySource } from '../../../../src/clients/topology/port.ts';
import { createAuthority } from '../../../../hack/cluster/pki.ts';
import { silence, startScriptedServer, status, truncated } from '../../../support/scripted-server.ts';
import type { Answer, ScriptedServer } from '../../../support/scripted-server.ts';

const LIMIT = 900 * 1024;
const never = { signal: new AbortController().signal };
const toClose: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(toClose.splice(0).map((close) => close()));
});

async function serving(...answers: [Answer, ...Answer[]]): Promise<ScriptedServer> {
  const server = await startScriptedServer(answers);
  toClose.push(() => server.close());
  return server;
}

function source(options: { allow?: string[]; resolve?: Resolve; timeoutMs?: number } = {}): TopologySource {
  const made = new HttpTopologySource({ guard: new AddressGuard(options.allow ?? ['127.0.0.1'], options.resolve), maxBytes: LIMIT, timeoutMs: options.timeoutMs });
  toClose.push(() => made.close());
  return made;
}

const file = (bytes: string | Uint8Array, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(200, headers).end(bytes);
};
const redirect = (location: string, code = 302): Answer => status(code, { location });

async function failureOf(read: Promise<unknown>): Promise<TopologySourceError> {
  const error: unknown = await read.then(() => 'it succeeded', (caught: unknown) => caught);
  if (!(error instanceof TopologySourceError)) throw new Error(`expected a TopologySourceError, got ${String(error)}`);
  return error;
}

/** Name servers under an attacker's control: the n-th question gets the n-th answer. */
function names(...answers: readonly string[][]): { resolve: Resolve; asked: () => number } {
  let asked = 0;
  return {
    resolve: (_, done) => {
      const addresses = answers[Math.min(asked, answers.length - 1)] ?? [];
      asked += 1;
      setImmediate(done, null, addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })));
    },
    asked: () => asked,
  };
}

describe('the bytes of a file', () => {
  test('come as they are, with the tag of their version', async () => {
    const bytes = Buffer.from([0xef, 0xbb, 0xbf, 0x6c, 0x61, 0x62, 0x0d, 0x0a, 0x00, 0xff]);
    const { url } = await serving(file(bytes, { etag: '"v1"' }));
    expect(await source().read(`${url}/lab.yaml`, never)).toEqual({ bytes, etag: '"v1"' });
  });

  test('are not sent again while the tag is the same', async () => {
    const versioned: Answer = (response, request) => (request.ifNoneMatch === '"v1"' ? status(304) : file('lab', { etag: '"v1"' }))(response, request);
    const { url } = await serving(versioned);
    const web = source();
    expect(await web.read(url, { ...never, etag: '"v1"' })).toEqual({ notModified: true });
    expect(await web.read(url, { ...never, etag: '"v0"' })).toEqual({ bytes: Buffer.from('lab'), etag: '"v1"' });
  });

  test('may be as many as a topology may have, and not one more', async () => {
    const { url } = await serving(file(Buffer.alloc(LIMIT)), file(Buffer.alloc(LIMIT + 1)));
    const web = source();
    expect(await web.read(url, never)).toHaveProperty('bytes.length', LIMIT);
    const error = await failureOf(web.read(url, never));
    expect(error).toMatchObject({ reason: 'TopologyTooLarge', message: expect.stringContaining('larger than 900 KiB') as unknown });
  });

  test('without end are left when they are too many', async () => {
    let sent = 0;
    const endless: Answer = (response) => {
      const more = (): void => {
        while (!response.destroyed) {
          sent += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
        }
      };
      more();
    };
    const { url } = await serving(endless);
    expect(await failureOf(source().read(url, never))).toMatchObject({ reason: 'TopologyTooLarge' });
    // What the sockets of both sides hold comes on top.
    expect(sent).toBeLessThan(LIMIT + 16 * 1024 * 1024);
  });

  test('that come compressed are refused: their hash would be another one', async () => {
    const { url } = await serving(file('…', { 'content-encoding': 'gzip' }));
    expect(await failureOf(source().read(url, never))).toMatchObject({ reason: 'SourceInvalid', message: expect.stringContaining('compressed bytes (gzip)') as unknown });
  });
});

describe('an answer that is no file', () => {
  test.each([
    [404, 'SourceNotFound', /404 Not Found\. Put the file there, or correct spec\.topology\.uri/],
    [410, 'SourceNotFound', /410 Gone/],
    [401, 'SourceForbidden', /reads without credentials/],
    [403, 'SourceForbidden', /403 Forbidden/],
    [400, 'SourceInvalid', /must answer a GET with 200/],
    [204, 'SourceInvalid', /204 No Content/],
    [304, 'SourceInvalid', /304 Not Modified/],
    [429, 'SourceUnavailable', /tried again/],
    [500, 'SourceUnavailable', /tried again/],
    [503, 'SourceUnavailable', /503 Service Unavailable\. It is tried again/],
  ] as const)('%i is %s and says what to do', async (code, reason, message) => {
    const { url } = await serving(status(code));
    const error = await failureOf(source().read(`${url}/lab.yaml?signature=s3cr3t`, never));
    expect(error.reason).toBe(reason);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`${url}/lab.yaml`);
    expect(error.message).not.toContain('s3cr3t');
  });

  test.each([
    ['cut in the middle', truncated, /connection lost/],
    ['never given', silence, /no complete answer within 0\.2 s/],
  ] as const)('%s is worth another try', async (_, answer, message) => {
    const { url } = await serving(answer);
    const error = await failureOf(source({ timeoutMs: 200 }).read(url, never));
    expect(error.reason).toBe('SourceUnavailable');
    expect(error.message).toMatch(message);
  });

  test('from nobody at all is worth another try', async () => {
    const gone = await startScriptedServer([silence]);
    await gone.close();
    expect(await failureOf(source().read(gone.url, never))).toMatchObject({ reason: 'SourceUnavailable', message: expect.stringContaining('connection refused') as unknown });
  });

  test('from a server with a private CA says where the CA goes', async () => {
    const { certificate, key } = await (await createAuthority('labs')).issue({ commonName: 'web', hosts: ['127.0.0.1'] });
    const server = await startScriptedServer([file('lab')], { cert: certificate, key });
    toClose.push(() => server.close());
    expect(await failureOf(source().read(server.url, never))).toMatchObject({ reason: 'SourceUnavailable', message: expect.stringMatching(/not signed by a trusted CA: have the CA \(PEM\) added to the file that NODE_EXTRA_CA_CERTS/) as unknown });
  });

  test('is no matter to a reader who has stopped waiting: he gets his own reason back', async () => {
    const { url } = await serving(silence);
    const stop = new AbortController();
    const read = source().read(url, { signal: stop.signal });
    const reason = new Error('the lease is lost');
    stop.abort(reason);
    await expect(read).rejects.toBe(reason);
  });
});

test('every reading is counted once, with the last answer or why there was none', async () => {
  const { url } = await serving(redirect('/lab.yaml'), file('lab'), status(404), redirect('http://10.0.0.1/'));
  const calls: CallReport[] = [];
  const web = new HttpTopologySource({ guard: new AddressGuard(['127.0.0.1']), maxBytes: LIMIT, onCall: (call) => calls.push(call) });
  toClose.push(() => web.close());
  await web.read(url, never);
  await failureOf(web.read(url, never));
  await failureOf(web.read(url, never));
  await failureOf(web.read('http://10.0.0.1/', never));
  expect(calls.map(({ system, call, status: outcome }) => [system, call, outcome])).toEqual([['topology', 'GET', 200], ['topology', 'GET', 404], ['topology', 'GET', 302], ['topology', 'GET', 'SourceBlocked']]);
});

describe('a URI', () => {
  test.each(['http://user:pass@127.0.0.1/lab.yaml', 'https://token@git.example.org/lab.yaml'])('with credentials (%s) is refused and not repeated', async (uri) => {
    const error = await failureOf(source().read(uri, never));
    expect(error).toMatchObject({ reason: 'SourceInvalid', message: expect.stringContaining('has a user name or password in it') as unknown });
    expect(error.message).not.toMatch(/pass@|token@/);
  });

  test.each(['file:///etc/passwd', 'ftp://example.org/lab.yaml', 'http://', 'lab.yaml'])('like %s is none that can be read', async (uri) => {
    expect(await failureOf(source().read(uri, never))).toMatchObject({ reason: 'SourceInvalid' });
  });
});

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])('by %i lead to the file, relative ones too', async (code) => {
    const { url, received } = await serving(redirect('/moved/lab.yaml', code), file('lab'));
    expect(await source().read(`${url}/lab.yaml`, never)).toEqual({ bytes: Buffer.from('lab') });
    expect(received.map((request) => request.url)).toEqual(['/lab.yaml', '/moved/lab.yaml']);
  });

  test('are followed three times and no more', async () => {
    const { url } = await serving(redirect('/1'), redirect('/2'), redirect('/3'), file('lab'));
    expect(await source().read(url, never)).toEqual({ bytes: Buffer.from('lab') });
    const { url: round, received } = await serving(redirect('/round'));
    expect(await failureOf(source().read(round, never))).toMatchObject({ reason: 'SourceInvalid', message: expect.stringContaining('redirects more than 3 times') as unknown });
    expect(received).toHaveLength(4);
  });

  test.each([
    ['http://169.254.169.254/latest/meta-data/iam/security-credentials/', /169\.254\.169\.254 is a link-local address.*TOPOLOGY_ALLOW_HOSTS/],
    ['http://[::ffff:169.254.169.254]/', /::ffff:a9fe:a9fe is a link-local address/],
    ['http://2852039166/', /169\.254\.169\.254 is a link-local address/],
    ['http://0x7f.1.1.1/', /127\.1\.1\.1 is a loopback address/],
    ['http://[::1]:6443/api', /::1 is a loopback address/],
    ['//10.96.0.1/', /10\.96\.0\.1 is a private address/],
    ['http://0.0.0.0/', /0\.0\.0\.0 is a reserved address/],
  ])('to %s are refused before a byte is sent', async (location, message) => {
    const { url } = await serving(redirect(location));
    const error = await failureOf(source().read(url, never));
    expect(error.reason).toBe('SourceBlocked');
    expect(error.message).toMatch(message);
  });

  test.each([
    ['file:///etc/passwd', /the redirect of http:.* is no http or https URL/],
    ['http://user:pass@127.0.0.1/', /the redirect of http:.* has a user name or password in it/],
    ['http://[', /redirects to nowhere/],
  ])('to %s are refused', async (location, message) => {
    const { url } = await serving(redirect(location));
    const error = await failureOf(source().read(url, never));
    expect(error.reason).toBe('SourceInvalid');
    expect(error.message).toMatch(message);
  });

  test('without a location are refused', async () => {
    const { url } = await serving(status(302));
    expect(await failureOf(source().read(url, never))).toMatchObject({ reason: 'SourceInvalid', message: expect.stringContaining('redirects to nowhere') as unknown });
  });
});

describe('a name', () => {
  const uriOf = ({ url }: ScriptedServer): string => url.replace('127.0.0.1', 'labs.example.org');

  test('is asked for once for a connection, so what was judged is what is connected to', async () => {
    const server = await serving(file('lab'));
    const { resolve, asked } = names(['127.0.0.1'], ['127.0.0.2']);
    expect(await source({ resolve }).read(uriOf(server), never)).toEqual({ bytes: Buffer.from('lab') });
    expect(asked()).toBe(1);
  });

  test('that turns to an internal address between two reads is refused at the second', async () => {
    const server = await serving(file('lab'));
    const web = source({ resolve: names(['127.0.0.1'], ['169.254.169.254']).resolve });
    await web.read(uriOf(server), never);
    expect(await failureOf(web.read(uriOf(server), never))).toMatchObject({ reason: 'SourceBlocked', message: expect.stringMatching(/labs\.example\.org leads to 169\.254\.169\.254, a link-local address.*have labs\.example\.org added to TOPOLOGY_ALLOW_HOSTS/) as unknown });
    expect(server.received).toHaveLength(1);
  });

  test('that turns to an internal address between a redirect and its target is refused at the target', async () => {
    const server = await serving(redirect('/lab.yaml'), file('lab'));
    expect(await failureOf(source({ resolve: names(['127.0.0.1'], ['10.0.0.1']).resolve }).read(uriOf(server), never))).toMatchObject({ reason: 'SourceBlocked' });
    expect(server.received).toHaveLength(1);
  });

  test('with one internal address among others is refused as a whole', async () => {
    const server = await serving(file('lab'));
    const { resolve } = names(['127.0.0.1', '::ffff:10.0.0.1']);
    expect(await failureOf(source({ resolve }).read(uriOf(server), never))).toMatchObject({ reason: 'SourceBlocked' });
    expect(server.received).toHaveLength(0);
  });

  test('that is allowed may lead anywhere', async () => {
    const server = await serving(file('lab'));
    const web = source({ allow: ['labs.example.org'], resolve: names(['127.0.0.1']).resolve });
    expect(await web.read(uriOf(server), never)).toEqual({ bytes: Buffer.from('lab') });
  });

  test('that nobody knows is worth another try', async () => {
    const resolve: Resolve = (_, done) => { setImmediate(done, Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), []); };
    expect(await failureOf(source({ resolve }).read('https://labs.example.org/lab.yaml', never))).toMatchObject({ reason: 'SourceUnavailable', message: expect.stringContaining('host name not found') as unknown });
  });
});

test('what an https server redirects to http is refused: anybody on the way could change it', async () => {
  const authority = await createAuthority('labs');
  const { certificate, key } = await authority.issue({ commonName: 'web', hosts: ['127.0.0.1'] });
  const server = await startScriptedServer([redirect('http://127.0.0.1/lab.yaml')], { cert: certificate, key });
  toClose.push(() => server.close());
  const web = new HttpTopologySource({ guard: new AddressGuard(['127.0.0.1']), maxBytes: LIMIT, ca: authority.certificate });
  toClose.push(() => web.close());
  expect(await failureOf(web.read(server.url, never))).toMatchObject({ reason: 'SourceInvalid', message: expect.stringContaining('redirects from https to http://127.0.0.1/lab.yaml') as unknown });
});
