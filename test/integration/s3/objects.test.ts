import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { s3Evidence } from '../../../src/clients/evidence/s3.ts';
import { S3 } from '../../../src/clients/s3.ts';
import { S3TopologySource } from '../../../src/clients/topology/s3-source.ts';
import { startS3Server } from '../../support/s3/server.ts';
import type { S3Server } from '../../support/s3/server.ts';

const LIMIT = 900 * 1024;
const never = { signal: new AbortController().signal };
const environment = { ...process.env };
let server: S3Server;
let s3: S3;
let topologies: S3TopologySource;

// The first start on a machine builds the server.
beforeAll(async () => {
  server = await startS3Server();
  Object.assign(process.env, server.credentials);
  await server.createBucket('exam-labs');
  await server.createBucket('exam-evidence');
  s3 = new S3({ endpoint: server.endpoint });
  topologies = new S3TopologySource({ s3, maxBytes: LIMIT });
}, 900_000);

afterAll(async () => {
  process.env = environment;
  await s3.close();
  await server.close();
});

describe('a topology in S3', () => {
  test('is read byte for byte, is not sent again while it is the same, and is when it has changed', async () => {
    const first = randomBytes(5_000);
    await server.put('exam-labs', 'edge/1.2.0 final+rc.yaml', first);
    const uri = 's3://exam-labs/edge/1.2.0 final+rc.yaml';
    const read = await topologies.read(uri, never);
    if (!('bytes' in read)) throw new Error('nothing was read');
    expect(Buffer.from(read.bytes).equals(first)).toBe(true);

    expect(await topologies.read(uri, { ...never, etag: read.etag })).toEqual({ notModified: true });
    await server.put('exam-labs', 'edge/1.2.0 final+rc.yaml', 'lab: changed');
    expect(await topologies.read(uri, { ...never, etag: read.etag })).toMatchObject({ bytes: Buffer.from('lab: changed') });
  });

  test('may have 900 KiB and not one byte more', async () => {
    await server.put('exam-labs', 'full', Buffer.alloc(LIMIT));
    await server.put('exam-labs', 'over', Buffer.alloc(LIMIT + 1));
    expect(await topologies.read('s3://exam-labs/full', never)).toHaveProperty('bytes.length', LIMIT);
    await expect(topologies.read('s3://exam-labs/over', never)).rejects.toMatchObject({ reason: 'TopologyTooLarge', message: expect.stringContaining('s3://exam-labs/over is larger than 900 KiB') as unknown });
  });

  test.each([
    ['s3://exam-labs/none', /404 NoSuchKey \(s3:\/\/exam-labs\/none\).*Put the object there, or correct spec\.topology\.uri/],
    ['s3://no-bucket/lab', /404 NoSuchBucket/],
  ])('that is not there (%s) is said to be missing', async (uri, message) => {
    await expect(topologies.read(uri, never)).rejects.toMatchObject({ reason: 'SourceNotFound', message: expect.stringMatching(message) as unknown });
  });

  test('that we may not read says which right is missing', async () => {
    process.env['AWS_SECRET_ACCESS_KEY'] = 'another';
    const stranger = new S3({ endpoint: server.endpoint });
    await expect(new S3TopologySource({ s3: stranger, maxBytes: LIMIT }).read('s3://exam-labs/full', never)).rejects.toMatchObject({ reason: 'SourceForbidden', message: expect.stringContaining('needs s3:GetObject') as unknown });
    Object.assign(process.env, server.credentials);
    await stranger.close();
  });

  test.each(['s3://exam-labs', 's3://exam-labs/', 's3://EXAM/lab', 's3://user:pass@exam-labs/lab'])('is not named by %s', async (uri) => {
    await expect(topologies.read(uri, never)).rejects.toMatchObject({ reason: 'SourceInvalid', message: expect.stringContaining('s3://BUCKET/KEY') as unknown });
  });
});

describe('evidence in S3', () => {
  test('is where its URI says, with the digest of its bytes', async () => {
    const evidence = s3Evidence(s3, 's3://exam-evidence/lablet/prod/');
    const content = randomBytes(200_000);
    const { uri, sha256 } = await evidence.put('uid-1/collect_evidence/consoles/edge%20r1-0.log', content, never);
    expect(uri).toBe('s3://exam-evidence/lablet/prod/uid-1/collect_evidence/consoles/edge%20r1-0.log');
    expect((await server.kept('exam-evidence', 'lablet/prod/uid-1/collect_evidence/consoles/edge%20r1-0.log')).equals(content)).toBe(true);
    expect(sha256).toBe(createHash('sha256').update(content).digest('hex'));
  });

  test('needs no prefix, and may be empty', async () => {
    expect(await s3Evidence(s3, 's3://exam-evidence').put('uid-2/empty.log', new Uint8Array(), never)).toMatchObject({ uri: 's3://exam-evidence/uid-2/empty.log' });
    expect(await server.kept('exam-evidence', 'uid-2/empty.log')).toHaveLength(0);
  });

  test('put twice is as it was put last', async () => {
    const evidence = s3Evidence(s3, 's3://exam-evidence/lablet');
    await evidence.put('uid-3/manifest.json', Buffer.from('first'), never);
    await evidence.put('uid-3/manifest.json', Buffer.from('second'), never);
    expect((await server.kept('exam-evidence', 'lablet/uid-3/manifest.json')).toString()).toBe('second');
  });

  test.each(['../outside', 'uid/../../outside', '/absolute', 'a//b', ''])('never leaves its prefix (%j)', async (key) => {
    await expect(s3Evidence(s3, 's3://exam-evidence/lablet').put(key, new Uint8Array(), never)).rejects.toThrow(/leaves the evidence prefix/);
  });

  test('for a bucket that is not there fails in words, and is found again when the bucket is made', async () => {
    const evidence = s3Evidence(s3, 's3://late-bucket');
    await expect(evidence.put('uid-4/a.cfg', Buffer.from('a'), never)).rejects.toThrow(/PutObject: 404 NoSuchBucket \(s3:\/\/late-bucket\/uid-4\/a\.cfg\)/);
    await server.createBucket('late-bucket');
    await evidence.put('uid-4/a.cfg', Buffer.from('a'), never);
    expect((await server.kept('late-bucket', 'uid-4/a.cfg')).toString()).toBe('a');
  });

  test('that was changed on the way is refused by the server', async () => {
    const content = Buffer.from('hostname edge-r1\n');
    const tampering = new S3({ endpoint: server.endpoint, attempts: 1 });
    const put = tampering.put({ bucket: 'exam-evidence', key: 'tampered' }, content, never);
    content[0] = 0x48;
    await expect(put).rejects.toThrow(/PutObject: 400 \w*(Digest|Mismatch)/);
    await tampering.close();
  });
});

test('evidence outlasts a server that is away for a moment', async () => {
  const own = await startS3Server();
  await own.createBucket('exam-evidence');
  const patient = new S3({ endpoint: own.endpoint, attempts: 8 });
  let put: Promise<unknown> = Promise.resolve();
  await own.restart(async () => {
    put = s3Evidence(patient, 's3://exam-evidence').put('uid-1/a.cfg', Buffer.from('a'), never);
    await expect(Promise.race([put, sleep(200, 'still trying')])).resolves.toBe('still trying');
  });
  await put;
  expect((await own.kept('exam-evidence', 'uid-1/a.cfg')).toString()).toBe('a');
  await patient.close();
  await own.close();
});

test('S3 that is away fails soon and works again when it is back', async () => {
  const own = await startS3Server();
  await own.createBucket('exam-labs');
  const client = new S3({ endpoint: own.endpoint, attempts: 2 });
  await client.put({ bucket: 'exam-labs', key: 'a' }, Buffer.from('a'), never);
  await own.restart(async () => {
    await expect(client.put({ bucket: 'exam-labs', key: 'b' }, Buffer.from('b'), never)).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
  });
  await client.put({ bucket: 'exam-labs', key: 'b' }, Buffer.from('b'), never);
  expect((await own.kept('exam-labs', 'b')).toString()).toBe('b');
  await client.close();
  await own.close();
});
