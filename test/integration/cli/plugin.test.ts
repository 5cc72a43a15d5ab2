/** `kubectl lablet` as people run it: the program itself, on a real API server, with the rights of an exam team and less. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { bundlePlugin } from '../../../hack/bundle/plugin.ts';
import { CONTROLLER_REVISIONS, LABLET_DEFINITIONS, LABLET_SESSIONS, WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { judge } from '../../../src/core/session/judge.ts';
import { testCluster } from '../../support/cluster.ts';
import { event, sessionAt, worldWith } from '../../support/builders.ts';
import { eventually } from '../../support/eventually.ts';
import { clientFor } from '../../support/kube-objects.ts';
import { TOPOLOGY, newDefinition, newSession, newTemplate, newWorker } from '../../support/objects.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import type { Story } from '../../support/builders.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const SOURCE = join(ROOT, 'src/cli/main.ts');
const cluster = testCluster();
const configs = { admin: cluster.kubeconfigPath, editer: '', viewer: '' };
let client: KubeClient;
let folder = '';
let namespace = '';
let host = '';

interface Result {
  stdout: string;
  stderr: string;
  code: number | null;
}

/** A program of this name with the plugin on its PATH. */
function begin(program: string, args: readonly string[], kubeconfig: string) {
  return spawn(program, args, { cwd: folder, env: { ...process.env, KUBECONFIG: kubeconfig, PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}`, NO_COLOR: '' }, stdio: ['ignore', 'pipe', 'pipe'] });
}
async function run(program: string, args: readonly string[], kubeconfig = configs.admin): Promise<Result> {
  const child = begin(program, args, kubeconfig);
  const ended = new Promise<number | null>((done) => { child.once('close', done); });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { stdout, stderr, code };
}
const bundled = (): string => join(folder, 'kubectl-lablet');
const lablet = (...args: string[]) => run(bundled(), ['-n', namespace, ...args]);
const as = (who: keyof typeof configs, ...args: string[]) => run(bundled(), args, configs[who]);
async function json<T>(result: Promise<Result>): Promise<T> {
  const { stdout, stderr, code } = await result;
  if (code !== 0) throw new Error(`exit code ${code ?? '?'}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
const live = (name: string): Promise<LabletSession> => client.get(LABLET_SESSIONS, name, namespace);

/** A session of this name with the status that the lifecycle gave the story's, on the worker of this test. */
async function store(name: string, { session, status }: Story): Promise<void> {
  await client.create(LABLET_SESSIONS, newSession(namespace, name, 'campus-edge', { spec: session.spec }));
  await client.mergePatch(LABLET_SESSIONS, name, namespace, { status: { ...status, ...(status.workerName === undefined ? {} : { workerName: host }) } }, { subresource: 'status' });
}

/** What the controller would do: one decision about the object as it is now. */
async function decide(name: string): Promise<void> {
  const session = await live(name);
  const { status } = judge(session, worldWith({ worker: { name: host, state: 'ready', message: '' }, lab: { state: 'present' } }), new Date(session.status?.startedAt ?? Date.now()));
  await client.mergePatch(LABLET_SESSIONS, name, namespace, { metadata: { resourceVersion: session.metadata.resourceVersion }, status }, { subresource: 'status' });
}

beforeAll(async () => {
  const { kubectl } = cluster;
  [folder, namespace, client] = await Promise.all([mkdtemp(join(tmpdir(), 'kubectl-lablet-')), cluster.freshNamespace('cli'), clientFor(cluster.kubeconfigPath)]);
  host = `${namespace}-w`;
  await Promise.all([bundlePlugin(bundled()), kubectl(['apply', '-f', join(ROOT, 'config/rbac/users.yaml')])]);
  await Promise.all((['edit', 'view'] as const).map(async (role) => {
    await kubectl(['create', 'serviceaccount', `${role}er`, '-n', namespace]);
    await kubectl(['create', 'rolebinding', `${role}er`, '-n', namespace, `--clusterrole=${role}`, `--serviceaccount=${namespace}:${role}er`]);
    configs[`${role}er`] = await cluster.createServiceAccountKubeconfig(namespace, `${role}er`);
  }));

  const pinned = sessionAt('Pending').world.definition;
  if (pinned.state !== 'ready') throw new Error('the story has no definition');
  const { version, spec } = pinned.definition;
  await client.create(WORKER_TEMPLATES, newTemplate(`${namespace}-t`));
  await client.create(WORKERS, newWorker(host, `${namespace}-t`, 'https://cml.example.org'));
  const amounts = { cpu: '16', memory: '64Gi', storage: '500Gi', nodes: 200, ports: 6000 };
  await client.mergePatch(WORKERS, host, undefined, { status: { phase: 'Running', cmlVersion: '2.9.1', sessions: 3, capacity: { declared: amounts, allocated: amounts, available: amounts }, conditions: [{ type: 'Schedulable', status: 'True', reason: 'Ready', lastTransitionTime: new Date().toISOString() }] } }, { subresource: 'status' });
  await client.create(LABLET_DEFINITIONS, newDefinition(namespace, 'campus-edge', { spec: { version, maxDuration: '2h' } }));
  await client.create(CONTROLLER_REVISIONS, { metadata: { name: `campus-edge-${version}`, namespace }, revision: 1, data: { version, sha256: 'ab'.repeat(32), spec, topology: TOPOLOGY } });

  const waiting = sessionAt('Pending');
  waiting.session = { ...waiting.session, status: { ...waiting.status, conditions: [{ type: 'Scheduled', status: 'False', reason: 'InsufficientResources', message: '0/1 workers: 1 InsufficientResources', lastTransitionTime: waiting.now.toISOString() }] } };
  const held = sessionAt('Grading', { definition: { grading: { rulesUri: 's3://r', onFailure: 'Hold' } } });
  held.consume(event('grading.session.failed', { error: 'no rubric' }));
  held.judge();
  await Promise.all([store('ada', waiting), store('bea', sessionAt('Running')), store('cyd', held), store('dan', sessionAt('Running')), store('eve', sessionAt('Running')), store('fay', sessionAt('Running'))]);
  // The controller manager adds our rules to the built-in roles a moment after they were applied.
  await eventually(async () => {
    for (const [who, verb] of [['editer', 'patch'], ['viewer', 'list']]) await kubectl(['auth', 'can-i', '--quiet', verb ?? '', 'labletsessions', '-n', namespace, `--as=system:serviceaccount:${namespace}:${who ?? ''}`]);
  });
});

afterAll(async () => {
  for (const [resource, name] of [[WORKERS, host], [WORKER_TEMPLATES, `${namespace}-t`]] as const) await client.delete(resource, name).catch(() => undefined);
  await client.close();
  await rm(folder, { recursive: true, force: true });
});

describe('from its source and as a plugin of kubectl', () => {
  test('it says why a session waits', async () => {
    const [source, plugin] = await Promise.all([run('node', [SOURCE, 'why', 'ada', '-n', namespace]), run(cluster.kubectlProgram, ['lablet', 'why', `${namespace}/ada`])]);
    expect(source).toMatchObject({ code: 0, stderr: '' });
    expect(source.stdout).toContain('InsufficientResources (Scheduled, since 2026-11-22 15:00:00Z');
    expect(source.stdout).toContain('  0/1 workers: 1 InsufficientResources\n');
    expect(plugin.stdout.split('\n').slice(0, 5)).toEqual(source.stdout.split('\n').slice(0, 5));
  });
  test('it lists its commands and exit codes', async () => {
    const { stdout, code } = await run(cluster.kubectlProgram, ['lablet', '--help']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/Usage: kubectl lablet[^]*timeline <session>[^]*7 not answered yet/)]);
  });
});

describe('what it shows', () => {
  test('is the fleet: workers, sessions by phase, and what needs attention', async () => {
    const [shown, data] = await Promise.all([lablet('status'), json<{ sessions: object; workers: { name: string }[]; attention: { about: string }[]; notes: string[] }>(lablet('status', '-o', 'json'))]);
    expect(shown.stdout).toContain(`${host}   Running   2.9.1   3          16/16   64Gi/64Gi`);
    expect(data).toMatchObject({ sessions: { Pending: 1, Running: 4, Grading: 1 }, notes: [] });
    expect(data.workers.map(({ name }) => name)).toContain(host);
    expect(data.attention.map(({ about }) => about)).toEqual(expect.arrayContaining([`session ${namespace}/ada`, `session ${namespace}/cyd`]));
  });
  test('is the story of a session, in YAML as well', async () => {
    const story = parse((await lablet('timeline', 'bea', '-o', 'yaml')).stdout) as { entries: { kind: string; name: string }[] };
    expect(story.entries.filter(({ kind }) => kind === 'Phase').map(({ name }) => name)).toEqual(['Pending', 'Scheduled', 'Instantiating', 'Ready', 'Running']);
    expect(story.entries).toContainEqual(expect.objectContaining({ kind: 'Received', name: 'lds.session.started', state: 'Applied' }));
  });
  test('are the CloudEvents of a session', async () => {
    const events = await json<{ type: string; state: string; session: string }[]>(lablet('events', 'bea', '-o', 'json'));
    expect(events.at(-1)).toMatchObject({ type: 'ccm.lablet.session.running', state: 'Waiting', session: `${namespace}/bea` });
  });
  test('is the calendar, with the frozen version of each session and the hosts that there are', async () => {
    const { hours, capacity } = await json<{ hours: { existing: number; sessions: number }[]; capacity: { workers: number } }>(lablet('calendar', '--from', '2026-11-23T10:30:00Z', '--hours', '2', '-o', 'json'));
    expect(capacity.workers).toBeGreaterThanOrEqual(1);
    expect(hours.map(({ sessions }) => sessions)).toEqual([5, 5]);
    expect(hours[0]?.existing).toBeGreaterThan(0);
  });
});

describe('what it asks', () => {
  test('is a later end, and it waits for the answer of the controller', async () => {
    const asked = lablet('extend', 'bea', '15m', '-o', 'json');
    await eventually(async () => expect((await live('bea')).spec.timeslot?.end).toBe('2026-11-23T11:45:00.000Z'));
    await decide('bea');
    expect(await json(asked)).toEqual({ session: `${namespace}/bea`, changed: true, action: 'bea ends at 2026-11-23 11:45:00Z now.', end: '2026-11-23T11:45:00.000Z', granted: true });
  });
  test('is not an end that the frozen definition does not allow', async () => {
    const { code, stderr } = await lablet('extend', 'dan', '31m');
    expect([code, stderr]).toEqual([6, 'kubectl lablet: campus-edge allows 30m beyond the booked end (maxExtension): until 2026-11-23 12:00:00Z at most, that is 30m more.\n']);
    expect((await live('dan')).spec.timeslot?.end).toBe('2026-11-23T11:30:00.000Z');
  });
  test('is an answer within the time that is given for it', async () => {
    const { code, stderr } = await lablet('extend', 'dan', '--until', '2026-11-23T11:35:00Z', '--wait', '300ms');
    expect([code, stderr]).toEqual([7, expect.stringContaining('No controller has answered yet')]);
  });
  test('is another grade of a held lab', async () => {
    expect(await lablet('regrade', 'cyd')).toEqual({ code: 0, stdout: 'cyd is graded again.\n', stderr: '' });
    expect((await live('cyd')).metadata.annotations).toMatchObject({ 'lablet.dev/regrade': '1' });
  });
  test('is a yes before work is given up', async () => {
    const { code, stderr } = await lablet('cancel', 'dan');
    expect([code, stderr]).toEqual([2, expect.stringContaining('dan is Running: cancelling it gives up what is not graded yet')]);
    expect(await lablet('cancel', 'dan', 'ada', '--yes')).toMatchObject({ code: 0, stdout: 'dan is stopped without a grade.\nada is cancelled.\n' });
    expect((await live('dan')).spec.desiredState).toBe('Terminated');
  });
  test('is that a worker takes no more sessions, and then that it does', async () => {
    const drained = await json<{ changed: boolean; sessions: { session: string }[] }>(lablet('drain', host, '-o', 'json'));
    expect(drained.changed).toBe(true);
    expect(drained.sessions.map(({ session }) => session)).toContain(`${namespace}/eve`);
    expect((await client.get(WORKERS, host)).spec.desiredState).toBe('Draining');
    expect(await lablet('drain', host, '--cancel')).toEqual({ code: 0, stdout: `${host} is back in service.\n`, stderr: '' });
    expect((await client.get(WORKERS, host)).spec.desiredState).toBe('Running');
  });
});

describe('an exam team with the role edit in its namespace', () => {
  test('sees its sessions, and is told that Workers are not for it', async () => {
    const [fleet, calendar, why] = await Promise.all([
      json<{ workers?: unknown; sessions: object; notes: string[] }>(as('editer', 'status', '-o', 'json')),
      json<{ capacity?: unknown; notes: string[] }>(as('editer', 'calendar', '-o', 'json')),
      as('editer', 'why', 'eve'),
    ]);
    expect(fleet.workers).toBeUndefined();
    expect(fleet.sessions).toMatchObject({ Running: 4 });
    expect(fleet.notes).toEqual([expect.stringContaining('Workers are not shown')]);
    expect([calendar.capacity, calendar.notes]).toEqual([undefined, [expect.stringContaining('your role does not show Workers'), `Only the sessions of namespace ${namespace} are counted, since your role shows no others; others may hold capacity too.`]]);
    expect(why).toMatchObject({ code: 0, stderr: `note: your role does not show Workers, so nothing is said of ${host} itself.\n` });
  });
  test('ends a session', async () => {
    expect(await as('editer', 'end', 'eve')).toEqual({ code: 0, stdout: 'eve ends: the work is collected and, where it can be, graded.\n', stderr: '' });
    expect((await live('eve')).spec.desiredState).toBe('Ended');
  });
  test('drains no worker, and reads which role does', async () => {
    const { code, stderr } = await as('editer', 'drain', host);
    expect([code, stderr]).toEqual([4, expect.stringContaining('kubectl create clusterrolebinding NAME-admin --clusterrole=lablet-admin')]);
  });
});

describe('an error has its exit code and says what to do', () => {
  type Case = [sentence: string, who: keyof typeof configs | 'away', args: () => string[], exitCode: number, message: () => string];
  const cases: Case[] = [
    ['for a guest who ends a session', 'viewer', () => ['end', 'fay'], 4, () => `system:serviceaccount:${namespace}:viewer may not patch labletsessions in namespace ${namespace}. It takes the role edit; an administrator grants it with\n  kubectl create rolebinding NAME -n ${namespace} --clusterrole=edit --user=system:serviceaccount:${namespace}:viewer\n`],
    ['for a mistyped name', 'admin', () => ['-n', namespace, 'why', 'eev'], 3, () => `There is no session eev in namespace ${namespace}. Did you mean eve`],
    ['for a session of another namespace', 'admin', () => ['-n', 'default', 'why', 'eve'], 3, () => `Did you mean ${namespace}/eve?`],
    ['for a command that is none', 'admin', () => ['explain'], 2, () => "unknown command 'explain'"],
    ['for an end without its zone', 'admin', () => ['extend', 'eve', '--until', '2026-11-23T12:00:00'], 2, () => 'not a time with its zone'],
    ['for a context that is not there', 'admin', () => ['status', '--context', 'moon'], 2, () => 'There is no context moon'],
    ['for a server that is away', 'away', () => ['status'], 5, () => 'The API server https://127.0.0.1:1 does not answer'],
  ];
  const results = new Map<string, Promise<Result>>();
  // All at once: most of the time of a command is the start of its process.
  beforeAll(async () => {
    const away = join(folder, 'away');
    const config = await cluster.kubectl(['config', 'view', '--raw', '--flatten']);
    await writeFile(away, config.replace(/server: .*/, 'server: https://127.0.0.1:1'));
    for (const [sentence, who, args] of cases) results.set(sentence, run(bundled(), args(), who === 'away' ? away : configs[who]));
  });
  test.each(cases)('%s', async (sentence, _who, _args, exitCode, message) => {
    const result = await results.get(sentence);
    expect([result?.code, result?.stderr]).toEqual([exitCode, expect.stringContaining(message())]);
  });
});

describe('what goes on', () => {
  /** Lines as they come, and the end by Ctrl-C. */
  async function following(args: readonly string[], then: (next: () => Promise<string>) => Promise<void>): Promise<number | null> {
    const child = begin(bundled(), args, configs.editer);
    const ended = new Promise<number | null>((done) => { child.once('close', done); });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    try {
      await then(async () => String((await lines.next()).value));
    } finally {
      child.kill('SIGINT');
    }
    return ended;
  }

  test('is followed: an event is told when its transition is written, and once', async () => {
    const code = await following(['events', 'fay', '--follow', '-o', 'json'], async (next) => {
      let seen = '';
      while (!seen.includes('ccm.lablet.session.running')) seen = await next();
      await client.mergePatch(LABLET_SESSIONS, 'fay', namespace, { spec: { desiredState: 'Ended' } });
      await decide('fay');
      expect(JSON.parse(await next())).toMatchObject({ type: 'ccm.lablet.grading_session.created', session: `${namespace}/fay` });
      expect(JSON.parse(await next())).toMatchObject({ type: 'ccm.lablet.session.collecting' });
    });
    expect(code).toBe(0);
  });
  test('is shown again when it changes', async () => {
    const code = await following(['status', '--watch', '-o', 'json'], async (next) => {
      const before = JSON.parse(await next()) as { sessions: Record<string, number> };
      await client.create(LABLET_SESSIONS, newSession(namespace, 'gil', 'campus-edge'));
      await eventually(async () => expect((JSON.parse(await next()) as typeof before).sessions['New']).toBe((before.sessions['New'] ?? 0) + 1));
    });
    expect(code).toBe(0);
  });
});
