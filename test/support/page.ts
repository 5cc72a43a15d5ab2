/** The page on a real cluster, with the rights of production and its caches, but no controllers: what stands in a status is what a test wrote. */
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { MANAGER } from '../../src/api/group.ts';
import { LABLET_SESSIONS, WORKERS } from '../../src/api/kinds.ts';
import { SYSTEM_NAMESPACE } from '../../src/api/rbac.ts';
import { createCaches } from '../../src/app/caches.ts';
import { createPage } from '../../src/app/page.ts';
import { tokenReviews } from '../../src/app/token-reviews.ts';
import { TermControl } from '../../src/runtime/runnable.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { webApp } from '../../src/web/server.ts';
import { clientFor } from './kube-objects.ts';
import { newSession, newWorker } from './objects.ts';
import type { AddressInfo } from 'node:net';
import type { LabletSession, LabletSessionStatus, SessionPhase } from '../../src/api/labletsession.ts';
import type { Worker, WorkerStatus } from '../../src/api/worker.ts';
import type { LiveTuning } from '../../src/web/page-live.ts';
import type { TestCluster } from './cluster.ts';

const RBAC = resolve(import.meta.dirname, '../../config/rbac');

export interface TestPage {
  /** Without a path. */
  readonly url: string;
  /** A token of a ServiceAccount that has just what `rules` say: `verb resource [namespace]`, without a namespace in all. */
  token(name: string, ...rules: string[]): Promise<string>;
  session(name: string, status: LabletSessionStatus, fields?: Partial<LabletSession['spec']> & { readonly namespace?: string }): Promise<void>;
  /** Replaces fields of a status. */
  becomes(name: string, status: LabletSessionStatus, namespace?: string): Promise<void>;
  worker(name: string, status: WorkerStatus): Promise<void>;
  removeWorker(name: string): Promise<void>;
  /** As a stop of the program does, before its web server ends. */
  endStreams(): Promise<void>;
  close(): Promise<void>;
}

/** @param namespace where sessions and ServiceAccounts are, unless said otherwise */
export async function startTestPage(cluster: TestCluster, namespace: string, tuning?: LiveTuning): Promise<TestPage> {
  const { kubectl } = cluster;
  await kubectl(['apply', '-f', RBAC, '-f', resolve(RBAC, 'optional/page-review.yaml')]);
  const [admin, own] = await Promise.all([clientFor(cluster.kubeconfigPath), cluster.createServiceAccountKubeconfig(SYSTEM_NAMESPACE, MANAGER).then(clientFor)]);
  const caches = createCaches(own, [], {});
  const stop = new AbortController();
  const running = [caches.sessions.start(stop.signal), caches.workers.start(stop.signal)];
  await Promise.all([caches.sessions.waitForSync(), caches.workers.waitForSync()]);
  const page = createPage({ client: own, caches, clock: systemClock, log: silentLog, reviews: tokenReviews(own, systemClock), ...(tuning && { tuning }) });
  const term = new TermControl();
  const streams = page.streams.run(term);
  const server = createServer(webApp({ log: silentLog, routers: page.routers }) as Parameters<typeof createServer>[1]);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const workers = new Set<string>();
  const bindings: string[] = [];
  const removeWorker = async (name: string): Promise<void> => {
    workers.delete(name);
    await admin.delete(WORKERS, name);
  };
  const endStreams = async (): Promise<void> => {
    term.close(new Error('the test is over'));
    await streams;
  };

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token: async (name, ...rules) => {
      await kubectl(['create', 'serviceaccount', name, '-n', namespace]);
      for (const [index, rule] of rules.entries()) {
        const [verb = '', resource = '', where] = rule.split(' ');
        const role = `${namespace}-${name}-${index}`;
        const kind = where === undefined ? 'clusterrole' : 'role';
        const scope = where === undefined ? [] : ['-n', where];
        if (where === undefined) bindings.push(role);
        await kubectl(['create', kind, role, `--verb=${verb}`, `--resource=${resource}.lablet.dev`, ...scope]);
        await kubectl(['create', `${kind}binding`, role, `--${kind}=${role}`, `--serviceaccount=${namespace}:${name}`, ...scope]);
      }
      return (await kubectl(['create', 'token', name, '-n', namespace])).trim();
    },
    session: async (name, status, { namespace: where = namespace, ...spec } = {}) => {
      await admin.create<LabletSession>(LABLET_SESSIONS, newSession(where, name, 'campus-edge', { spec }));
      await admin.mergePatch(LABLET_SESSIONS, name, where, { status }, { subresource: 'status' });
    },
    becomes: async (name, status, where = namespace) => {
      await admin.mergePatch(LABLET_SESSIONS, name, where, { status }, { subresource: 'status' });
    },
    worker: async (name, status) => {
      workers.add(name);
      await admin.create<Worker>(WORKERS, newWorker(name, 'metal', `https://${name}.example.org`));
      await admin.mergePatch(WORKERS, name, undefined, { status }, { subresource: 'status' });
    },
    removeWorker,
    endStreams,
    close: async () => {
      await endStreams();
      await new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      });
      stop.abort();
      await Promise.all(running);
      await Promise.all([...workers].map(removeWorker));
      if (bindings.length > 0) await kubectl(['delete', 'clusterrolebinding,clusterrole', ...bindings, '--ignore-not-found']);
      await Promise.all([admin.close(), own.close()]);
    },
  };
}

const MINUTE = 60_000;

/** Why, by whom and by which row a session usually comes to a phase. */
const USUAL: Record<SessionPhase, readonly [reason: string, actor: string, row: string]> = {
  Pending: ['Created', 'proctor-7', 'T0'], Scheduled: ['BestFit', 'scheduler', 'T1'], Instantiating: ['SlotNear', 'controller', 'T3'], Ready: ['LabConverged', 'controller', 'T6'],
  Running: ['UserStarted', 'lds', 'T9'], Collecting: ['UserEnded', 'lds', 'T11'], Grading: ['EvidenceCollected', 'controller', 'T13'], Stopping: ['Graded', 'grading-engine', 'T15'],
  Stopped: ['Stopped', 'controller', 'T17'], Archived: ['TornDown', 'controller', 'T18'], Terminated: ['Cancelled', 'proctor-7', 'T5'],
};

/** A status with the given history, in minutes from now: `{Pending: -90, Scheduled: -60}`. */
export function statusAt(minutes: Partial<Record<SessionPhase, number>>, fields: LabletSessionStatus = {}, now = Date.now()): LabletSessionStatus {
  const history = Object.entries(minutes).map(([to, at], index, all) => {
    const [reason, actor, row] = USUAL[to as SessionPhase];
    return { ...(index === 0 ? {} : { from: all[index - 1]?.[0] }), to, at: minutesFrom(at, now), reason, actor, row };
  });
  return { phase: history.at(-1)?.to as SessionPhase, definitionVersion: '1.2.0', history, ...fields };
}

/** A time as it stands in a status. */
export const minutesFrom = (minutes: number, now = Date.now()): string => new Date(now + minutes * MINUTE).toISOString();
