/** The machine of a Worker (ec2): which provider has it, and what its instance means to a decision. */
import { StaticProvider } from '../../clients/provider/static.ts';
import type { Worker, WorkerTemplate } from '../../api/worker.ts';
import type { Instance, WorkerProvider } from '../../clients/provider/port.ts';
import type { InstanceFacts } from '../../core/worker-world.ts';
import type { Deps } from '../deps.ts';

/** Region of the machine of an ec2 worker; undefined: a static worker, or its template is not there. */
export function regionOf({ caches }: Pick<Deps, 'caches'>, { spec }: Worker): string | undefined {
  return spec.provider === 'ec2' ? caches.templates.get(spec.templateName)?.spec.region : undefined;
}

/** Who has the machine of a worker; undefined: nobody knows where it would be, since its template is not there. */
export function providerOf(deps: Pick<Deps, 'caches' | 'providers'>, worker: Worker): WorkerProvider | undefined {
  const { provider, endpoint } = worker.spec;
  if (provider === 'static') return new StaticProvider(new Map(endpoint === undefined ? [] : [[worker.metadata.uid, endpoint]]));
  const region = regionOf(deps, worker);
  return region === undefined ? undefined : deps.providers.ec2(region);
}

/** What a decision may know of an instance: its CML is at the address, scheme and port that the template says. */
export function factsOf(instance: Instance, template: WorkerTemplate | undefined): InstanceFacts {
  const { scheme, port, address: which } = template?.spec.endpoint ?? { scheme: 'https', port: 443, address: 'Private' };
  const address = which === 'Public' ? instance.publicIp : instance.privateIp;
  const standard = (scheme === 'https' && port === 443) || (scheme === 'http' && port === 80);
  return {
    id: instance.id, state: instance.state,
    ...(instance.imageId === undefined ? {} : { imageId: instance.imageId }),
    ...(address === undefined ? {} : { address, endpoint: `${scheme}://${address}${standard ? '' : `:${port}`}` }),
  };
}
