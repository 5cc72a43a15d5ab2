/**
 * Sessions end to end beside a bare loop: what one session makes the controller call is recorded, and the same calls are
 * issued by a loop that decides nothing, on the same servers in the same run.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { z } from 'zod';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, NAMESPACES, WORKERS } from '../../src/api/kinds.ts';
import { readMetrics } from '../support/metrics.ts';
import { sessionSpec } from '../support/manifests.ts';
import { startRecorder, type Call } from '../support/recorder.ts';
import { nameInLoop, replay, type Host, type Loop } from '../support/replay.ts';
import { atMost, inParallel, type Bench } from '../support/row.ts';
import { eventsTo, NAMESPACE, startBenchWorld, type BenchWorld } from '../support/world.ts';

/** Sessions of the bare loop at a time. */
const CONCURRENCY = 32;
const RECORDED = 'recorded-00000';
/** What ends later than the session itself: Events, and events at the sink. */
const AFTERMATH_MS = 500;
const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE'];

export const throughput: Bench = {
  name: 'throughput',
  async run({ sessions, workers }, say) {
    const world = await startBenchWorld({ hosts: workers, say });
    try {
      const loop = await record(world);
      say(`throughput: one session is ${loop.script.length} calls: ${[...Map.groupBy(loop.script, ({ target }) => target)].map(([target, calls]) => `${calls.length} ${target}`).join(', ')}`);

      const controller = await world.run();
      await world.addWorkers(world.outside.cml);
      await sleep(AFTERMATH_MS);
      const before = await readMetrics(controller.opsUrl);
      const began = performance.now();
      const archived = world.until('Archived', sessions, ({ status }) => status?.phase === 'Archived');
      await world.createSessions(Array.from({ length: sessions }, (_, index) => `work-${index}`));
      await archived;
      const wall = (performance.now() - began) / 1000;
      const after = await readMetrics(controller.opsUrl);
      await controller.stop();
      const transitions = after.transitions - before.transitions;
      say(`throughput: ${sessions} sessions in ${wall.toFixed(1)} s, ${((after.requests - before.requests) / sessions).toFixed(1)} requests each; ${after.residentMiB.toFixed(0)} MiB resident`);

      const bare = await runLoop(world, loop, sessions);
      say(`throughput: the bare loop took ${bare.toFixed(1)} s`);
      return [
        atMost(`${sessions} sessions × ${workers} workers ÷ bare loop`, wall / bare, '×', 1.5),
        atMost('controller CPU per transition', ((after.cpuSeconds - before.cpuSeconds) * 1000) / transitions, 'ms', 2),
      ];
    } finally {
      await world.stop();
    }
  },
};

/** Runs one session with a recorder before each server, and takes what it called, in order. */
async function record(world: BenchWorld): Promise<Loop> {
  const { outside, controlPlane, client } = world;
  const calls: Call[] = [];
  const ca = await readFile(controlPlane.caFile, 'utf8');
  const recorders = {
    kubernetes: await startRecorder('kubernetes', { url: controlPlane.server, ca }, calls),
    cml: await startRecorder('cml', { url: outside.cml[0] ?? '' }, calls),
    lds: await startRecorder('lds', { url: outside.lds }, calls),
    grading: await startRecorder('grading', { url: outside.grading }, calls),
    sink: await startRecorder('sink', { url: outside.sink }, calls),
  };
  try {
    const kubeconfig = `${world.kubeconfig}.recorded`;
    await writeFile(kubeconfig, (await readFile(world.kubeconfig, 'utf8')).replace(controlPlane.server, recorders.kubernetes.url), { mode: 0o600 });
    const controller = await world.run({ kubeconfig, lds: recorders.lds.url, grading: recorders.grading.url, tokenUrl: `${recorders.grading.url}/oauth/token`, sink: recorders.sink.url });
    await world.addWorkers([recorders.cml.url], 'recorded');
    const fixedIds = new Set<string>();
    for (const object of [await client.get(NAMESPACES, NAMESPACE), ...(await client.list(LABLET_DEFINITIONS)).items, ...(await client.list(WORKERS)).items]) fixedIds.add(object.metadata.uid);
    // Whatever goes on without a session (a host that is looked at, logins, the lease) is no part of one.
    await sleep(AFTERMATH_MS);
    const ambient = new Set(calls.map(({ target, method, path }) => `${target} ${method} ${path}`));
    calls.length = 0;

    const archived = world.until('Archived', 1, ({ metadata, status }) => metadata.name === RECORDED && status?.phase === 'Archived');
    let labName = '';
    world.sessions.onChange((_, next) => {
      if (next?.metadata.name === RECORDED) labName = next.status?.labName ?? labName;
    });
    await world.createSessions([RECORDED]);
    await archived;
    await sleep(AFTERMATH_MS);
    const script = calls.filter((call) => belongs(call, ambient));
    await client.delete(WORKERS, 'recorded-0');
    await until(async () => (await client.list(WORKERS)).items.length === 0);
    await controller.stop();
    const { uid } = (await client.get(LABLET_SESSIONS, RECORDED, NAMESPACE)).metadata;
    return { script, uid, names: [RECORDED, labName], fixedIds, pools: pools(world, ca) };
  } finally {
    for (const recorder of Object.values(recorders)) recorder.close();
  }
}

/** Of the API server only writes, and none of the lease, of workers or of definitions. */
function belongs({ target, method, path }: Call, ambient: ReadonlySet<string>): boolean {
  if (target === 'kubernetes') return WRITES.includes(method) && !/\/(leases|workers|labletdefinitions)\//.test(path);
  return target === 'sink' || !ambient.has(`${target} ${method} ${path}`);
}

/** As many sessions as the controller had, on the same hosts; in seconds. */
async function runLoop({ client, outside }: BenchWorld, loop: Loop, sessions: number): Promise<number> {
  // Nobody takes the events of the simulators now but the sink.
  await Promise.all([outside.lds, outside.grading].map((url) => eventsTo(url, outside.sink)));
  const hosts = await Promise.all(outside.cml.map(login));
  const began = performance.now();
  await inParallel(Array.from({ length: sessions }), CONCURRENCY, async (_, position) => {
    const index = position + 1;
    const host = hosts[position % hosts.length];
    const name = nameInLoop(RECORDED, index);
    const session = await client.create(LABLET_SESSIONS, { metadata: { name, namespace: NAMESPACE }, spec: sessionSpec(name) }, { namespace: NAMESPACE });
    if (host) await replay(loop, host, session, index);
  });
  return (performance.now() - began) / 1000;
}

async function login(url: string): Promise<Host> {
  const answer = await fetch(`${url}/api/v0/authenticate`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'admin', password: 'secret' }) });
  return { pool: new Pool(url), authorization: `Bearer ${z.string().parse(await answer.json())}` };
}

/** Kept-alive connections, as many as sessions run at a time. */
function pools({ outside, controlPlane }: BenchWorld, ca: string): Loop['pools'] {
  const to = (url: string): Pool => new Pool(new URL(url).origin, { connections: CONCURRENCY });
  return { kubernetes: new Pool(controlPlane.server, { connections: CONCURRENCY, connect: { ca } }), lds: to(outside.lds), grading: to(outside.grading), sink: to(outside.sink) };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(AFTERMATH_MS);
}
