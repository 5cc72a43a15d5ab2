/** Kinds of Kubernetes' own that tests of the generic parts use, and a client with the administrator's rights. */
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import type { KubeObject, NewObject, Resource } from '../../src/kube/types.ts';

export interface ConfigMap extends KubeObject {
  data?: Record<string, string> | undefined;
}
export const CONFIG_MAPS: Resource<ConfigMap> = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true };

/** Only what the tests read. Where there are no nodes nothing runs pods, and their status is ours. */
export interface Pod extends KubeObject {
  spec: { containers: { name: string; image: string }[] };
  status?: PodStatus | undefined;
}
export interface PodStatus {
  phase?: string;
  podIP?: string;
  conditions?: { type: string; status: string }[];
  message?: string;
  reason?: string;
}
export const PODS: Resource<Pod> = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true };

/** A pod that no node will run. */
export function idlePod(name: string, namespace: string): NewObject<Pod> {
  return { metadata: { name, namespace }, spec: { containers: [{ name: 'idle', image: 'idle' }] } };
}

/** A client for the cluster of `kubeconfigPath`; close it in the end. */
export async function clientFor(kubeconfigPath: string): Promise<KubeClient> {
  return new KubeClient(await loadConnection({ kubeconfig: kubeconfigPath }));
}
