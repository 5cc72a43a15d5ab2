/** A session's life with an archive: everything is in it, the chain holds, and it costs the API server nothing. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { verifyChain } from '../../src/core/verify-chain.ts';
import { readRecords } from '../../src/events/archive/read.ts';
import { fileArchive } from '../../src/events/archive/store-file.ts';
import { isSettled } from '../../hack/demo/expect.ts';
import { startSink } from '../../hack/demo/sink.ts';
import { writesBy } from '../support/audit.ts';
import { collected } from '../support/events/archive-contract.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import type { ArchiveRecord } from '../../src/api/archive.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';

const CONTROLLER = 'system:serviceaccount:lablet-system:lablet-controller';
const LIMIT_MS = 60_000;
const instant = { lds: [{ candidate: '*', startAfter: '0s', endAfter: '0s' }], grading: [{ candidate: '*', after: '0s' }] };
const sessionOf = (name: string): string =>
  JSON.stringify({ apiVersion: 'lablet.dev/v1alpha1', kind: 'LabletSession', metadata: { name, namespace: 'exams' }, spec: { definitionRef: { name: 'campus-edge' }, owner: name } });

let world: TestStack;
let directory: string;
let ada: LabletSession;
let records: ArchiveRecord[];

const archiveOf = (path: string) => fileArchive(pathToFileURL(path).href);
const read = async (uid: string): Promise<ArchiveRecord[]> =>
  (await collected(readRecords(archiveOf(directory), '', new AbortController().signal))).flatMap(({ record }) => (record?.object.uid === uid ? [record] : []));

/** Phases of more than the 2 s after which what was delivered is acknowledged by a write of its own: none but on a busy machine. */
function longPhases({ status }: LabletSession): number {
  const times = status?.history?.map(({ at }) => Date.parse(at)) ?? [];
  return times.slice(1).filter((at, index) => at - (times[index] ?? at) > 2000).length;
}

/** The program as people run it. */
const archive = (...args: string[]): Promise<{ stdout: string; code: number }> =>
  promisify(execFile)(process.execPath, [resolve(import.meta.dirname, '../../src/main.ts'), 'archive', ...args], { env: { PATH: process.env['PATH'], KUBECONFIG: world.controlPlane.kubeconfigPath } })
    .then(({ stdout }) => ({ stdout, code: 0 }), (error: unknown) => z.object({ stdout: z.string(), code: z.number() }).parse(error));

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lablet-archive-'));
  world = await startTestStack({ world: { processes: true, bootDelay: '0s', script: instant }, environment: { ARCHIVE_URL: pathToFileURL(directory).href } });
  await world.stack.applySamples('[1-5]0-*.yaml');
  await world.controlPlane.kubectl(['wait', 'labletdefinition', 'campus-edge', '--namespace=exams', '--for=condition=Ready', '--timeout=60s']);
  await world.controlPlane.kubectl(['wait', 'worker', 'onprem-cml-01', '--for=jsonpath={.status.phase}=Running', '--timeout=60s']);
  await world.controlPlane.kubectl(['apply', '--filename=-'], sessionOf('ada'));
  await eventually(() => {
    const now = world.stack.sessions.get('exams/ada');
    expect(now?.status?.phase).toBe('Archived');
    expect(now && isSettled(now)).toBe(true);
    if (now) ada = now;
  }, LIMIT_MS);
  records = await read(ada.metadata.uid);
}, LIMIT_MS + 60_000);

afterAll(async () => {
  await world.stop();
  await rm(directory, { recursive: true, force: true });
});

describe('the archive of a session that is over', () => {
  test('has every event that was sent and every event that was received, with its result', () => {
    const sent = [...new Map(world.stack.sink.deliveries.filter(({ source }) => source.endsWith(ada.metadata.uid)).map((delivery) => [delivery.id, delivery])).values()];
    const out = records.filter(({ direction }) => direction === 'out');
    expect(out.map(({ event }) => event.id)).toEqual(sent.map(({ id }) => id));
    expect(out).toHaveLength(ada.status?.sequence ?? 0);
    const received = records.flatMap((record) => (record.direction === 'in' ? [[record.event.type, record.event.result, record.event.id]] : []));
    expect(received.map(([type]) => type)).toEqual(expect.arrayContaining(['lds.session.started', 'lds.session.ended', 'grading.session.completed']));
    expect(received.map(([, , id]) => id).sort()).toEqual(ada.status?.inbox?.map(({ id }) => id).sort());
  });

  test('holds together, and its last record is the head in the status', () => {
    expect(verifyChain(records, ada.status?.chain)).toEqual([]);
    expect(records.at(-1)?.chain).toMatchObject({ n: ada.status?.chain?.n, hash: ada.status?.chain?.hash });
  });

  test('has no launch URL, but its hash', async () => {
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    const text = (await Promise.all(files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'utf8')))).join('');
    expect(text).toContain('"masked":"login_url"');
    expect(text).toMatch(/"login_url":"sha256:[0-9a-f]{64}"/);
    expect(text).not.toMatch(/"login_url":"http/);
  });

  test('has cost the API server nothing: 24 writes are still the limit, and one more for each phase that outlasts the quiet time', () => {
    const writes = writesBy(CONTROLLER, world.controlPlane.auditLog).filter(({ resource }) => /^(labletsessions|labs|scorereports|secrets)(\/|$)/.test(resource));
    const byKind = [...Map.groupBy(writes, ({ verb, resource, code }) => `${verb} ${resource} ${code}`)].map(([what, same]) => `${same.length} ${what}`).sort();
    process.stderr.write(`API writes for one session with an archive: ${writes.length} (${byKind.join(', ')})\n`);
    expect(writes.length).toBeLessThanOrEqual(24 + longPhases(ada));
  });
});

describe('the archive of a session whose controller is killed again and again', () => {
  test('has every event, some of them twice, and holds together', async () => {
    await world.controlPlane.kubectl(['apply', '--filename=-'], sessionOf('bob'));
    // Each time as soon as the phase has moved on, as long as it does.
    for (const phase of [undefined, /Pending|Scheduled/, /Instantiating/]) {
      await eventually(() => expect(world.stack.sessions.get('exams/bob')?.status?.phase ?? '').not.toMatch(phase ?? /^$/), LIMIT_MS);
      await world.stack.crash('removed');
    }
    const bob = await eventually(() => {
      const now = world.stack.sessions.get('exams/bob');
      expect(now?.status?.phase).toBe('Archived');
      expect(now && isSettled(now)).toBe(true);
      expect(now?.status?.outbox).toEqual([]);
      return now;
    }, LIMIT_MS);
    const kept = await read(bob?.metadata.uid ?? '');
    expect(verifyChain(kept, bob?.status?.chain)).toEqual([]);
    const sequences = new Set(kept.flatMap((record) => (record.direction === 'out' ? [record.event.sequence] : [])));
    expect([...sequences].sort((a, b) => a - b)).toEqual(Array.from({ length: bob?.status?.sequence ?? 0 }, (_, n) => n + 1));
  }, 3 * LIMIT_MS);
});

describe('lablet-controller archive', () => {
  test('verify says that all is well, with the heads of the objects that are there', async () => {
    const { stdout, code } = await archive('verify', '--url', pathToFileURL(directory).href);
    expect(stdout).toMatch(/^\d+ records of \d+ objects, 0 problem\(s\)$/m);
    expect(code).toBe(0);
  }, LIMIT_MS);

  test('verify names the record that somebody changed, and ends with 1', async () => {
    const copy = await mkdtemp(join(tmpdir(), 'lablet-tampered-'));
    await cp(directory, copy, { recursive: true });
    const [day = ''] = await readdir(join(copy, 'records'));
    for (const hour of await readdir(join(copy, 'records', day))) {
      const path = join(copy, 'records', day, hour);
      await writeFile(path, (await readFile(path, 'utf8')).replace(/"passed":(true|false)/, (_, passed) => `"passed":${passed === 'true' ? 'false' : 'true'}`));
    }
    const { stdout, code } = await archive('verify', '--offline', '--url', pathToFileURL(copy).href);
    expect(stdout).toMatch(/^LabletSession exams\/ada \(.*\): record \d+ was changed: its content does not have its hash \[changed\]$/m);
    expect(code).toBe(1);
    await rm(copy, { recursive: true });
  }, LIMIT_MS);

  test('replay brings a sink that missed them the same events once, in order', async () => {
    const sink = await startSink();
    const { stdout, code } = await archive('replay', '--url', pathToFileURL(directory).href, '--subject', 'exams/ada', '--to', sink.url, '--rate', '500');
    expect([code, stdout]).toEqual([0, expect.stringContaining(`${ada.status?.sequence ?? 0} event(s) sent to`)]);
    expect(sink.deliveries.map(({ id, sequence }) => [id, sequence])).toEqual(records.flatMap((record) => (record.direction === 'out' ? [[record.event.id, record.event.sequence]] : [])));
    await sink.close();
  }, LIMIT_MS);
});
