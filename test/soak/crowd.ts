/** The sessions of a soak, from their creation to their end, and a look at all that they leave. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LABLET_SESSIONS, LABS, SCORE_REPORTS, WORKERS } from '../../src/api/kinds.ts';
import type { Lab } from '../../src/api/lab.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { ScoreReport } from '../../src/api/scorereport.ts';
import type { Worker } from '../../src/api/worker.ts';
import { isSettled } from '../../hack/demo/expect.ts';
import type { SimulatedWorld } from '../../hack/sim/world.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { NotFoundError } from '../../src/kube/errors.ts';
import type { Informer } from '../../src/kube/informer.ts';
import { eventually } from '../support/eventually.ts';
import { NAMESPACE, sessionManifest, workerName } from './manifests.ts';
import type { Planned } from './plan.ts';

/** After this long without the end of a session nothing is waited for any more; what hangs, the judgement names. */
const STALL_MS = 150_000;
const POLL_MS = 100;

/** Where the sessions live. */
export interface CrowdWorld {
  /** As the administrator. */
  readonly client: KubeClient;
  readonly sessions: Informer<LabletSession>;
  readonly world: SimulatedWorld;
}

/** What is there when all sessions are over. */
export interface Remains {
  readonly planned: readonly Planned[];
  /** As they were last seen, by name; those that were deleted too. */
  readonly sessions: ReadonlyMap<string, LabletSession>;
  /** Names of the sessions whose objects are gone. */
  readonly gone: ReadonlySet<string>;
  readonly reports: readonly ScoreReport[];
  readonly labs: readonly Lab[];
  readonly workers: readonly Worker[];
  readonly titlesOnHosts: readonly string[];
  readonly portClashes: number;
  readonly ldsSessions: Awaited<ReturnType<SimulatedWorld['ldsSessions']>>;
}

/** The sessions of a soak, from their creation to their end. */
export class Crowd {
  readonly seen = new Map<string, LabletSession>();
  readonly gone = new Set<string>();
  private readonly client: KubeClient;
  private readonly world: CrowdWorld['world'];
  private readonly planned: readonly Planned[];
  private readonly struck = new Map<string, Promise<void>>();

  constructor({ client, sessions, world }: CrowdWorld, planned: readonly Planned[]) {
    this.client = client;
    this.world = world;
    this.planned = planned;
    const byName = new Map(planned.map((one) => [one.name, one]));
    sessions.onChange((old, next) => {
      const one = byName.get((next ?? old)?.metadata.name ?? '');
      if (!one) return;
      if (next) this.seen.set(one.name, next);
      else this.gone.add(one.name);
      this.strike(one, next);
    });
  }

  /**
   * Creates all sessions, never more than `room` that are not over, and resolves when all are over or nothing moves any more.
   * @param upTo how many may have been created by now; default all
   */
  async play({ room, report, upTo = () => this.planned.length, stallMs = STALL_MS }: { room: number; report: (line: string) => void; upTo?: () => number; stallMs?: number }): Promise<void> {
    let created = 0;
    let over = -1;
    let movedAt = performance.now();
    while (over < this.planned.length && performance.now() - movedAt < stallMs) {
      const now = this.over;
      if (now !== over) {
        over = now;
        movedAt = performance.now();
      }
      for (const one of this.planned.slice(created, Math.min(over + room, created + 4, upTo()))) {
        await this.client.create(LABLET_SESSIONS, sessionManifest(one), { namespace: NAMESPACE });
        created += 1;
      }
      if (Math.floor(performance.now() / 10_000) !== Math.floor((performance.now() - POLL_MS) / 10_000)) report(`${over} of ${this.planned.length} sessions are over, ${created - over} are live`);
      await sleep(POLL_MS);
    }
    await Promise.all(this.struck.values());
  }

  /** How many are over now. */
  get over(): number {
    return this.planned.filter((one) => this.isOver(one)).length;
  }

  /** Waits until the last Labs and capacities are given back, which happens in its own time, and looks at everything; what never is, the judgement names. */
  async remains(): Promise<Remains> {
    const { client, world } = this;
    const labs = async (): Promise<Lab[]> => (await client.list<Lab>(LABS)).items;
    const workers = async (): Promise<Worker[]> => (await client.list<Worker>(WORKERS)).items;
    await eventually(async () => {
      if ((await labs()).length > 0 || (await workers()).some(({ status }) => status?.sessions !== 0)) throw new Error('not yet');
    }).catch(() => undefined);
    return {
      planned: this.planned, sessions: this.seen, gone: this.gone,
      reports: (await client.list<ScoreReport>(SCORE_REPORTS)).items,
      labs: await labs(),
      workers: await workers(),
      titlesOnHosts: (await world.labsOnHosts()).flat().map(({ title }) => title),
      portClashes: (await world.portClashes()).length,
      ldsSessions: await world.ldsSessions(),
    };
  }

  private isOver({ name, fate }: Planned): boolean {
    if (this.gone.has(name)) return true;
    const session = this.seen.get(name);
    return session !== undefined && isSettled(session) && (fate !== 'delete' || !this.struck.has(name));
  }

  /** The blow of a session that has just come to where it is meant to hit. */
  private strike(one: Planned, session: LabletSession | undefined): void {
    const { blow } = one;
    if (!blow || !session || this.struck.has(one.name) || !session.status?.history?.some(({ to }) => to === blow.phase)) return;
    const hit = sleep(blow.afterMs).then(() => this.hit(one)).catch((error: unknown) => {
      // A session that has ended in the meantime is not to be hit any more.
      if (!(error instanceof NotFoundError)) throw error;
    });
    this.struck.set(one.name, hit);
  }

  private async hit({ name, fate }: Planned): Promise<void> {
    if (fate === 'delete') await this.client.delete(LABLET_SESSIONS, name, NAMESPACE);
    else if (fate === 'lost-lab') await this.loseLab(name);
    else await this.client.mergePatch(LABLET_SESSIONS, name, NAMESPACE, { spec: { desiredState: fate === 'end' ? 'Ended' : 'Terminated' } });
  }

  private async loseLab(name: string): Promise<void> {
    const { workerName: worker, labName } = this.seen.get(name)?.status ?? {};
    const index = this.world.cml.findIndex((_, position) => workerName(position) === worker);
    const host = this.world.cml[index];
    const lab = (await this.world.labsOnHosts())[index]?.find(({ title }) => title === labName);
    if (host && lab) await this.world.loseLab(host, lab.id);
  }
}
