/** What the calendar is made of, from objects that were read once: the bookings of sessions, and the hosts. Pure. */
import { bookingOf, isAdmitted } from '../../core/booking.ts';
import { fleetOf } from '../../core/calendar-fleet.ts';
import { definitionDurations, parseResources } from '../../core/definition.ts';
import { demandOf } from '../../core/scheduling.ts';
import { TIMEOUTS } from '../../core/timeouts.ts';
import { holdsCapacity } from '../../core/worker-capacity.ts';
import { hostOf } from '../../core/worker-host.ts';
import type { Lab } from '../../api/lab.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Worker, WorkerTemplate } from '../../api/worker.ts';
import type { Booking, Fleet } from '../../core/calendar.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { Demand, WorkerSnapshot } from '../../core/scheduling.ts';
import type { Booked } from './load.ts';

/**
 * The sessions that hold or want capacity.
 * @param pinned the frozen version of a session; undefined: the definition as it is now stands in for it
 * @returns and how many of them have no definition at all
 */
export function bookedOf(sessions: readonly LabletSession[], pinned: (session: LabletSession) => PinnedDefinition | undefined, definitions: readonly LabletDefinition[], now: Date): { booked: Booked; unknown: number } {
  const bound: { booking: Booking; worker: string }[] = [];
  const [admitted, waiting]: [Booking[], Booking[]] = [[], []];
  let unknown = 0;
  const demands = new Map<string, Demand>();
  for (const session of sessions) {
    const { status, spec, metadata } = session;
    const holds = holdsCapacity(status?.phase);
    if (!holds && status?.phase !== undefined && status.phase !== 'Pending') continue;
    if (!holds && spec.desiredState !== 'Active') continue;
    const definition = pinned(session) ?? asItIs(definitions.find((one) => one.metadata.name === spec.definitionRef.name && one.metadata.namespace === metadata.namespace));
    if (!definition) {
      unknown += 1;
      continue;
    }
    // One demand for each version: the calendar tells classes of demand apart by what they need.
    const key = `${definition.namespace}/${definition.name}@${definition.version}`;
    const demand = demands.get(key) ?? demandOf(definition, parseResources(definition.spec.resources));
    demands.set(key, demand);
    const booking = bookingOf(session, { demand, durations: definitionDurations(definition.spec, 1), scale: 1 }, now);
    if (holds && status?.workerName !== undefined) bound.push({ booking, worker: status.workerName });
    else if (isAdmitted(session)) admitted.push(booking);
    else waiting.push(booking);
  }
  return { booked: { bound, admitted, waiting }, unknown };
}

/** What can be told of a definition without its frozen versions. */
function asItIs(definition: LabletDefinition | undefined): PinnedDefinition | undefined {
  if (!definition) return undefined;
  const { metadata: { name, namespace = '', uid }, spec, status } = definition;
  return { namespace, name, uid, version: spec.version, sha256: '', spec, nodeCount: status?.nodeCount ?? 0, nodeDefinitions: [], ports: status?.ports ?? [] };
}

/** The hosts as the controller counts on them; MAX_WORKERS of the installation is not known here, only what each template allows. */
export function fleetFrom({ workers, templates, labs, definitions }: { workers: readonly Worker[]; templates: readonly WorkerTemplate[]; labs: readonly Lab[]; definitions: readonly LabletDefinition[] }, now: Date): Fleet {
  const templateOf = new Map(templates.map((template) => [template.metadata.name, template]));
  return fleetOf({
    workers, templates,
    template: (name) => templateOf.get(name),
    workersOf: (template) => workers.filter(({ spec }) => spec.templateName === template),
    snapshot: (worker) => emptyHost(worker, templateOf.get(worker.spec.templateName)),
    kept: (worker) => keptOn(worker, workers, labs, definitions),
  }, { maxWorkers: Infinity, workerUnreachable: TIMEOUTS.workerUnreachable, scale: 1 }, now).fleet;
}

/** The calendar asks what a host offers, and counts for itself what is taken. */
const emptyHost = (worker: Worker, template: WorkerTemplate | undefined): WorkerSnapshot => ({
  ...hostOf(worker, template), schedulable: true, draining: false, used: { cpu: 0, memory: 0, storage: 0, nodes: 0 }, sessions: 0, takenPorts: new Set(), reusableLabs: [],
});

function keptOn(name: string, workers: readonly Worker[], labs: readonly Lab[], definitions: readonly LabletDefinition[]): { storage: number; ports: number } {
  const kept = { storage: 0, ports: workers.find(({ metadata }) => metadata.name === name)?.status?.foreignPorts?.length ?? 0 };
  for (const { spec } of labs) {
    if (spec.workerName !== name || spec.sessionRef) continue;
    kept.ports += spec.ports.length;
    const definition = spec.source === 'WarmPool' ? definitions.find(({ metadata }) => metadata.name === spec.definitionRef.name && metadata.namespace === spec.definitionRef.namespace) : undefined;
    if (definition) kept.storage += parseResources(definition.spec.resources).storage;
  }
  return kept;
}
