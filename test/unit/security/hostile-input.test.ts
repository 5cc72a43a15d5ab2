/** What a stranger sends to make the program slow, big or talkative. Times are compared with one another, never with a clock. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { readConfig } from '../../../src/app/config.ts';
import { fileEvidence } from '../../../src/clients/evidence/file.ts';
import { S3 } from '../../../src/clients/s3.ts';
import { createTopologySources } from '../../../src/clients/topology/sources.ts';
import { matchesGlob } from '../../../src/core/glob.ts';
import { isListed } from '../../../src/events/allow-list.ts';
import { secretAuth } from '../../../src/events/ingest-auth.ts';
import { startIngestServer } from '../../../src/events/ingest-server.ts';
import { createLogger, silentLog } from '../../../src/telemetry/log.ts';
import { redactText } from '../../../src/telemetry/redact.ts';
import { schemasRouter } from '../../../src/web/schemas.ts';
import { webApp } from '../../../src/web/server.ts';

const never = new AbortController().signal;

/** How many times as long `work` takes for an input of eight times the size; the best of a few. */
function growth(work: (size: number) => void, size: number): number {
  const took = (of: number): number => Math.min(...Array.from({ length: 5 }, () => {
    const started = performance.now();
    work(of);
    return performance.now() - started;
  }));
  work(size);
  return took(8 * size) / Math.max(took(size), 0.05);
}

describe('a pattern', () => {
  test.each([
    ['cisco-cml2.9*', 'cisco-cml2.9.1-7', true],
    ['cisco-cml2.9*', 'cisco-cml2.10', false],
    ['cisco-cml2.?', 'cisco-cml2.9', true],
    ['cisco-cml2.?', 'cisco-cml2.10', false],
    ['*', '', true],
    ['', 'a', false],
    ['**a?', 'bab', true],
    ['a*b*c', 'abbcbc', true],
    ['a*b*c', 'abbcb', false],
    ['(a+)+$[x]{1}', '(a+)+$[x]{1}', true],
  ])('%j with the image %j: %s', (pattern, name, does) => {
    expect(matchesGlob(pattern, name)).toBe(does);
  });

  test('with many stars costs at most its length for each character', () => {
    // As a regular expression, twelve stars and sixty letters take a day.
    const pattern = `${'*a'.repeat(120)}*z`;
    expect(growth((size) => matchesGlob(pattern, 'a'.repeat(size)), 2_000)).toBeLessThan(40);
    expect(matchesGlob(pattern, 'a'.repeat(2_000))).toBe(false);
  });

  test('of INGEST_ALLOWED_SOURCES with several stars costs the same for each character of a source', () => {
    expect(growth((size) => isListed(['https://*/a*/a*/a*/events'], `https://${'/a'.repeat(size)}`), 4_000)).toBeLessThan(40);
    expect(isListed(['https://*/a*/a*/events'], 'https://x/a1/a2/events')).toBe(true);
    expect(isListed(['ab*ba'], 'aba')).toBe(false);
  });
});

describe('what a log line hides', () => {
  test.each(['eyJ-', 'a://', 'Bearer ', '?key='])('is found in time that grows with its length, in a text made of %j', (part) => {
    expect(growth((size) => redactText(part.repeat(size)), 4_000)).toBeLessThan(40);
  });

  test.each([
    ['a password with an @ in it', 'https://user:p@ss:wörd@sink.example.org/x', 'https://[redacted]@sink.example.org/x'],
    ['a user name that is a token', 'https://ghp_secret@sink.example.org', 'https://[redacted]@sink.example.org'],
    ['the key of an Event Grid namespace', 'authorization: SharedAccessKey c2VjcmV0c2VjcmV0', 'authorization: SharedAccessKey [redacted]'],
    ['a key in a query', 'https://x/api?aeg-sas-key=c2VjcmV0&b=1', 'https://x/api?aeg-sas-key=[redacted]&b=1'],
  ])('is also %s', (_, given, shown) => {
    expect(redactText(given)).toBe(shown);
  });
});

describe('a configuration file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  const messageOf = (content: string): string => {
    const path = join(folder, 'config.yaml');
    writeFileSync(path, content);
    try {
      readConfig({}, path);
      return 'accepted';
    } catch (error) {
      return inspect(error);
    }
  };

  const laughs = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${Array.from({ length: 9 }, () => `*a${n}`).join(', ')}]`).join('\n');
  test.each([
    ['with aliases of aliases', `a0: &a0 ha\n${laughs}\n`, 'without anchors and aliases'],
    ['nested thousands of levels deep', `a: ${'['.repeat(20_000)}`, 'no valid YAML'],
    ['of more than 256 KiB', `LOG_LEVEL: info #${'x'.repeat(256 * 1024)}`, 'larger than 256 KiB'],
  ])('%s is refused', (_, content, why) => {
    expect(messageOf(content)).toContain(why);
  });

  test('with a mistake is not quoted: what is wrong may be the line with the key', () => {
    for (const content of ['LOG_LEVEL: info\nEVENTGRID_KEY: "c2VjcmV0\nLDS_URL: x', 'EVENTGRID_KEY: {c2VjcmV0: c2VjcmV0}', 'c2VjcmV0: *c2VjcmV0', '%c2VjcmV0\n---\na: [']) {
      const message = messageOf(content);
      expect(message).toContain('--config');
      expect(message.replace(/^.*: \{?c2VjcmV0: Invalid/, '')).not.toContain('c2VjcmV0');
    }
    rmSync(folder, { recursive: true });
  });
});

test('a request line that holds no URL is answered like any other, and logs no error', async () => {
  const lines: string[] = [];
  const ingest = { accept: async () => ({ status: 202, result: 'applied' }) as const, refuse: () => ({ status: 400, result: 'invalid' }) as const };
  const secret = 'sixteen-letters!';
  const server = await startIngestServer({ ingest, log: createLogger({ level: 'trace', destination: { write: (line) => void lines.push(line) } }), isReady: () => true, port: 0, host: '127.0.0.1', authenticate: secretAuth(() => [secret]) });
  const statusOf = async (target: string): Promise<string | undefined> => {
    const socket = connect(server.port, '127.0.0.1');
    socket.end(`POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    return /^HTTP\/1\.1 (\d+)/.exec(await text(socket))?.[1];
  };
  expect(await Promise.all(['http://a:99999/events', 'http://[/events', '//[', '/events?access_token=%zz', '/events/%zz'].map(statusOf))).toEqual(['401', '404', '404', '401', '404']);
  // The token of a query is read from there still, and is not in the log: what is missing now is the event.
  expect(await statusOf(`/events?a=b&access_token=${encodeURIComponent(secret)}`)).toBe('400');
  expect(lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  expect(lines.join('')).not.toContain(secret);
  await server.close(0);
});

test('a topology is not read from where evidence or the archive is kept, with the rights that the controller has there', async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
  const sources = createTopologySources({ s3: new S3({ endpoint: 'http://127.0.0.1:9', attempts: 1 }), allowHosts: [], maxBytes: 1000, keepOut: ['s3://exam-evidence/lablet', 's3://archive', 'file:///tmp/x', ''] });
  const reasonOf = (uri: string): Promise<unknown> => sources.read(uri, { signal: never }).then(() => 'read', (error: unknown) => (error as { reason?: string }).reason);
  for (const uri of ['s3://exam-evidence/lablet/u-1/collect_evidence/topology.json', 's3://archive/records/2026-11-23/x.ndjson']) expect(await reasonOf(uri)).toBe('SourceBlocked');
  // Nothing listens there, and so the server of the objects was asked.
  for (const uri of ['s3://exam-evidence/topologies/edge.yaml', 's3://labs/edge.yaml']) expect(await reasonOf(uri)).toBe('SourceUnavailable');
  await sources.close();
});

test('evidence in a directory is for the controller alone', async () => {
  const root = mkdtempSync(join(tmpdir(), 'evidence-'));
  const { uri } = await fileEvidence(pathToFileURL(join(root, 'kept')).href).put('uid-1/collect_evidence/topology.json', Buffer.from('password cisco'), { signal: never });
  const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
  expect([modeOf(fileURLToPath(uri)), modeOf(dirname(fileURLToPath(uri))), modeOf(join(root, 'kept'))]).toEqual(['600', '700', '700']);
  rmSync(root, { recursive: true });
});

test('a browser is told to run, frame, send on and guess nothing of what the web port answers', async () => {
  const server = webApp({ routers: { '/schemas': schemasRouter() }, log: silentLog }).listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address() as { port: number };
  for (const path of ['/schemas', '/nothing?<script>']) {
    const { headers } = await fetch(`http://127.0.0.1:${port}${path}`);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'content-type': expect.stringContaining('json'),
    });
    expect([headers.get('access-control-allow-origin'), headers.get('x-powered-by')]).toEqual([null, null]);
  }
  server.closeAllConnections();
  server.close();
});
