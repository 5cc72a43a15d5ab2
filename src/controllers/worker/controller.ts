/** The pass over one Worker: probe its CML host if it is time, judge, write once. The rules are in src/core/worker-lifecycle.ts. */
import { ANNOTATIONS, FINALIZER } from '../../api/group.ts';
import { WORKERS } from '../../api/kinds.ts';
import { isDeleting, objectKey } from '../../api/meta.ts';
import { getCondition } from '../../core/conditions.ts';
import { fromTime } from '../../core/time.ts';
import { judgeWorker } from '../../core/worker-lifecycle.ts';
import { offerOf } from '../../core/worker-capacity.ts';
import { statusMergePatch } from '../../kube/patch.ts';
import { Controller } from '../../runtime/controller.ts';
import { addFinalizer, removeFinalizer } from '../../runtime/finalizers.ts';
import { after, done, soonest } from '../../runtime/result.ts';
import { decideAndWrite, writeStatus } from '../../runtime/status-writer.ts';
import { CounterPace } from '../pace.ts';
import { count, ensureDemands, gather } from './gather.ts';
import { deletionWaits, noticesFor, unready } from './notices.ts';
import { ProbeSchedule } from './schedule.ts';
import { probe } from './probe.ts';
import { DemandCache } from './snapshot.ts';
import { countOrphans, sweep } from './sweep.ts';
import { workerSources } from './sources.ts';
import { countDropped, lastEvents } from '../last-events.ts';
import type { Worker } from '../../api/worker.ts';
import type { WorkerJudgement } from '../../core/worker-lifecycle.ts';
import type { Probe, WorkerWorld } from '../../core/worker-world.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { Deps } from '../deps.ts';

export function workerController(deps: Deps): Controller {
  const passes = new WorkerPasses(deps);
  return new Controller({
    name: 'worker', sources: workerSources(deps), clock: deps.clock, log: deps.log, metrics: deps.metrics,
    reconcile: (key, pass) => passes.reconcile(key, pass),
  });
}

class WorkerPasses {
  private readonly deps: Deps;
  private readonly pace: CounterPace;
  private readonly probes: ProbeSchedule;
  private readonly demands: DemandCache;

  constructor(deps: Deps) {
    this.deps = deps;
    this.pace = new CounterPace(deps.clock);
    this.probes = new ProbeSchedule(deps.clock, deps.settings.timeouts.resync);
    this.demands = new DemandCache(deps);
  }

  async reconcile(key: string, pass: PassContext): Promise<Outcome> {
    const { deps } = this;
    let worker = deps.caches.workers.get(key);
    if (!worker || worker.metadata.annotations?.[ANNOTATIONS.paused] !== undefined) return done();
    if (!worker.metadata.finalizers?.includes(FINALIZER)) {
      if (isDeleting(worker)) return done();
      worker = await addFinalizer({ client: deps.client, resource: WORKERS, object: worker, finalizer: FINALIZER, signal: pass.signal });
      deps.caches.workers.observe(worker);
    }
    if (worker.status?.phase === 'Terminated') return isDeleting(worker) ? this.letGo(worker, pass) : done();

    const seen = await this.look(worker, pass);
    await ensureDemands(deps, worker, this.demands, pass.signal);
    const written = await this.write(worker, gather(deps, worker, seen, this.demands), pass);
    if (written.rows.length > 0) return after(0, 'a transition was written');
    const next = this.probes.dueIn(written.worker);
    return soonest(written.outcome, next === undefined ? done() : after(next, 'the CML host is asked again'));
  }

  /** Asks the CML host if it is time. */
  private async look(worker: Worker, pass: PassContext): Promise<Probe | undefined> {
    const offer = offerOf(worker.spec, this.deps.caches.templates.get(worker.spec.templateName)?.spec);
    if (!offer || this.probes.dueIn(worker) !== 0) return undefined;
    const seen = await probe(this.deps, worker, offer, this.probes.foreignLabs(worker), pass.signal);
    this.probes.asked(worker, seen);
    if (seen.state === 'ready') await sweep(this.deps, worker, this.probes.foreignLabs(worker), pass);
    return seen;
  }

  private async write(worker: Worker, world: WorkerWorld, pass: PassContext): Promise<{ worker: Worker; outcome: Outcome } & Pick<WorkerJudgement, 'rows'>> {
    const { deps, pace } = this;
    const { name, uid } = worker.metadata;
    let outcome = done();
    let final: WorkerJudgement | undefined;
    const stored = await decideAndWrite<Worker, WorkerJudgement>({
      first: worker,
      read: () => deps.client.get(WORKERS, name, undefined, { signal: pass.signal }),
      decide: (live) => {
        if (live.metadata.uid !== uid) return undefined;
        final = judgeWorker(live, world, deps.clock.now());
        return final;
      },
      write: async (live, { status, rows, wakeAt, dropped }) => {
        const alone = statusMergePatch(live, status) === undefined;
        count(deps, live, status, world, this.demands);
        outcome = wakeAt ? after(wakeAt.getTime() - deps.clock.now().getTime(), 'a deadline') : done();
        const waitMs = pace.waitMs(uid);
        if (alone && waitMs > 0 && statusMergePatch(live, status)) {
          outcome = soonest(outcome, after(waitMs, 'the counters'));
          return live;
        }
        const written = await writeStatus({ client: deps.client, resource: WORKERS, object: live, next: status, amend: deps.outbox.amend, signal: pass.signal, metrics: deps.metrics });
        if (written !== live) pace.wrote(uid);
        deps.caches.workers.observe(written);
        countDropped(deps.metrics, dropped);
        this.tell(live, written, rows, world, pass);
        return written;
      },
    });
    return { worker: stored, outcome, rows: final?.rows ?? [] };
  }

  private tell(before: Worker, worker: Worker, rows: WorkerJudgement['rows'], world: WorkerWorld, pass: PassContext): void {
    const { events, metrics } = this.deps;
    for (const entry of rows.length > 0 ? (worker.status?.history?.slice(-rows.length) ?? []) : []) {
      pass.log.info({ worker: objectKey(worker), uid: worker.metadata.uid, phase: entry.to, from: entry.from, row: entry.row, reason: entry.reason, actor: entry.actor }, 'transition');
    }
    for (const note of noticesFor(worker, rows)) events.record(note);
    const [was, is] = [getCondition(before.status, 'Schedulable'), getCondition(worker.status, 'Schedulable')];
    if (is?.status === 'False' && is.reason !== was?.reason && !['Draining', 'NotRunning', 'NotProbed'].includes(is.reason)) {
      pass.log.warn({ worker: objectKey(worker), uid: worker.metadata.uid, reason: is.reason, message: is.message }, 'the worker cannot be used');
      events.record(unready(worker, is.reason, is.message ?? ''));
    }
    if (isDeleting(worker) && world.sessions.length > 0) events.record(deletionWaits(worker, world.sessions));
    metrics.orphanedLabs.set({ worker: worker.metadata.name }, countOrphans(this.deps, worker, this.probes.foreignLabs(worker)));
    metrics.portsFree.set({ worker: worker.metadata.name }, worker.status?.capacity?.available.ports ?? 0);
  }

  /** A deleted worker goes once it is Terminated and its last events are delivered, or their time is over. */
  private async letGo(worker: Worker, pass: PassContext): Promise<Outcome> {
    const { deps } = this;
    const wait = await lastEvents(deps, worker, fromTime(worker.status?.history?.at(-1)?.at), pass);
    if (wait) return wait;
    await removeFinalizer({ client: deps.client, resource: WORKERS, object: worker, finalizer: FINALIZER, signal: pass.signal });
    this.probes.forget(worker.metadata.uid);
    this.pace.forget(worker.metadata.uid);
    deps.metrics.portsFree.remove({ worker: worker.metadata.name });
    deps.metrics.orphanedLabs.remove({ worker: worker.metadata.name });
    return done();
  }
}
