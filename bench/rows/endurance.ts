/** Memory under a steady stream of events: does it stay where it is? */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { LABLET_SESSIONS } from '../../src/api/kinds.ts';
import type { ConsumedType } from '../../src/api/events.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import { readMetrics } from '../support/metrics.ts';
import { SESSIONS_PER_WORKER } from '../support/manifests.ts';
import { atMost, quantile, type Bench } from '../support/row.ts';
import { NAMESPACE, startBenchWorld, type BenchWorld } from '../support/world.ts';

/** Events a second that are posted; those of LDS and GradingEngine and the emitted ones come on top. */
const RATE = 200;
/** Sessions that events are about all the time. */
const WORKING = 200;
/** Whole lives from creation to deletion, a second. */
const LIVES = 1;
/** Of so many posts one is a result that comes early and is stored (the newest counts), and one repeats the one before it. */
const TURN = 10;
const TICK_MS = 50;
const SAMPLE_MS = 1_000;
/** The first fifth (two minutes of ten) fills caches and heap. */
const SETTLED_AFTER = 0.2;

export const endurance: Bench = {
  name: 'endurance',
  async run({ enduranceSeconds }, say) {
    const world = await startBenchWorld({ hosts: Math.ceil((1.5 * WORKING) / SESSIONS_PER_WORKER), say });
    try {
      const controller = await world.run();
      await world.addWorkers(world.outside.cml);
      const ready = world.until('Ready', WORKING, ({ status }) => status?.phase === 'Ready');
      await world.createSessions(Array.from({ length: WORKING }, (_, index) => `idle-${index}`));
      await ready;
      const working = world.sessions.list();
      const stop = new AbortController();
      const lives = liveOn(world, stop.signal);
      const samples: [seconds: number, mebibytes: number][] = [];
      const began = performance.now();
      const elapsed = (): number => (performance.now() - began) / 1000;
      const posted = stream(controller.ingestUrl, working, () => elapsed() < enduranceSeconds);
      while (elapsed() < enduranceSeconds) {
        samples.push([elapsed(), (await readMetrics(controller.opsUrl)).residentMiB]);
        await sleep(SAMPLE_MS);
      }
      const answers = await posted;
      stop.abort();
      const arrived = (await world.arrivals()).length;
      const settled = samples.filter(([seconds]) => seconds >= enduranceSeconds * SETTLED_AFTER);
      const half = Math.floor(settled.length / 2);
      const median = (some: typeof samples): number => quantile(some.map(([, mebibytes]) => mebibytes), 0.5);
      say(`endurance: ${answers.length} posted in ${elapsed().toFixed(0)} s, answered with ${tally(answers)}; ${arrived} emitted; ${await lives} whole lives`);
      say(`endurance: ${median(settled.slice(0, half)).toFixed(0)} MiB in the first half after settling, ${median(settled.slice(half)).toFixed(0)} MiB in the second; slope ${(slope(settled) * 60).toFixed(2)} MiB a minute`);
      const refused = answers.filter((status) => status !== 202).length;
      return [
        atMost(`posts that were not accepted, of ${RATE} a second for ${enduranceSeconds} s`, (100 * refused) / answers.length, '%', 1),
        atMost(`resident memory gained at ${RATE} events/s, from ${Math.round(enduranceSeconds * SETTLED_AFTER)} s to ${enduranceSeconds} s`, slope(settled) * enduranceSeconds * (1 - SETTLED_AFTER), 'MiB', 20),
      ];
    } finally {
      await world.stop();
    }
  },
};

/** Posts `RATE` events a second about the sessions in turn, as long as `goesOn`; resolves with the answers. */
async function stream(url: string, sessions: readonly LabletSession[], goesOn: () => boolean): Promise<number[]> {
  const answers: Promise<number>[] = [];
  const began = performance.now();
  let last: RequestInit | undefined;
  for (let sent = 0; goesOn();) {
    for (const due = ((performance.now() - began) * RATE) / 1000; sent < due; sent++) {
      // The same tenth of the sessions has all results: their statuses have grown as far as they may before it is measured.
      const session = sessions[sent % sessions.length];
      if (!session) continue;
      if (!last || sent % TURN !== 0) last = sent % TURN === 1 ? graded(session) : started(session);
      answers.push(post(url, last));
    }
    await sleep(TICK_MS);
  }
  return Promise.all(answers);
}

/** What a candidate's page might repeat: the first starts the work, the others change nothing. */
function started({ status }: LabletSession): RequestInit {
  const ldsSessionId = status?.userSession?.ldsSessionId ?? '';
  return cloudEvent('lds.session.started', { session_id: ldsSessionId, lds_session_id: ldsSessionId });
}

/** Waits in the status until the session is graded, in the place of the one before it. */
const graded = ({ metadata }: LabletSession): RequestInit => cloudEvent('grading.session.completed', { lablet_session_id: metadata.uid, score: 71, max_score: 100 });

const cloudEvent = (type: ConsumedType, data: object): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', 'ce-specversion': '1.0', 'ce-id': randomUUID(), 'ce-source': '/bench/outside', 'ce-type': type, 'ce-time': new Date().toISOString() },
  body: JSON.stringify(data),
});

async function post(url: string, request: RequestInit): Promise<number> {
  const response = await fetch(url, request).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.status ?? 0;
}

/** Creates `LIVES` sessions a second and deletes them when they are archived; resolves with how many those were. */
async function liveOn(world: BenchWorld, signal: AbortSignal): Promise<number> {
  const { client, sessions } = world;
  let over = 0;
  sessions.onChange((old, next) => {
    if (!next?.metadata.name.startsWith('life-') || next.status?.phase !== 'Archived' || old?.status?.phase === 'Archived') return;
    over += 1;
    void client.delete(LABLET_SESSIONS, next.metadata.name, NAMESPACE).catch(() => undefined);
  });
  for (let n = 0; !signal.aborted; n++) {
    await world.createSessions([`life-${n}`]);
    await sleep(1000 / LIVES, undefined, { signal }).catch(() => undefined);
  }
  return over;
}

/** Such as `202: 5990, 503: 10`; 0: no answer. */
const tally = (statuses: readonly number[]): string => [...Map.groupBy(statuses, (status) => status)].sort().map(([status, same]) => `${status}: ${same.length}`).join(', ');

/** By least squares, in MiB a second. */
function slope(samples: readonly (readonly [seconds: number, mebibytes: number])[]): number {
  const mean = (index: 0 | 1): number => samples.reduce((sum, sample) => sum + sample[index], 0) / samples.length;
  const [x, y] = [mean(0), mean(1)];
  return samples.reduce((sum, [seconds, mebibytes]) => sum + (seconds - x) * (mebibytes - y), 0) / samples.reduce((sum, [seconds]) => sum + (seconds - x) ** 2, 0);
}
