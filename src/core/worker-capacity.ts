/**
 * What a worker offers, and what is taken of it: always derived from the sessions and labs that are bound to it, never
 * counted up and down (contract §1.4), so that no crash can leave it wrong.
 */
import { parseResources } from './definition.ts';
import { DEFAULT_PORT_RANGE, freeCount } from './ports.ts';
import { formatBytes, formatCpu } from './quantity.ts';
import type { SessionPhase } from '../api/labletsession.ts';
import type { WorkerSpec, WorkerStatus, WorkerTemplateSpec } from '../api/worker.ts';
import type { Resources } from './definition.ts';
import type { PortRange } from './ports.ts';

/** Capacity is held from Scheduled through Stopping and given back at Stopped (contract §3.6). */
const HOLDING_PHASES: readonly SessionPhase[] = ['Scheduled', 'Instantiating', 'Ready', 'Running', 'Collecting', 'Grading', 'Stopping'];

const HOLDING: ReadonlySet<string> = new Set(HOLDING_PHASES);

/** Does a session in this phase hold capacity of its worker? */
export const holdsCapacity = (phase: string | undefined): boolean => phase !== undefined && HOLDING.has(phase);

/** What a host offers by its template and its own overrides. */
export interface Offer {
  resources: Resources;
  /** Most nodes, before the licence has its say. */
  maxNodes: number;
  ports: PortRange;
}

/** The overrides of the worker before its template; undefined where neither says it: the template is missing. */
export function offerOf(spec: WorkerSpec, template: WorkerTemplateSpec | undefined): Offer | undefined {
  const capacity = spec.overrides?.capacity ?? template?.capacity;
  const maxNodes = spec.overrides?.maxNodes ?? template?.maxNodes;
  if (capacity === undefined || maxNodes === undefined) return undefined;
  return { resources: parseResources(capacity), maxNodes, ports: spec.overrides?.portRange ?? template?.portRange ?? DEFAULT_PORT_RANGE };
}

/** The smaller of what the template and the licence allow (contract §7). */
export const nodeLimitOf = (offer: Offer, license: WorkerStatus['license']): number => Math.min(offer.maxNodes, license?.nodeLimit ?? Infinity);

export interface Usage extends Resources {
  nodes: number;
}

/** What sessions need together. */
export function sumDemands(demands: Iterable<{ readonly resources: Resources; readonly nodeCount: number }>): Usage {
  const sum: Usage = { cpu: 0, memory: 0, storage: 0, nodes: 0 };
  for (const { resources, nodeCount } of demands) {
    sum.cpu += resources.cpu;
    sum.memory += resources.memory;
    sum.storage += resources.storage;
    sum.nodes += nodeCount;
  }
  return sum;
}

export type CapacityStatus = NonNullable<WorkerStatus['capacity']>;

/** The capacity as the status shows it. `available` may be negative after an override was lowered: that is the truth. */
export function capacityStatus(offer: Offer, nodeLimit: number, used: Usage, taken: ReadonlySet<number>): CapacityStatus {
  const { resources, ports } = offer;
  const range = ports.end - ports.start + 1;
  const free = freeCount(ports, taken);
  return {
    declared: amounts({ ...resources, nodes: nodeLimit }, range),
    allocated: amounts(used, range - free),
    available: amounts(
      { cpu: resources.cpu - used.cpu, memory: resources.memory - used.memory, storage: resources.storage - used.storage, nodes: nodeLimit - used.nodes },
      free,
    ),
  };
}

function amounts({ cpu, memory, storage, nodes }: Usage, ports: number): CapacityStatus['declared'] {
  return { cpu: formatCpu(cpu), memory: formatBytes(memory), storage: formatBytes(storage), nodes, ports };
}
