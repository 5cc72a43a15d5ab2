/** The pass over one Worker: see to its machine, its CML and its licence, judge, write once. The rules are in src/core/worker-table.ts. */
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
import { count, ensureDemands, gather, isIdle } from './gather.ts';
import { InstanceWatch } from './instances.ts';
import { Launcher } from './launch.ts';
import { Licenses } from './license.ts';
import { factsOf } from './machine.ts';
import { deletionWaits, drainOverdue, noticesFor, unready } from './notices.ts';
import { power } from './power.ts';
import { ProbeSchedule } from './schedule.ts';
import { probe } from './probe.ts';
import { countOrphans, sweep } from './sweep.ts';
import { workerSources } from './sources.ts';
import { countDropped, lastEvents } from '../last-events.ts';
import type { Worker } from '../../api/worker.ts';
import type { WorkerJudgement } from '../../core/worker-lifecycle.ts';
import type { Probe, WorkerWorld } from '../../core/worker-world.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { Deps } from '../deps.ts';
import type { Seen } from './gather.ts';

/** After a start, stop or termination that the provider would not do (real time; the SDK has repeated it by then). */
const SWITCH_AGAIN_MS = 5_000;

export function workerController(deps: Deps): Controller {
  const watch = new InstanceWatch(deps);
  const passes = new WorkerPasses(deps, watch);
  return new Controller({
    name: 'worker', sources: [...workerSources(deps), watch], clock: deps.clock, log: deps.log, metrics: deps.metrics,
    reconcile: (key, pass) => passes.reconcile(key, pass),
  });
}

class WorkerPasses {
  private readonly deps: Deps;
  private readonly pace: CounterPace;
  private readonly probes: ProbeSchedule;
  private readonly watch: InstanceWatch;
  private readonly launcher: Launcher;
  private readonly licenses: Licenses;

  constructor(deps: Deps, watch: InstanceWatch) {
    this.deps = deps;
    this.watch = watch;
    this.launcher = new Launcher(deps, watch);
    this.licenses = new Licenses(deps);
    this.pace = new CounterPace(deps.clock);
    this.probes = new ProbeSchedule(deps.clock, deps.settings.timeouts.resync);
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

    const { seen, delayed } = await this.see(worker, pass);
    await ensureDemands(deps, worker, pass.signal);
    const written = await this.write(worker, gather(deps, worker, seen), pass);
    if (written.rows.length > 0) return after(0, 'a transition was written');
    return soonest(written.outcome, delayed ? after(SWITCH_AGAIN_MS, 'the instance is switched again') : done(), ...this.waits(written.worker));
  }

  /** Acts as the phase asks, and looks: launch, power, probe, licence. Each asks first what is there already. */
  private async see(worker: Worker, pass: PassContext): Promise<{ seen: Seen; delayed: boolean }> {
    const { deps, watch } = this;
    const launch = await this.launcher.attempt(worker, pass);
    const before = watch.of(worker);
    const licenseReleased = await this.licenses.release(worker, worker.spec.provider === 'static' || (before !== undefined && before !== 'gone' && before.state === 'running'), pass);
    const { machine, delayed } = await power(deps, watch, worker, { idle: isIdle(deps, worker), licenseReleased }, pass);
    const probed = await this.look(worker, pass);
    const registration = await this.licenses.register(worker, probed, pass);
    const template = deps.caches.templates.get(worker.spec.templateName);
    const seenMachine = machine === 'gone' ? ({ state: 'gone' } as const) : machine && factsOf(machine, template);
    return { delayed, seen: { launch, licenseReleased, probe: probed, registration, instance: launch?.state === 'launched' ? launch.instance : seenMachine } };
  }

  /** What the next pass waits for beside the deadlines of the rules. */
  private waits(worker: Worker): Outcome[] {
    const [probeIn, launchIn, releaseIn] = [this.probes.dueIn(worker), this.launcher.dueIn(worker), this.licenses.releaseDueIn(worker)];
    return [
      probeIn === undefined ? done() : after(probeIn, 'the CML host is asked again'),
      launchIn === 0 ? done() : after(launchIn, 'the launch is tried again'),
      releaseIn === undefined ? done() : after(releaseIn, 'the licence is given back'),
    ];
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
        count(deps, live, status, world);
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
    if (worker.status?.phase === 'Draining' && worker.status.reason === 'DrainTimeout') events.record(drainOverdue(worker));
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
    for (const memory of [this.probes, this.watch, this.launcher, this.licenses]) memory.forget(worker.metadata.uid);
    this.pace.forget(worker.metadata.uid);
    deps.metrics.portsFree.remove({ worker: worker.metadata.name });
    deps.metrics.orphanedLabs.remove({ worker: worker.metadata.name });
    return done();
  }
}
