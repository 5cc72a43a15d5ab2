/** Runs a soak: sessions come as long as there is room, blows hit them, and the world is looked at when all is over. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LABLET_SESSIONS, LABS, SCORE_REPORTS, WORKERS } from '../../src/api/kinds.ts';
import type { Lab } from '../../src/api/lab.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { ScoreReport } from '../../src/api/scorereport.ts';
import type { Worker } from '../../src/api/worker.ts';
import { isSettled } from '../../hack/demo/expect.ts';
import type { Delivery } from '../../hack/demo/sink.ts';
import type { Stack } from '../../hack/demo/stack.ts';
import type { SimulatedWorld } from '../../hack/sim/world.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { NotFoundError } from '../../src/kube/errors.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { writesBy } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack } from '../support/stack.ts';
import { DEFINITION, NAMESPACE, sessionManifest, SESSIONS_PER_WORKER, workerName, worldManifests } from './manifests.ts';
import { plan, SCRIPT, type Planned } from './plan.ts';

/** Durations of the domain are divided by this: a no-show is given up after 12 s, an archive kept for 3 min. */
const TIME_SCALE = 20;
/** After this long without the end of a session the soak gives up waiting, and says what hangs. */
const STALL_MS = 150_000;
const POLL_MS = 100;
/** Sessions that wait for a place, for each that has one: the scheduler has to choose, and nobody waits for 45 min of the domain. */
const CROWD = 1.25;

export interface SoakOptions {
  readonly sessions: number;
  readonly workers: number;
  readonly seed: string;
  /** Receives a line now and then. */
  readonly report?: (line: string) => void;
}

/** Everything that a soak is judged by. */
export interface SoakOutcome {
  readonly planned: readonly Planned[];
  /** As they were last seen, by name; those that were deleted too. */
  readonly sessions: ReadonlyMap<string, LabletSession>;
  /** Names of the sessions whose objects are gone. */
  readonly gone: ReadonlySet<string>;
  readonly deliveries: readonly Delivery[];
  readonly reports: readonly ScoreReport[];
  readonly labs: readonly Lab[];
  readonly workers: readonly Worker[];
  readonly titlesOnHosts: readonly string[];
  readonly portClashes: number;
  readonly ldsSessions: Awaited<ReturnType<SimulatedWorld['ldsSessions']>>;
  /** Status writes of sessions that the API server has answered, by name of the session; refused ones count. */
  readonly writes: ReadonlyMap<string, number>;
  /** How many of them were refused, since somebody else had written. */
  readonly conflicts: number;
  /** Lines of the controller's log that tell of what it did not expect. */
  readonly errors: readonly string[];
}

/** Plays a soak on a control plane of its own, and ends all that it started. */
export async function runSoak({ sessions, workers, seed, report = () => undefined }: SoakOptions): Promise<SoakOutcome> {
  const planned = plan(sessions, seed);
  const world = await startTestStack({
    world: { cml: workers, seed: `soak-${seed}`, bootDelay: '10s', scale: TIME_SCALE, script: SCRIPT },
    environment: { TIME_SCALE: String(TIME_SCALE), LABLET_DEV: '1' },
  });
  const { controlPlane, stack } = world;
  const client = new KubeClient(await loadConnection({ kubeconfig: controlPlane.kubeconfigPath }));
  try {
    await stack.applySamples('{10,20,40}-*.yaml');
    await controlPlane.kubectl(['apply', '--filename=-'], worldManifests(stack.world.cml.map(({ url }) => url)).map((object) => JSON.stringify(object)).join('\n---\n'));
    await controlPlane.kubectl(['wait', 'labletdefinition', DEFINITION, `--namespace=${NAMESPACE}`, '--for=condition=Ready', '--timeout=60s']);
    await controlPlane.kubectl(['wait', 'worker', '--all', '--for=jsonpath={.status.phase}=Running', '--timeout=60s']);
    const crowd = new Crowd(client, stack, planned);
    await crowd.play(Math.ceil(workers * SESSIONS_PER_WORKER * CROWD), report);
    // The last Labs and capacities are given back in their own time; what never is, the judgement names.
    await eventually(async () => {
      if ((await client.list<Lab>(LABS)).items.length > 0 || (await client.list<Worker>(WORKERS)).items.some(({ status }) => status?.sessions !== 0)) throw new Error('not yet');
    }).catch(() => undefined);
    const written = writesBy('system:serviceaccount:lablet-system:lablet-controller', controlPlane.auditLog).filter(({ resource }) => resource === 'labletsessions/status');
    return {
      planned, sessions: crowd.seen, gone: crowd.gone, deliveries: stack.sink.deliveries,
      reports: (await client.list<ScoreReport>(SCORE_REPORTS)).items,
      labs: (await client.list<Lab>(LABS)).items,
      workers: (await client.list<Worker>(WORKERS)).items,
      titlesOnHosts: (await stack.world.labsOnHosts()).flat().map(({ title }) => title),
      portClashes: (await stack.world.portClashes()).length,
      ldsSessions: await stack.world.ldsSessions(),
      writes: new Map([...Map.groupBy(written, ({ name }) => name ?? '')].map(([name, same]) => [name, same.length])),
      conflicts: written.filter(({ code }) => code === 409).length,
      errors: (await stack.controller.log()).split('\n').filter((line) => /"level":"(error|fatal)"/.test(line)),
    };
  } finally {
    await client.close();
    await world.stop();
  }
}

/** The sessions of a soak, from their creation to their end. */
class Crowd {
  readonly seen = new Map<string, LabletSession>();
  readonly gone = new Set<string>();
  private readonly client: KubeClient;
  private readonly stack: Stack;
  private readonly planned: readonly Planned[];
  private readonly struck = new Map<string, Promise<void>>();

  constructor(client: KubeClient, stack: Stack, planned: readonly Planned[]) {
    this.client = client;
    this.stack = stack;
    this.planned = planned;
    const byName = new Map(planned.map((one) => [one.name, one]));
    stack.sessions.onChange((old, next) => {
      const one = byName.get((next ?? old)?.metadata.name ?? '');
      if (!one) return;
      if (next) this.seen.set(one.name, next);
      else this.gone.add(one.name);
      this.strike(one, next);
    });
  }

  /** Creates all sessions, never more than `room` that are not over, and resolves when all are over or nothing moves any more. */
  async play(room: number, report: (line: string) => void): Promise<void> {
    let created = 0;
    let over = -1;
    let movedAt = performance.now();
    while (over < this.planned.length && performance.now() - movedAt < STALL_MS) {
      const now = this.planned.slice(0, created).filter((one) => this.isOver(one)).length;
      if (now !== over) {
        over = now;
        movedAt = performance.now();
      }
      for (const one of this.planned.slice(created, Math.min(over + room, created + 4))) {
        await this.client.create(LABLET_SESSIONS, sessionManifest(one), { namespace: NAMESPACE });
        created += 1;
      }
      if (Math.floor(performance.now() / 10_000) !== Math.floor((performance.now() - POLL_MS) / 10_000)) report(`${over} of ${this.planned.length} sessions are over, ${created - over} are live`);
      await sleep(POLL_MS);
    }
    await Promise.all(this.struck.values());
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
    const index = this.stack.world.cml.findIndex((_, position) => workerName(position) === worker);
    const host = this.stack.world.cml[index];
    const lab = (await this.stack.world.labsOnHosts())[index]?.find(({ title }) => title === labName);
    if (host && lab) await this.stack.world.loseLab(host, lab.id);
  }
}
