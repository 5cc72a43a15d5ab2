/** Status patches through the pooled client, beside the same loop through client-node's own transport, on one API server in one run. */
import { AppsV1Api, KubeConfig, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { startControlPlane } from '../../hack/cluster/controlplane.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import type { KubeObject, Resource } from '../../src/kube/types.ts';
import { atMost, type Bench } from '../support/row.ts';
import { benchBinaries } from '../support/world.ts';

interface Figures {
  opsPerSecond: number;
  cpuMsPerCall: number;
  rssMiB: number;
}

const CONCURRENCY = 16;
const CALLS = 600;

/** Any kind with a status subresource would do: nobody reconciles these Deployments, they ask for no replicas. */
interface Deployment extends KubeObject {
  spec: object;
}
const DEPLOYMENTS: Resource<Deployment> = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true };
const names = Array.from({ length: CONCURRENCY }, (_, index) => `bench-transport-${index}`);
const statusOf = (call: number): object => ({ status: { conditions: [{ type: 'Bench', status: 'True', reason: `Call${call}`, message: 'x'.repeat(500) }] } });

/** Runs the calls, `concurrency` at a time, each worker on an object of its own so that no patch waits for another. */
async function measure(patch: (name: string, call: number) => Promise<unknown>): Promise<Figures> {
  for (const name of names) await patch(name, -1);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(
    names.map(async (name, worker) => {
      for (let call = worker; call < CALLS; call += CONCURRENCY) await patch(name, call);
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  return { opsPerSecond: CALLS / seconds, cpuMsPerCall: (used.user + used.system) / 1000 / CALLS, rssMiB: process.memoryUsage().rss / 2 ** 20 };
}

export const transport: Bench = {
  name: 'transport',
  async run(_size, say) {
    const plane = await startControlPlane({ binaries: await benchBinaries(say) });
    const client = new KubeClient(await loadConnection({ kubeconfig: plane.kubeconfigPath }));
    try {
      const labels = { app: 'bench-transport' };
      for (const name of names) {
        const template = { metadata: { labels }, spec: { containers: [{ name: 'none', image: 'none' }] } };
        await client.create(DEPLOYMENTS, { metadata: { name, namespace: 'default', labels }, spec: { replicas: 0, paused: true, selector: { matchLabels: labels }, template } });
      }
      const pooled = await measure((name, call) => client.mergePatch(DEPLOYMENTS, name, 'default', statusOf(call), { subresource: 'status' }));
      const config = new KubeConfig();
      config.loadFromFile(plane.kubeconfigPath);
      const apps = config.makeApiClient(AppsV1Api);
      const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
      const plain = await measure((name, call) => apps.patchNamespacedDeploymentStatus({ name, namespace: 'default', body: statusOf(call) }, merge));
      say(told('pooled client', pooled));
      say(told('client-node', plain));
      return [
        atMost('CPU of a status patch, pooled client ÷ client-node', pooled.cpuMsPerCall / plain.cpuMsPerCall, '×', 0.5),
        atMost('time of a status patch, pooled client ÷ client-node', plain.opsPerSecond / pooled.opsPerSecond, '×', 0.8),
      ];
    } finally {
      await client.close();
      await plane.stop();
    }
  },
};

const told = (name: string, { opsPerSecond, cpuMsPerCall, rssMiB }: Figures): string => `${name.padEnd(14)} ${opsPerSecond.toFixed(0).padStart(5)} patches/s  ${cpuMsPerCall.toFixed(2)} ms CPU a call  ${rssMiB.toFixed(0)} MiB resident`;
