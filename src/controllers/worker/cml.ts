/** How a Worker's CML host is reached: its client, its address for candidates, its credentials. */
import type { Worker } from '../../api/worker.ts';
import type { CmlPort } from '../../clients/cml/port.ts';
import type { Deps } from '../deps.ts';

/** URL of the CML host: of the spec (static), or as it was found out (EC2); undefined while it is not known. */
const endpointOf = (worker: Worker): string | undefined => worker.spec.endpoint ?? worker.status?.endpoint;

/** Address that candidates and the GradingEngine reach; the host of the endpoint unless the spec says otherwise. */
export function workerAddress(worker: Worker): string {
  const endpoint = endpointOf(worker);
  return worker.spec.overrides?.address ?? worker.status?.address ?? (endpoint === undefined ? '' : new URL(endpoint).hostname);
}

/** Client of the worker's CML; undefined while its address or its credentials are not configured. */
export function cmlOf(deps: Pick<Deps, 'caches' | 'clients' | 'settings'>, worker: Worker): CmlPort | undefined {
  const endpoint = endpointOf(worker);
  const template = deps.caches.templates.get(worker.spec.templateName);
  const secret = worker.spec.overrides?.cmlCredentialsSecretRef ?? template?.spec.cmlCredentialsSecretRef;
  if (endpoint === undefined || secret === undefined) return undefined;
  return deps.clients.cml({ name: worker.metadata.name, endpoint, credentialsKey: `${deps.settings.namespace}/${secret.name}` });
}
