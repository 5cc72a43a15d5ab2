/** The demo on a cluster that is not its own (CLUSTER=current): it takes nothing that is there, and leaves as it came. */
import type { Kubectl } from '../cluster/kubectl.ts';
import { NAMESPACE } from './candidates.ts';

const SYSTEM_NAMESPACE = 'lablet-system';

/** Something of ours, or of the same name, is in the cluster already. */
class ClusterInUseError extends Error {
  override readonly name = 'ClusterInUseError';
}

/** @throws ClusterInUseError if the cluster has a namespace of the samples: its objects must not be changed or removed */
export async function refuseIfInUse(kubectl: Kubectl): Promise<void> {
  const found = (await kubectl(['get', 'namespace', NAMESPACE, SYSTEM_NAMESPACE, '--ignore-not-found', '--output=name'])).trim();
  if (found !== '') throw new ClusterInUseError(`your cluster has ${found.split('\n').join(' and ')} already; the demo makes and removes them, so remove them first or leave CLUSTER unset`);
}

/** Removes what the samples made, while the controller is still there to tear it down. The CRDs and the RBAC rules stay. */
export async function removeSamples(kubectl: Kubectl): Promise<void> {
  const remove = async (...what: string[]): Promise<void> => {
    await kubectl(['delete', ...what, '--ignore-not-found', '--timeout=60s']);
  };
  await remove('labletsessions,scorereports,labletdefinitions', '--all', `--namespace=${NAMESPACE}`);
  await remove('worker', 'onprem-cml-01');
  await remove('workertemplate', 'onprem');
  await remove('namespace', NAMESPACE);
  await remove('namespace', SYSTEM_NAMESPACE);
}
