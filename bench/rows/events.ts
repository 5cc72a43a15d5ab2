/**
 * Events in and out beside a bare HTTP loop that makes the same writes and posts: what one event makes the controller call is
 * recorded, and a loop that decides nothing issues it again, as often, as many at a time, on the same servers in the same run.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { json } from 'node:stream/consumers';
import { Pool } from 'undici';
import { z } from 'zod';
import { ANNOTATIONS } from '../../src/api/group.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, NAMESPACES } from '../../src/api/kinds.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import { recordEvent, type OutboxDraft } from '../../src/core/outbox.ts';
import { LEASES } from '../../src/runtime/lease.ts';
import { sessionSpec, SESSIONS_PER_WORKER } from '../support/manifests.ts';
import { post, type PostJob } from '../support/poster.ts';
import { startRecorder, type Call } from '../support/recorder.ts';
import { nameInLoop, replay, type Loop } from '../support/replay.ts';
import { atMost, inParallel, type Bench, type Row, type Say } from '../support/row.ts';
import { CONTROLLER, NAMESPACE, startBenchWorld, SYSTEM, type BenchWorld } from '../support/world.ts';

/** Requests at a time, of the poster and of the loops; also the emitter's own cap. */
const CONCURRENCY = 32;
/** Acknowledging writes at a time, as the emitter makes them. */
const WRITERS = 4;
/** Events of one object that wait for the sink: about a life. */
const EVENTS_PER_OBJECT = 10;
/** The share of the first events that only warm both sides up. */
const WARM_UP = 0.2;
/** Acknowledgements of the last events are written by then, and Kubernetes Events too. */
const QUIET_MS = 4_000;
/** An object that was told of its last event gets its acknowledging write so much later; no time of the emitter's. */
const ACK_QUIET_MS = 2_000;
const NOBODY = { pool: new Pool('http://127.0.0.1:9'), authorization: '' };

export const events: Bench = {
  name: 'events',
  async run({ sessions }, say) {
    const count = sessions / 2;
    const world = await startBenchWorld({ hosts: Math.ceil((2 * count + 1) / SESSIONS_PER_WORKER), say });
    try {
      // The sessions of the emitter are paused, and cost nothing afterwards.
      const emitted = await emission(world, count, say);
      return [await ingest(world, count, say), emitted];
    } finally {
      await world.stop();
    }
  },
};

/** As many candidates start as there are Ready sessions: once at a standby of the controller, once at the bare loop. */
async function ingest(world: BenchWorld, count: number, say: Say): Promise<Row> {
  const recorded = 'idle-rec-00000';
  const names = { controller: series('idle-run-00000', count), bare: series(recorded, count) };
  const leader = await world.run();
  await world.addWorkers(world.outside.cml);
  const ready = world.until('Ready', 2 * count + 1, ({ status }) => status?.phase === 'Ready');
  await world.createSessions([recorded, ...names.controller, ...names.bare]);
  await ready;
  await sleep(QUIET_MS);
  await leader.stop();

  // A standby takes events and does nothing else: ingest alone is measured.
  await holdLease(world, true);
  const calls = await recording(world, recorded, async ({ ingestUrl }) => {
    await post(jobFor(ingestUrl, [sessionNamed(world, recorded)]));
    await sleep(QUIET_MS);
  });
  const standby = await world.run();
  const job = (url: string, which: readonly string[]): PostJob => ({ ...jobFor(url, which.map((name) => sessionNamed(world, name))), warmUp: Math.floor(count * WARM_UP) });
  const measured = count - Math.floor(count * WARM_UP);
  const seconds = await post(job(standby.ingestUrl, names.controller));
  await standby.stop();
  const running = world.sessions.list().filter(({ metadata, status }) => names.controller.includes(metadata.name) && status?.phase === 'Running').length;
  if (running < count) throw new Error(`${running} of ${count} sessions are Running after their events`);

  const loop = await loopOf(world, recorded, calls);
  const bare = await startBareIngest(world, loop);
  const bareSeconds = await post(job(bare.url, names.bare));
  await bare.close();
  await holdLease(world, false);
  say(`events: ${(measured / seconds).toFixed(0)} events/s through ingest, ${(measured / bareSeconds).toFixed(0)} through the bare loop (${loop.script.map(({ method, path }) => `${method} ${path.replace(/.*\/(?=labletsessions|events)/, '').replace(/\/.*(?=\/status)|\?.*/g, '')}`).join(', ')} for each)`);
  return atMost(`${measured} events through ingest to their stored effect ÷ bare loop`, seconds / bareSeconds, '×', 1.5);
}

/** Objects whose outboxes are full when a leader comes: from the first event at the sink to the last acknowledgement. */
async function emission(world: BenchWorld, count: number, say: Say): Promise<Row> {
  const recorded = 'emit-rec-00000';
  await fill(world, [recorded]);
  const calls = await recording(world, recorded, () => drained(world, [recorded]));
  const names = { controller: series('emit-run-00000', count), bare: series(recorded, count) };
  await fill(world, names.controller);
  await world.arrivals();
  let writes = 0;
  world.sessions.onChange((old, next) => {
    if (old && next?.metadata.name.startsWith('emit-run')) writes += 1;
  });
  const leader = await world.run();
  const lastWrite = await drained(world, names.controller);
  const arrivals = (await world.arrivals()).filter(([, source]) => source.includes('/labletsessions/')).map(([, , at]) => at);
  await leader.stop();
  if (arrivals.length < count * EVENTS_PER_OBJECT) throw new Error(`${arrivals.length} of ${count * EVENTS_PER_OBJECT} events have come to the sink`);
  const [began = NaN, ...measured] = arrivals.toSorted((a, b) => a - b).slice(Math.floor(arrivals.length * WARM_UP));
  const seconds = (Math.max(measured.at(-1) ?? NaN, lastWrite - ACK_QUIET_MS) - began) / 1000;

  await fill(world, names.bare);
  const loop = await loopOf(world, recorded, calls);
  const warmUp = Math.floor(count * WARM_UP);
  const again = (target: Call['target'], width: number, some: readonly string[]): Promise<void> => inParallel(some, width, (name) => replay({ ...loop, script: calls.filter((call) => call.target === target) }, NOBODY, sessionNamed(world, name), Number(name.slice(-5))));
  await again('sink', CONCURRENCY, names.bare.slice(0, warmUp));
  const from = performance.now();
  await again('sink', CONCURRENCY, names.bare.slice(warmUp));
  // The acknowledgements come after a quiet time, hence after all posts.
  await again('kubernetes', WRITERS, names.bare);
  const bareSeconds = (performance.now() - from) / 1000;
  const rate = (time: number): string => (measured.length / time).toFixed(0);
  say(`events: ${rate(seconds)} events/s through the emitter, ${rate(bareSeconds)} through the bare loop; ${(writes / count).toFixed(1)} writes for each object and its ${EVENTS_PER_OBJECT} events`);
  return atMost(`${count * EVENTS_PER_OBJECT - warmUp * EVENTS_PER_OBJECT} events through the emitter ÷ bare loop`, seconds / bareSeconds, '×', 1.5);
}

const series = (first: string, count: number): string[] => Array.from({ length: count }, (_, index) => nameInLoop(first, index + 1));

function sessionNamed(world: BenchWorld, name: string): LabletSession {
  const session = world.sessions.get(`${NAMESPACE}/${name}`);
  if (!session) throw new Error(`there is no session ${name}`);
  return session;
}

/** Takes the lease, so that a controller stands by; or gives it back. */
async function holdLease({ client }: BenchWorld, held: boolean): Promise<void> {
  await client.mergePatch(LEASES, CONTROLLER, SYSTEM, { spec: held ? { holderIdentity: 'bench', leaseDurationSeconds: 3600 } : { holderIdentity: null, leaseDurationSeconds: 1 } });
}

/** The calls that a controller makes about one session while `act` runs: its writes, and its posts to the sink. */
async function recording(world: BenchWorld, session: string, act: (controller: Awaited<ReturnType<BenchWorld['run']>>) => Promise<unknown>): Promise<Call[]> {
  const { controlPlane, outside } = world;
  const calls: Call[] = [];
  const kubernetes = await startRecorder('kubernetes', { url: controlPlane.server, ca: await readFile(controlPlane.caFile, 'utf8') }, calls);
  const sink = await startRecorder('sink', { url: outside.sink }, calls);
  try {
    const kubeconfig = `${world.kubeconfig}.recorded`;
    await writeFile(kubeconfig, (await readFile(world.kubeconfig, 'utf8')).replace(controlPlane.server, kubernetes.url), { mode: 0o600 });
    const controller = await world.run({ kubeconfig, sink: sink.url });
    await act(controller);
    await controller.stop();
  } finally {
    kubernetes.close();
    sink.close();
  }
  return calls.filter(({ target, method, path, body, headers }) => (target === 'sink'
    ? headers['ce-subject'] === `${NAMESPACE}/${session}`
    : ['POST', 'PATCH'].includes(method) && /\/(labletsessions|events)[/?]?/.test(path) && `${path}${body}`.includes(session)));
}

async function loopOf(world: BenchWorld, recorded: string, script: readonly Call[]): Promise<Loop> {
  const { client, controlPlane, outside, sessions } = world;
  const fixedIds = new Set([(await client.get(NAMESPACES, NAMESPACE)).metadata.uid, ...(await client.list(LABLET_DEFINITIONS)).items.map(({ metadata }) => metadata.uid)]);
  const pool = (origin: string, ca?: string): Pool => new Pool(new URL(origin).origin, { connections: CONCURRENCY, ...(ca === undefined ? {} : { connect: { ca } }) });
  const { metadata } = sessions.get(`${NAMESPACE}/${recorded}`) ?? { metadata: { uid: '' } };
  return {
    script, uid: metadata.uid, names: [recorded, recorded], fixedIds,
    pools: { kubernetes: pool(controlPlane.server, await readFile(controlPlane.caFile, 'utf8')), sink: pool(outside.sink), lds: pool(outside.lds), grading: pool(outside.grading) },
  };
}

/** A server that makes the recorded status write, answers 202, and makes the other writes: what ingest does, without a thought. */
async function startBareIngest(world: BenchWorld, loop: Loop): Promise<{ url: string; close(): Promise<void> }> {
  const byLdsId = new Map(world.sessions.list().map((session) => [session.status?.userSession?.ldsSessionId, session]));
  const isStatusWrite = ({ method, path }: Call): boolean => method === 'PATCH' && path.includes('/status');
  const [first, rest] = [loop.script.filter(isStatusWrite), loop.script.filter((call) => !isStatusWrite(call))];
  let failure: unknown;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { lds_session_id: id } = z.object({ lds_session_id: z.string() }).parse(await json(request));
    const session = byLdsId.get(id);
    if (!session) throw new Error(`no session has the LDS session ${id}`);
    const index = Number(session.metadata.name.slice(-5));
    await replay({ ...loop, script: first }, NOBODY, session, index);
    response.writeHead(202).end();
    await replay({ ...loop, script: rest }, NOBODY, session, index);
  };
  const server = createServer((request, response) => void take(request, response).catch((error: unknown) => {
    failure = error;
    response.destroy();
  }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      if (failure !== undefined) throw new Error('the bare loop did not do the same work', { cause: failure });
    },
  };
}

/** `lds.session.started` for each session. */
function jobFor(url: string, sessions: readonly LabletSession[]): PostJob {
  return {
    url, concurrency: CONCURRENCY, warmUp: 0,
    events: sessions.map(({ metadata, status }) => {
      const id = status?.userSession?.ldsSessionId ?? '';
      const now = new Date().toISOString();
      return {
        headers: { 'content-type': 'application/json', 'ce-specversion': '1.0', 'ce-id': randomUUID(), 'ce-source': '/bench/lds', 'ce-type': 'lds.session.started', 'ce-subject': id, 'ce-time': now },
        body: JSON.stringify({ session_id: id, lds_session_id: id, user_id: metadata.name, started_at: now }),
      };
    }),
  };
}

/** Sessions that no controller touches (they are paused), with a life's events in their outboxes. */
async function fill({ client, sessions }: BenchWorld, names: readonly string[]): Promise<void> {
  await inParallel(names, CONCURRENCY, async (name) => {
    const { metadata } = await client.create(LABLET_SESSIONS, { metadata: { name, namespace: NAMESPACE, annotations: { [ANNOTATIONS.paused]: 'bench' } }, spec: sessionSpec(name) }, { namespace: NAMESPACE });
    const draft: OutboxDraft = {};
    for (let n = 0; n < EVENTS_PER_OBJECT; n++) recordEvent(draft, 'ccm.lablet.session.stopping', { session_id: metadata.uid, reason: 'Bench' }, { uid: metadata.uid, now: new Date() });
    await client.mergePatch(LABLET_SESSIONS, name, NAMESPACE, { metadata: { resourceVersion: metadata.resourceVersion }, status: { phase: 'Pending', ...draft } }, { subresource: 'status' });
  });
  while (!names.every((name) => sessions.get(`${NAMESPACE}/${name}`)?.status?.outbox?.length === EVENTS_PER_OBJECT)) await sleep(100);
}

/** Resolves, when nothing waits in these outboxes any more, with the moment of the last change, in milliseconds since the epoch. */
async function drained({ sessions }: BenchWorld, names: readonly string[]): Promise<number> {
  const waiting = new Set(names.filter((name) => (sessions.get(`${NAMESPACE}/${name}`)?.status?.outbox?.length ?? 0) > 0));
  let last = 0;
  sessions.onChange((_, next) => {
    if (next && (next.status?.outbox ?? []).length === 0 && waiting.delete(next.metadata.name)) last = Date.now();
  });
  while (waiting.size > 0) await sleep(100);
  return last;
}
