/** What a host is, whatever is bound to it: the part of the scheduler's view that Worker and WorkerTemplate tell alone. */
import { DEFAULT_PORT_RANGE } from './ports.ts';
import { nodeLimitOf, offerOf } from './worker-capacity.ts';
import type { Worker, WorkerTemplate } from '../api/worker.ts';
import type { WorkerSnapshot } from './scheduling.ts';

type Host = Pick<WorkerSnapshot, 'name' | 'phase' | 'provider' | 'license' | 'nodeLimit' | 'declared' | 'portRange' | 'imageName' | 'cmlVersion' | 'nodeDefinitions' | 'nestedVirtualization'>;

/** Without its template a worker offers what its overrides say, else nothing. */
export function hostOf({ metadata, spec, status }: Worker, template: WorkerTemplate | undefined): Host {
  const offer = offerOf(spec, template?.spec);
  return {
    name: metadata.name,
    phase: status?.phase ?? 'Pending',
    provider: spec.provider,
    license: status?.license?.product,
    nodeLimit: offer ? nodeLimitOf(offer, status?.license) : 0,
    declared: offer?.resources ?? { cpu: 0, memory: 0, storage: 0 },
    portRange: offer?.ports ?? DEFAULT_PORT_RANGE,
    imageName: status?.imageName,
    cmlVersion: status?.cmlVersion,
    nodeDefinitions: status?.nodeDefinitions && new Set(status.nodeDefinitions),
    // A static host says it itself; on EC2 only bare-metal types can (contract §3.3).
    nestedVirtualization: spec.provider === 'static' ? status?.nestedVirtualization === true : /\.metal(-|$)/.test(template?.spec.instanceType ?? ''),
  };
}
