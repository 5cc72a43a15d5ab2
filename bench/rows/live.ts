/** A thousand sessions that wait for their candidates: what they take while nothing happens, and how fast things then happen. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabletSession } from '../../src/api/labletsession.ts';
import { readMetrics } from '../support/metrics.ts';
import { atMost, quantile, type Bench } from '../support/row.ts';
import { SESSIONS_PER_WORKER } from '../support/manifests.ts';
import { startBenchWorld, type BenchWorld } from '../support/world.ts';

/** The acknowledgements of the last events and the counters are written by then. */
const QUIET_MS = 12_000;

export const live: Bench = {
  name: 'live',
  async run({ sessions: count, rate, idleSeconds }, say) {
    const world = await startBenchWorld({ hosts: Math.ceil(count / SESSIONS_PER_WORKER), say });
    try {
      const controller = await world.run();
      await world.addWorkers(world.outside.cml);
      const ready = world.until('Ready', count, ({ status }) => status?.phase === 'Ready');
      await world.createSessions(Array.from({ length: count }, (_, index) => `idle-${index}`));
      await ready;
      say(`live: ${count} sessions are Ready`);
      await sleep(QUIET_MS);
      const before = await readMetrics(controller.opsUrl);
      await sleep(idleSeconds * 1000);
      const after = await readMetrics(controller.opsUrl);
      const { visible, delivered } = await startAll(world, controller.ingestUrl, rate);
      say(`live: median ${quantile(visible, 0.5).toFixed(0)} ms to the watch, ${quantile(delivered, 0.5).toFixed(0)} ms to the sink`);
      return [
        atMost(`resident memory with ${count} live sessions`, after.residentMiB, 'MiB', 250),
        atMost(`idle API requests a minute, ${count} settled sessions`, ((after.requests - before.requests) * 60) / idleSeconds, 'requests', 30),
        atMost(`event posted → transition visible on a watch, p99 at ${rate} events/s`, quantile(visible, 0.99), 'ms', 100),
        atMost(`transition written → CloudEvent at the sink, p99 at ${rate} transitions/s`, quantile(delivered, 0.99), 'ms', 250),
      ];
    } finally {
      await world.stop();
    }
  },
};

/** Every candidate starts, `rate` of them a second. Resolves with how long each took, in milliseconds, from the first byte of the event on. */
async function startAll(world: BenchWorld, ingestUrl: string, rate: number): Promise<{ visible: number[]; delivered: number[] }> {
  const posted = new Map<string, number>();
  const visible: number[] = [];
  const written = new Map<string, number>();
  const all = world.sessions.list();
  const running = world.until('Running', all.length, (session) => {
    if (session.status?.phase !== 'Running') return false;
    const { uid } = session.metadata;
    const at = posted.get(uid);
    if (at !== undefined && !written.has(uid)) visible.push(performance.now() - at);
    // When the transition was decided on: its write took place after that, so this is the longer way.
    written.set(uid, Date.parse(session.status.history?.findLast(({ to }) => to === 'Running')?.at ?? ''));
    return true;
  });
  await world.arrivals();
  const began = performance.now();
  const posts = all.map(async (session, index) => {
    await sleep(Math.max(0, began + (index * 1000) / rate - performance.now()));
    posted.set(session.metadata.uid, performance.now());
    await postStarted(ingestUrl, session);
  });
  await Promise.all(posts);
  await running;
  await sleep(2_000);
  const delivered = (await world.arrivals()).flatMap(([type, source, at]) => {
    const since = type === 'ccm.lablet.session.running' ? written.get(source.slice(source.lastIndexOf('/') + 1)) : undefined;
    return since === undefined ? [] : [at - since];
  });
  if (delivered.length < all.length) throw new Error(`${delivered.length} of ${all.length} events have come to the sink`);
  return { visible, delivered };
}

async function postStarted(ingestUrl: string, { metadata, status }: LabletSession): Promise<void> {
  const id = status?.userSession?.ldsSessionId ?? '';
  const response = await fetch(ingestUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'ce-specversion': '1.0', 'ce-id': randomUUID(), 'ce-source': '/bench/lds', 'ce-type': 'lds.session.started', 'ce-subject': id, 'ce-time': new Date().toISOString() },
    body: JSON.stringify({ session_id: id, lds_session_id: id, user_id: metadata.name, started_at: new Date().toISOString() }),
  });
  await response.body?.cancel();
  if (response.status !== 202) throw new Error(`the event for ${metadata.name} was answered with ${response.status}`);
}
