/** A fleet of any size for the page, as caches would hold it: sessions one after the other on every worker, each as far as its time allows. */
import { createServer } from 'node:http';
import { silentLog } from '../../src/telemetry/log.ts';
import { PageAccess } from '../../src/web/page-access.ts';
import { readPage } from '../../src/web/page-files.ts';
import { LiveFleet } from '../../src/web/page-live.ts';
import { pageRouter } from '../../src/web/page.ts';
import { webApp } from '../../src/web/server.ts';
import { newSession, newWorker, stored } from './objects.ts';
import { statusAt } from './page.ts';
import type { AddressInfo } from 'node:net';
import type { LabletSession, LabletSessionStatus, SessionPhase } from '../../src/api/labletsession.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import type { Worker } from '../../src/api/worker.ts';
import type { PageCache } from '../../src/web/page-live.ts';

export interface ListCache<T extends KubeObject> extends PageCache<T> {
  /** As the API server would bring a change. */
  put(object: T): void;
}

/** A cache of what it is given. */
export function listCache<T extends KubeObject>(objects: readonly T[], keyOf: (object: T) => string): ListCache<T> {
  const all = new Map(objects.map((object) => [keyOf(object), object]));
  const handlers: ((old: T | undefined, next: T | undefined) => void)[] = [];
  return {
    get: (key) => all.get(key),
    list: () => [...all.values()],
    hasSynced: () => true,
    onChange: (handler) => handlers.push(handler),
    put: (object) => {
      const old = all.get(keyOf(object));
      all.set(keyOf(object), object);
      for (const handler of handlers) handler(old, object);
    },
  };
}

/** Minutes of a slot, and before and after it: what `sessionAt` reckons with. */
const [SLOT, LEAD, AFTER] = [90, 15, 12];
const NAMES = ['ada', 'grace', 'linus', 'radia', 'vint', 'barbara', 'ken', 'margaret', 'edsger', 'frances', 'dennis', 'hedy', 'alan', 'joan', 'donald', 'sophie'];

export interface FleetSize {
  readonly workers: number;
  readonly sessions: number;
  readonly now: number;
}

export function fleetOf({ workers, sessions, now }: FleetSize): { readonly caches: { readonly sessions: ListCache<LabletSession>; readonly workers: ListCache<Worker> } } {
  const perWorker = Math.ceil(sessions / workers);
  const made = Array.from({ length: sessions }, (_, index) => {
    const place = Math.floor(index / workers);
    // From some hours ago on, one after the other, and not all at the same minute.
    const start = (place - perWorker / 2) * (SLOT + LEAD + AFTER) + (index % workers) * 13 % 60 - 55;
    const name = `${NAMES[index % NAMES.length] ?? 'somebody'}-${String(index + 1).padStart(3, '0')}`;
    const session = stored<LabletSession>('LabletSession', newSession('exams', name, index % 3 === 0 ? 'campus-edge' : 'data-center', { spec: { candidate: { id: name } } }), sessionAt(start, workerName(index % workers), now, index));
    return { ...session, metadata: { ...session.metadata, creationTimestamp: new Date(now + (start - 24 * 60) * 60_000).toISOString() } };
  });
  const hosts = Array.from({ length: workers }, (_, index) => stored<Worker>('Worker', newWorker(workerName(index), 'metal', 'https://cml.example.org'), workerAt(index, now)));
  return { caches: { sessions: listCache(made, ({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`), workers: listCache(hosts, ({ metadata }) => metadata.name) } };
}

const workerName = (index: number): string => `cml-${String(index + 1).padStart(2, '0')}`;

/** A session whose slot begins `start` minutes from now, as it would stand. */
function sessionAt(start: number, workerName_: string, now: number, index: number): LabletSessionStatus {
  const late = (index * 7) % 5;
  const life: [SessionPhase, number][] = [
    ['Pending', start - 24 * 60], ['Scheduled', start - LEAD - 10], ['Instantiating', start - LEAD], ['Ready', start - LEAD + 4 + late], ['Running', start + late], ['Collecting', start + SLOT - (index % 4) * 9],
    ['Grading', start + SLOT - (index % 4) * 9 + 2], ['Stopping', start + SLOT - (index % 4) * 9 + 7], ['Stopped', start + SLOT + 9 - (index % 4) * 9], ['Archived', start + SLOT + 10 - (index % 4) * 9],
  ];
  const past = Object.fromEntries(life.filter(([, at]) => at <= 0)) as Partial<Record<SessionPhase, number>>;
  const time = (minutes: number): string => new Date(now + minutes * 60_000).toISOString();
  const score = 41 + ((index * 17) % 59);
  return statusAt(past, {
    timeslot: { start: time(start), end: time(start + SLOT) },
    ...(past.Scheduled === undefined ? {} : { workerName: workerName_, labName: `campus-edge-${index}` }),
    ...(past.Ready === undefined ? {} : { conditions: [
      { type: 'Scheduled', status: 'True', reason: 'BestFit', message: `${workerName_} has room for it, and is the fullest that has.`, lastTransitionTime: time(start - LEAD - 10) },
      { type: 'LabReady', status: 'True', reason: 'LabConverged', message: 'All 6 nodes have booted.', lastTransitionTime: time(start - LEAD + 4 + late) },
    ] }),
    ...(past.Stopping === undefined ? {} : { ending: 'Normal', scoreReport: { name: `r-${index}`, id: `id-${index}`, score, maxScore: 100, cutScore: 60, passed: score >= 60, submittedAt: time(start + SLOT) } }),
  }, now);
}

function workerAt(index: number, now: number): NonNullable<Worker['status']> {
  const declared = { cpu: '32', memory: '256Gi', storage: '2Ti', nodes: 300, ports: 6000 };
  const used = 4 + ((index * 5) % 26);
  return {
    phase: 'Running', cmlVersion: '2.9.1',
    capacity: { declared, allocated: { cpu: String(used), memory: `${used * 6}Gi`, storage: `${used * 40}Gi`, nodes: used * 4, ports: used * 9 }, available: { ...declared, cpu: String(32 - used) } },
    ...(index === 3 ? { phase: 'Draining', reason: 'Draining', message: `1 session is left; it will have ended by ${new Date(now + 50 * 60_000).toISOString()}.` } : {}),
    ...(index === 5 ? { unreachableSince: new Date(now - 4 * 60_000).toISOString(), conditions: [{ type: 'CMLReady', status: 'False' as const, reason: 'Unreachable', message: 'connect ETIMEDOUT 192.0.2.16:443', lastTransitionTime: new Date(now - 4 * 60_000).toISOString() }] } : {}),
  };
}

/** The page over such caches, where every token is good for everything. */
export async function serveFleet(caches: ReturnType<typeof fleetOf>['caches']): Promise<{ readonly url: string; close(): Promise<void> }> {
  const live = new LiveFleet(caches, () => new Date());
  const access = new PageAccess({ whoIs: async () => ({ username: 'proctor' }), mayDo: async () => true });
  const server = createServer(webApp({ log: silentLog, routers: { '/': pageRouter({ files: readPage(), access, live, log: silentLog }) } }) as Parameters<typeof createServer>[1]);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      live.close();
      await new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      });
    },
  };
}
