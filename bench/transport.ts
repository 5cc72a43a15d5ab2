/**
 * Status patches through the pooled client, beside the same loop through client-node's own transport, on one API server in one run.
 *
 *   node bench/transport.ts [--kubeconfig FILE] [--calls 600] [--concurrency 16]
 *
 * Without a kubeconfig it starts an embedded control plane of its own. Prints operations a second, CPU milliseconds a call of this
 * process, and the two ratios; wall times depend on the machine, the ratios hardly do.
 */
import { parseArgs } from 'node:util';
import { AppsV1Api, KubeConfig, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { embeddedBinaries } from '../hack/cluster/binaries.ts';
import { startControlPlane } from '../hack/cluster/controlplane.ts';
import { KubeClient } from '../src/kube/client.ts';
import { loadConnection } from '../src/kube/kubeconfig.ts';
import type { KubeObject, Resource } from '../src/kube/types.ts';

interface Figures {
  opsPerSecond: number;
  cpuMsPerCall: number;
  rssMiB: number;
}

const { values } = parseArgs({
  options: { kubeconfig: { type: 'string' }, calls: { type: 'string', default: '600' }, concurrency: { type: 'string', default: '16' } },
});
const calls = Number(values.calls);
const concurrency = Number(values.concurrency);

/** Any kind with a status subresource would do: nobody reconciles these Deployments, they ask for no replicas. */
interface Deployment extends KubeObject {
  spec: object;
}
const DEPLOYMENTS: Resource<Deployment> = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true };
const names = Array.from({ length: concurrency }, (_, index) => `bench-transport-${index}`);
const statusOf = (call: number): object => ({ status: { conditions: [{ type: 'Bench', status: 'True', reason: `Call${call}`, message: 'x'.repeat(500) }] } });

/** Runs the calls, `concurrency` at a time, each worker on an object of its own so that no patch waits for another. */
async function measure(patch: (name: string, call: number) => Promise<unknown>): Promise<Figures> {
  for (const name of names) await patch(name, -1);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(
    names.map(async (name, worker) => {
      for (let call = worker; call < calls; call += concurrency) await patch(name, call);
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  return { opsPerSecond: calls / seconds, cpuMsPerCall: (used.user + used.system) / 1000 / calls, rssMiB: process.memoryUsage().rss / 2 ** 20 };
}

async function compare(kubeconfig: string): Promise<void> {
  const client = new KubeClient(await loadConnection({ kubeconfig }));
  const labels = { app: 'bench-transport' };
  for (const name of names) {
    const template = { metadata: { labels }, spec: { containers: [{ name: 'none', image: 'none' }] } };
    await client.create(DEPLOYMENTS, { metadata: { name, namespace: 'default', labels }, spec: { replicas: 0, paused: true, selector: { matchLabels: labels }, template } });
  }
  try {
    const pooled = await measure((name, call) => client.mergePatch(DEPLOYMENTS, name, 'default', statusOf(call), { subresource: 'status' }));
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const apps = config.makeApiClient(AppsV1Api);
    const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const plain = await measure((name, call) => apps.patchNamespacedDeploymentStatus({ name, namespace: 'default', body: statusOf(call) }, merge));
    report('pooled client', pooled);
    report('client-node', plain);
    process.stdout.write(`ratio: ${(pooled.opsPerSecond / plain.opsPerSecond).toFixed(2)} × the operations, ${(pooled.cpuMsPerCall / plain.cpuMsPerCall).toFixed(2)} × the CPU a call\n`);
  } finally {
    for (const name of names) await client.delete(DEPLOYMENTS, name, 'default');
    await client.close();
  }
}

function report(name: string, { opsPerSecond, cpuMsPerCall, rssMiB }: Figures): void {
  process.stdout.write(`${name.padEnd(14)} ${opsPerSecond.toFixed(0).padStart(5)} patches/s  ${cpuMsPerCall.toFixed(2)} ms CPU a call  ${rssMiB.toFixed(0)} MiB resident\n`);
}

if (values.kubeconfig === undefined) {
  const plane = await startControlPlane({ binaries: await embeddedBinaries(process.env, (line) => void process.stderr.write(`${line}\n`)) });
  try {
    await compare(plane.kubeconfigPath);
  } finally {
    await plane.stop();
  }
} else {
  await compare(values.kubeconfig);
}
// client-node keeps its connections for some seconds after the last call.
process.exit(0);
