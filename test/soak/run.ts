/** Runs a soak: sessions come as long as there is room, blows hit them, and the world is looked at when all is over. */
import type { Delivery } from '../../hack/demo/sink.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { writesBy } from '../support/audit.ts';
import { startTestStack } from '../support/stack.ts';
import { Crowd, type Remains } from './crowd.ts';
import { DEFINITION, NAMESPACE, SESSIONS_PER_WORKER, worldManifests } from './manifests.ts';
import { plan, SCRIPT } from './plan.ts';

/** Durations of the domain are divided by this: a no-show is given up after 12 s, an archive kept for 3 min. */
const TIME_SCALE = 20;
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
export interface SoakOutcome extends Remains {
  readonly deliveries: readonly Delivery[];
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
    const crowd = new Crowd({ client, sessions: stack.sessions, world: stack.world }, planned);
    await crowd.play({ room: Math.ceil(workers * SESSIONS_PER_WORKER * CROWD), report });
    const remains = await crowd.remains();
    const written = writesBy('system:serviceaccount:lablet-system:lablet-controller', controlPlane.auditLog).filter(({ resource }) => resource === 'labletsessions/status');
    return {
      ...remains, deliveries: stack.sink.deliveries,
      writes: new Map([...Map.groupBy(written, ({ name }) => name ?? '')].map(([name, same]) => [name, same.length])),
      conflicts: written.filter(({ code }) => code === 409).length,
      errors: (await stack.controller.log()).split('\n').filter((line) => /"level":"(error|fatal)"/.test(line)),
    };
  } finally {
    await client.close();
    await world.stop();
  }
}
