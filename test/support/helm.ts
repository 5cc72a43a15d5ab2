/** A cluster that runs pods, the real Helm, and the world in which an installed controller works. */
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { bundleController } from '../../hack/bundle/bundle.ts';
import { startControlPlane, type ControlPlane } from '../../hack/cluster/controlplane.ts';
import { follow } from '../../hack/cluster/follow.ts';
import { startSink, type Sink } from '../../hack/demo/sink.ts';
import { helmFor, helmProgram } from '../../hack/helm/helm.ts';
import { nodePrograms, startNodes } from '../../hack/node/nodes.ts';
import { startSimulatedWorld, type SimulatedWorld, type WorldOptions } from '../../hack/sim/world.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { startFront } from '../chaos/front.ts';
import { testBinaries } from './cluster.ts';
import { eventually } from './eventually.ts';
import { PODS, type Pod } from './kube-objects.ts';
import { previousVersion, treeVersion, type Version } from './versions.ts';
import type { Informer } from '../../src/kube/informer.ts';

const SAMPLES = resolve(import.meta.dirname, '../../config/samples');
export const SYSTEM_NAMESPACE = 'lablet-system';
const RELEASE = 'lablet';
const INGEST_PORT = 8080;
/** One command of Helm; a roll takes some seconds where the machine has nothing else to do. */
const HELM_TIMEOUT = '150s';

export type Values = Readonly<Record<string, unknown>>;

export interface HelmWorld {
  readonly controlPlane: ControlPlane;
  readonly client: KubeClient;
  readonly world: SimulatedWorld;
  readonly sink: Sink;
  /** The controller's pods, as anybody sees them. */
  readonly pods: Informer<Pod>;
  readonly before: Version;
  readonly tree: Version;
  /** Values for a controller that uses this world. */
  readonly values: Values;
  /** `helm upgrade --install --wait`; the later values win. */
  install(version: Version, ...values: readonly Values[]): Promise<void>;
  /** Any other command of Helm for the release, e.g. `['rollback', '--wait']`. @returns its output */
  helm(command: readonly string[]): Promise<string>;
  /** Kinds of others that the chart has objects of with these values, without the programs that act on them. */
  defineForeignKinds(version: Version, ...values: readonly Values[]): Promise<void>;
  /** Waits until each pod that was told to end has ended. */
  drained(): Promise<void>;
  /** Tags of the images of the pods that are ready and stay. */
  tagsInService(): string[];
  /** What all pods wrote so far, those that are gone as well. */
  logs(): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts all of it; nothing is installed yet. The namespace of the controller enforces Pod Security "restricted".
 * @param scale durations of the domain are divided by this
 */
export async function startHelmWorld({ scale, ...worldOptions }: WorldOptions & { readonly scale: number }): Promise<HelmWorld> {
  const endings = new AsyncDisposableStack();
  const stop = (): Promise<void> => endings.disposeAsync();
  try {
    const directory = endings.adopt(await mkdtemp(join(tmpdir(), 'lablet-helm-')), (path) => rm(path, { recursive: true, force: true }));
    const program = join(directory, 'lablet-controller.mjs');
    await bundleController(program);
    const [before, tree] = [previousVersion(program), treeVersion(program)];

    const say = (line: string): void => void process.stderr.write(`${line}\n`);
    const binaries = await testBinaries(say);
    const [programs, helmBinary] = [await nodePrograms(process.env, say), await helmProgram(process.env, say)];
    const controlPlane = endings.adopt(await startControlPlane({ binaries }), (plane) => plane.stop());
    const { kubeconfigPath, kubectl } = controlPlane;
    const images = Object.fromEntries([before, tree].map(({ tag, image }) => [tag, image]));
    const nodes = endings.adopt(await startNodes({ programs, leash: binaries.leash, kubeconfigPath, directory: join(directory, 'nodes'), images }), (all) => all.stop());

    const client = endings.adopt(new KubeClient(await loadConnection({ kubeconfig: kubeconfigPath })), (one) => one.close());
    const pods = await follow(client, PODS, (ending) => endings.defer(ending));
    const inService = (): Pod[] => pods.list().filter(isInService);
    // What a Service does, which the nodes do not: it sends to the pods that are ready and are not to end.
    const front = endings.adopt(await startFront(() => inService().map(({ status }) => `http://${status?.podIP ?? ''}:${INGEST_PORT}/events`)), (one) => one.close());
    const world = endings.adopt(await startSimulatedWorld({ ...worldOptions, scale, eventsTo: front.url }), (one) => one.close());
    const sink = endings.adopt(await startSink(), (one) => one.close());
    await kubectl(['apply', ...['10-namespaces', '20-credentials', '40-topology'].map((name) => `--filename=${join(SAMPLES, `${name}.yaml`)}`)]);
    await kubectl(['label', 'namespace', SYSTEM_NAMESPACE, 'pod-security.kubernetes.io/enforce=restricted']);

    const helm = helmFor({ program: helmBinary, home: join(directory, 'helm'), kubeconfig: kubeconfigPath });
    const inNamespace = [`--namespace=${SYSTEM_NAMESPACE}`, `--timeout=${HELM_TIMEOUT}`];
    const logs = (): Promise<string> => podLogs(nodes.directory);
    return {
      controlPlane, client, world, sink, pods, before, tree, stop, logs,
      values: valuesFor(world, sink, scale),
      install: async ({ chart, tag }, ...values) => {
        await explained(helm(['upgrade', '--install', RELEASE, chart, '--wait', ...inNamespace, ...(await asFiles(directory, [...values, { image: { repository: 'lablet-controller', tag, digest: '' } }]))]), logs);
      },
      helm: ([command = '', ...args]) => explained(helm([command, RELEASE, ...args, ...inNamespace]), logs),
      defineForeignKinds: async ({ chart }, ...values) => {
        const rendered = await helm(['template', RELEASE, chart, '--set=crds.install=false', ...(await asFiles(directory, values))]);
        await kubectl(['apply', '--server-side', '--filename=-'], foreignKinds(rendered).map((kind) => JSON.stringify(kind)).join('\n---\n'));
      },
      drained: () => eventually(() => {
        const draining = pods.list().filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
        if (draining.length > 0) throw new Error(`still draining: ${draining.map(({ metadata }) => metadata.name).join(', ')}`);
      }),
      tagsInService: () => inService().map(({ spec }) => spec.containers[0]?.image.split(':').at(-1) ?? ''),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As a Service sees it: not while it drains, though it may still say that it is ready. */
function isInService({ metadata, status }: Pod): boolean {
  const isController = metadata.labels?.['app.kubernetes.io/component'] === 'controller';
  return isController && metadata.deletionTimestamp === undefined && status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
}

function valuesFor(world: SimulatedWorld, sink: Sink, scale: number): Values {
  return {
    cloudEvents: { sinks: [sink.url] },
    lds: { url: world.lds.url, credentialsSecret: 'lds-credentials' },
    gradingEngine: { url: world.grading.url, tokenUrl: world.grading.tokenUrl, credentialsSecret: 'grading-credentials' },
    timeouts: { archiveTtl: '24h' },
    drainSeconds: 2,
    extraEnv: [{ name: 'LABLET_DEV', value: '1' }, { name: 'TIME_SCALE', value: String(scale) }],
  };
}

let files = 0;

/** JSON is YAML. @returns arguments for Helm */
async function asFiles(directory: string, values: readonly Values[]): Promise<string[]> {
  return Promise.all(values.map(async (one) => {
    const file = join(directory, `values-${++files}.json`);
    await writeFile(file, JSON.stringify(one));
    return `--values=${file}`;
  }));
}

/** Where Helm gave up waiting, the reason is in what the pods said. */
async function explained(run: Promise<string>, logs: () => Promise<string>): Promise<string> {
  return run.catch(async (error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${(await logs()).slice(-4000)}`, { cause: error });
  });
}

async function podLogs(directory: string): Promise<string> {
  const paths = globSync('*/logs/*/*.log', { cwd: directory }).sort();
  const texts = await Promise.all(paths.map(async (path) => `--- ${path}\n${await readFile(join(directory, path), 'utf8')}`));
  return texts.join('\n');
}

const BUILT_IN = /^(v1|[a-z]+\/v[0-9a-z]+|[a-z.]+\.k8s\.io\/v[0-9a-z]+)$/;

/** A definition for each kind that neither Kubernetes nor we have; it takes every object. */
function foreignKinds(rendered: string): object[] {
  const objects = parseAllDocuments(rendered).map((document) => document.toJS() as { apiVersion: string; kind: string } | null);
  const foreign = objects.flatMap((object) => (object === null || BUILT_IN.test(object.apiVersion) ? [] : [`${object.apiVersion}/${object.kind}`]));
  return [...new Set(foreign)].map((name) => {
    const [group = '', version = '', kind = ''] = name.split('/');
    const singular = kind.toLowerCase();
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    return {
      apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${singular}s.${group}` },
      spec: { group, scope: 'Namespaced', names: { kind, singular, plural: `${singular}s` }, versions: [{ name: version, served: true, storage: true, schema }] },
    };
  });
}
