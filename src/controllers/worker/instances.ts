/**
 * What the provider shows of all our machines: one look at a region for all of its workers, every other second while one
 * of them changes and every 30 s else, with those that the look does not show asked for by id. Wakes the workers whose
 * machine has changed, and finds machines of ours that no Worker claims.
 */
import { clusterTags, TAG } from '../../clients/provider/port.ts';
import { regionOf } from './machine.ts';
import { OrphanInstances } from './orphan-instances.ts';
import type { Worker } from '../../api/worker.ts';
import type { Instance, InstanceState } from '../../clients/provider/port.ts';
import type { Source, Wake } from '../../runtime/source.ts';
import type { Deps } from '../deps.ts';

/** Between two looks while a machine changes (real time); the resync at the latest. */
const QUICK_MS = 2_000;

/** What was seen of a region by a look that began at `at`. */
interface Look {
  readonly at: number;
  readonly byId: ReadonlyMap<string, Instance>;
  /** Those that have not ended, oldest first, by the worker that they carry the tag of. */
  readonly byWorker: ReadonlyMap<string, readonly Instance[]>;
}

export class InstanceWatch implements Source {
  private readonly deps: Deps;
  private readonly looks = new Map<string, Look>();
  /** What our own last act on a worker's machine answered: it counts until a look that began later. */
  private readonly acts = new Map<string, { at: number; instance: Instance | undefined }>();
  private readonly told = new Map<string, string>();
  private readonly orphans: OrphanInstances;
  /** Make the pause between two looks short, or end it. */
  private hurry: () => void = () => undefined;
  private wakeUp: () => void = () => undefined;
  private urgent = false;

  constructor(deps: Deps) {
    this.deps = deps;
    this.orphans = new OrphanInstances(deps);
  }

  start(wake: Wake): () => void {
    const term = new AbortController();
    // What an earlier term saw may be long past.
    for (const memory of [this.looks, this.acts, this.told]) memory.clear();
    void this.run(wake, term.signal);
    return () => {
      term.abort(new Error('the term is over'));
      this.wakeUp();
    };
  }

  /** The machine of a worker; `gone`: the provider knows of none. Undefined: nobody has looked since our last act. */
  of(worker: Worker): Instance | 'gone' | undefined {
    const act = this.acts.get(worker.metadata.uid);
    const look = this.looks.get(regionOf(this.deps, worker) ?? '');
    if (act && (!look || look.at <= act.at)) return act.instance;
    if (!look) return undefined;
    const id = worker.spec.instanceId ?? worker.status?.instanceId;
    const known = id === undefined ? undefined : look.byId.get(id);
    if (known || worker.spec.instanceId !== undefined) return known ?? 'gone';
    return id === undefined ? (look.byWorker.get(worker.metadata.uid)?.[0] ?? 'gone') : 'gone';
  }

  /** Further machines that carry the worker's tag: a launch whose answer was lost was repeated before it could be seen. */
  doubles(worker: Worker): Instance[] {
    const look = this.looks.get(regionOf(this.deps, worker) ?? '');
    if (!look || worker.status?.instanceId === undefined || worker.spec.instanceId !== undefined) return [];
    return (look.byWorker.get(worker.metadata.uid) ?? []).filter(({ id }) => id !== worker.status?.instanceId);
  }

  /** Our own act on the worker's machine is about to happen (`instance` undefined), or has answered. */
  acted(worker: Worker, instance: Instance | undefined): void {
    this.acts.set(worker.metadata.uid, { at: this.deps.clock.monotonic(), instance });
    this.urgent = true;
    this.hurry();
  }

  changed(worker: Worker, instance: Instance, state: InstanceState): Instance {
    const next = { ...instance, state };
    this.acted(worker, next);
    return next;
  }

  forget(uid: string): void {
    this.acts.delete(uid);
    this.told.delete(uid);
  }

  private workers(): Worker[] {
    return this.deps.caches.workers.list().filter(({ spec }) => spec.provider === 'ec2');
  }

  private async run(wake: Wake, signal: AbortSignal): Promise<void> {
    const { clock, settings, log } = this.deps;
    while (!isOver(signal)) {
      this.urgent = false;
      for (const region of new Set(this.workers().flatMap((worker) => regionOf(this.deps, worker) ?? []))) {
        try {
          await this.look(region, signal);
        } catch (error) {
          if (!isOver(signal)) log.warn({ region, error: error instanceof Error ? error.message : String(error) }, 'the instances of a region could not be looked at');
        }
      }
      if (isOver(signal)) return;
      this.tell(wake);
      await new Promise<void>((resolve) => {
        const quick = Math.min(QUICK_MS, settings.timeouts.resync);
        const restless = this.urgent || this.workers().some(isRestless);
        let cancel = clock.setTimeout(resolve, restless ? quick : settings.timeouts.resync);
        this.hurry = () => {
          cancel();
          cancel = clock.setTimeout(resolve, quick);
          this.hurry = () => undefined;
        };
        this.wakeUp = () => {
          cancel();
          resolve();
        };
      });
    }
  }

  private async look(region: string, signal: AbortSignal): Promise<void> {
    const { clock, providers, settings } = this.deps;
    const at = clock.monotonic();
    const provider = providers.ec2(region);
    const byId = new Map((await provider.describe({ tags: clusterTags(settings.clusterId) }, { signal })).map((instance) => [instance.id, instance]));
    const tracked = this.workers().filter((worker) => regionOf(this.deps, worker) === region && worker.status?.phase !== 'Terminated');
    const missed = tracked.flatMap(({ spec, status }) => spec.instanceId ?? status?.instanceId ?? []).filter((id) => !byId.has(id));
    for (const instance of missed.length > 0 ? await provider.describe({ ids: missed }, { signal }) : []) byId.set(instance.id, instance);
    this.looks.set(region, { at, byId, byWorker: byTag([...byId.values()]) });
    await this.orphans.judge(region, [...byId.values()], signal);
  }

  private tell(wake: Wake): void {
    for (const worker of this.workers()) {
      const now = this.of(worker);
      const view = now === undefined ? undefined : JSON.stringify(now === 'gone' ? now : [now.id, now.state, now.privateIp, now.publicIp, this.doubles(worker).length]);
      if (view === undefined || view === this.told.get(worker.metadata.uid)) continue;
      this.told.set(worker.metadata.uid, view);
      wake(worker.metadata.name);
    }
  }
}

function byTag(instances: readonly Instance[]): Map<string, Instance[]> {
  const alive = instances.filter(({ state }) => state !== 'terminated' && state !== 'shutting-down');
  return Map.groupBy(alive.sort((a, b) => ((a.launchedAt ?? '') < (b.launchedAt ?? '') ? -1 : 1)), ({ tags }) => tags[TAG.workerUid] ?? '');
}

/** Asked anew each time: the term may end during any wait. */
const isOver = (signal: AbortSignal): boolean => signal.aborted;

/** Is its machine on the way to another state, as far as its status tells? */
function isRestless({ status }: Worker): boolean {
  const over = status?.instanceState === undefined || status.instanceState === 'terminated' || status.instanceState === 'gone';
  switch (status?.phase) {
    case 'Provisioning': case 'Stopping': case 'Terminating':
      return true;
    case 'Starting':
      return status.instanceState !== 'running';
    case 'Failed':
      return !over;
    default:
      return false;
  }
}
