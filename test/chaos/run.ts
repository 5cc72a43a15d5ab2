/**
 * A chaos run: sessions of every fate go their way while the sink answers as it likes, LDS and GradingEngine send twice,
 * late and out of order, and the two replicas of the controller are killed, replaced and cut off.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundleController } from '../../hack/bundle/bundle.ts';
import { leashProgram } from '../../hack/cluster/binaries.ts';
import type { ControlPlane } from '../../hack/cluster/controlplane.ts';
import { follow } from '../../hack/cluster/follow.ts';
import { outside } from '../../hack/demo/controller.ts';
import { startSimulatedWorld, type SimulatedWorld } from '../../hack/sim/world.ts';
import type { ScriptInput } from '../../hack/sim/common/script.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS } from '../../src/api/kinds.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import type { LabletDefinition } from '../../src/api/labletdefinition.ts';
import { Crowd } from '../soak/crowd.ts';
import { DEFINITION, NAMESPACE, SESSIONS_PER_WORKER, worldManifests } from '../soak/manifests.ts';
import { plan } from '../soak/plan.ts';
import { privateControlPlane } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { drawBlows, strike, type Blow } from './blows.ts';
import { Fleet } from './fleet.ts';
import { startFront } from './front.ts';
import { chaosProblems, type ChaosOutcome } from './judge.ts';
import { MoodySink } from './sink.ts';

const CONFIG = resolve(import.meta.dirname, '../../config');
const SYSTEM = 'lablet-system';
const CONTROLLER = 'lablet-controller';
/** Share of the events of LDS and GradingEngine that are sent twice, held back, overtaken by the next. */
const EVENT_FAULTS = { duplicate: 0.1, delay: 0.1, reorder: 0.1 };
const NO_SHOW_TIMEOUT = '6m';
/** After this long without the end of a session nothing more is waited for: the longest limit of a run is shorter. */
const STALL_MS = 300_000;
/** A look may fall between a transition and its event. */
const LOOK_AGAIN_MS = 60_000;
const POLL_MS = 50;

const SCRIPT: ScriptInput = {
  lds: [{ candidate: 'no-show-*', noShow: true }, { candidate: '*', startAfter: '8s', endAfter: '12s' }],
  grading: [
    { candidate: 'fail-score-*', score: 41, maxScore: 100, cutScore: 60, after: '8s' },
    { candidate: 'grading-failure-*', fail: 'the devices could not be read', after: '8s' },
    { candidate: '*', score: 87, maxScore: 100, cutScore: 60, after: '8s' },
  ],
};

export interface ChaosOptions {
  readonly sessions: number;
  readonly workers: number;
  readonly kills: number;
  readonly leaderChanges: number;
  readonly seed: string;
  /** TIME_SCALE: so large that a run ends, so small that no limit of the domain is shorter than a lease that has to run out. */
  readonly scale: number;
  /** How late a late event is, in milliseconds; later than the controller asks by itself (1 min of the domain), if it can be. */
  readonly lateMs: number;
  /** See `MoodySinkOptions`. */
  readonly maxSilences?: number;
  readonly report?: (line: string) => void;
}

/** Plays a run on a control plane of its own, and ends all that it started. */
export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const { sessions, workers, seed, scale, lateMs, maxSilences, report = () => undefined } = options;
  const endings: (() => Promise<unknown>)[] = [];
  const started = <T>(thing: T, end: (thing: T) => Promise<unknown>): T => {
    endings.push(() => end(thing));
    return thing;
  };
  try {
    const leash = await leashProgram(process.env, () => undefined);
    const directory = started(await mkdtemp(join(tmpdir(), 'lablet-chaos-')), (path) => rm(path, { recursive: true, force: true }));
    const bundle = join(directory, 'lablet-controller.mjs');
    await bundleController(bundle);
    const controlPlane = started(await privateControlPlane(), (plane) => plane.stop());
    const sink = started(await MoodySink.start({ seed, maxSilences }), (one) => one.close());
    const world = started(await startSimulatedWorld({ cml: workers, seed: `chaos-${seed}`, bootDelay: '8s', scale, eventDelayMs: lateMs, script: SCRIPT }), (one) => one.close());
    for (const site of [world.lds, world.grading]) for (const [name, rate] of Object.entries(EVENT_FAULTS)) await world.setFault(site, { name, rate });
    const client = started(new KubeClient(await loadConnection({ kubeconfig: controlPlane.kubeconfigPath })), (one) => one.close());
    const live = await follow(client, LABLET_SESSIONS, (ending) => endings.push(ending));

    await controlPlane.kubectl(['apply', ...['10-namespaces', '20-credentials', '40-topology'].map((name) => `--filename=${join(CONFIG, 'samples', `${name}.yaml`)}`), `--filename=${join(CONFIG, 'rbac')}`]);
    const fleet = started(await Fleet.start({
      leash, bundle, directory, kubeconfigPath: await controlPlane.createServiceAccountKubeconfig(SYSTEM, CONTROLLER),
      environment: environment(sink.url, world, directory, scale),
      leader: async () => (await controlPlane.kubectl(['get', 'lease', CONTROLLER, `--namespace=${SYSTEM}`, '--output=jsonpath={.spec.holderIdentity}', '--ignore-not-found'])) || undefined,
    }), (one) => one.stop());
    const front = started(await startFront(fleet.ingestUrls), (one) => one.close());
    await world.sendEventsTo(front.url);
    await furnish(controlPlane, world);

    const planned = plan(sessions, seed);
    const crowd = new Crowd({ client, sessions: live, world }, planned);
    const blows = drawBlows({ ...options, sessions: planned.length });
    const fallen: (Blow & { readonly phases: readonly string[] })[] = [];
    const over = new AbortController();
    // Sessions come as the blows fall, so that each of them meets some on their way.
    const room = workers * SESSIONS_PER_WORKER;
    const upTo = (): number => (fallen.length === blows.length ? planned.length : Math.floor((planned.length * (fallen.length + 1)) / blows.length) + room);
    const playing = crowd.play({ room, upTo, report, stallMs: STALL_MS }).finally(() => over.abort());
    const striking = (async () => {
      for (const blow of blows) {
        while (!over.signal.aborted && crowd.over < blow.afterEnded) await sleep(POLL_MS);
        await sleep(blow.pauseMs);
        if (over.signal.aborted) return;
        const phases = live.list().filter(({ status }) => status?.phase !== 'Archived' && status?.phase !== 'Terminated').map(({ status }) => status?.phase ?? 'New');
        await strike(fleet, blow);
        fallen.push({ ...blow, phases });
        report(`${fallen.length} of ${blows.length}: ${blow.what}, with ${phases.length} sessions on their way`);
      }
    })();
    await Promise.all([playing, striking]);

    const look = async (): Promise<ChaosOutcome> => ({
      ...(await crowd.remains()), writes: new Map(), conflicts: 0, errors: await fleet.errors(),
      deliveries: sink.deliveries, met: sink.met, strangers: sink.strangers, blows, fallen,
      definitions: (await client.list<LabletDefinition>(LABLET_DEFINITIONS)).items,
      inbound: await world.eventsSent(),
    });
    await eventually(async () => {
      const problems = chaosProblems(await look());
      if (problems.length > 0) throw new Error(problems[0]);
    }, LOOK_AGAIN_MS).catch(() => undefined);
    return await look();
  } finally {
    for (const end of endings.reverse()) await end();
  }
}

function environment(sink: string, world: SimulatedWorld, directory: string, scale: number): Record<string, string> {
  return {
    POD_NAMESPACE: SYSTEM,
    TIME_SCALE: String(scale),
    LABLET_DEV: '1',
    CLOUDEVENTS_SINK_URL: sink,
    ...outside({ lds: world.lds.url, grading: world.grading.url, tokenUrl: world.grading.tokenUrl, directory }),
  };
}

/** Hosts in service and the definition. */
async function furnish({ kubectl }: ControlPlane, world: SimulatedWorld): Promise<void> {
  await kubectl(['apply', '--filename=-'], worldManifests(world.cml.map(({ url }) => url), NO_SHOW_TIMEOUT).map((object) => JSON.stringify(object)).join('\n---\n'));
  await kubectl(['wait', 'labletdefinition', DEFINITION, `--namespace=${NAMESPACE}`, '--for=condition=Ready', '--timeout=120s']);
  await kubectl(['wait', 'worker', '--all', '--for=jsonpath={.status.phase}=Running', '--timeout=120s']);
}
