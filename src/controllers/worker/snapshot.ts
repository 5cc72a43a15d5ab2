/** Workers as the scheduler sees them, from the caches alone. */
import { isDeleting, objectKey } from '../../api/meta.ts';
import { ANNOTATIONS } from '../../api/group.ts';
import { labState } from '../../api/lab.ts';
import { isTrue } from '../../core/conditions.ts';
import { parseResources } from '../../core/definition.ts';
import { isUsable } from '../../core/lab-lifecycle.ts';
import { takenPorts } from '../../core/ports.ts';
import { definitionKey, demandOf } from '../../core/scheduling.ts';
import { acceptedLicenses } from '../../core/worker-health.ts';
import { holdsCapacity, offerOf, sumDemands } from '../../core/worker-capacity.ts';
import { hostOf } from '../../core/worker-host.ts';
import { INDEX } from '../deps.ts';
import type { Lab } from '../../api/lab.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Worker } from '../../api/worker.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { Demand, ReusableLab, WorkerSnapshot } from '../../core/scheduling.ts';
import type { Deps } from '../deps.ts';

interface Known {
  demand: Demand;
  definition: PinnedDefinition;
}

/**
 * What sessions need, by definition and version. Revisions are read asynchronously and a placement is decided in one
 * go, so whoever decides calls `ensure` for the sessions first and asks with `get` then. A version never changes: what
 * is kept is never stale.
 */
export class DemandCache {
  private readonly deps: Pick<Deps, 'caches' | 'revisions' | 'settings'>;
  private readonly kept = new Map<string, Known>();

  constructor(deps: Pick<Deps, 'caches' | 'revisions' | 'settings'>) {
    this.deps = deps;
  }

  /** What a session with a pinned version needs; undefined if that is not known (yet). */
  get(session: LabletSession): Demand | undefined {
    return this.known(session)?.demand;
  }

  /** The version that a session is pinned to; undefined if it is not known (yet). */
  definition(session: LabletSession): PinnedDefinition | undefined {
    return this.known(session)?.definition;
  }

  /** What sessions of a version need: the same object each time. */
  of(definition: PinnedDefinition): Demand {
    const key = `${definition.uid}/${definition.version}`;
    const known = this.kept.get(key);
    if (known) return known.demand;
    const demand = demandOf(definition, parseResources(definition.spec.resources));
    const accepting = { ...demand, licenseAffinity: acceptedLicenses(demand.licenseAffinity, this.deps.settings.licenseSuperset) };
    this.kept.set(key, { demand: accepting, definition });
    return accepting;
  }

  /** As `get`, and reads the version where it was not read before. Undefined: there is no such version. */
  async ensure(session: LabletSession, signal: AbortSignal): Promise<Demand | undefined> {
    const version = this.versionOf(session);
    if (!version) return undefined;
    const kept = this.kept.get(version.key);
    if (kept) return kept.demand;
    const frozen = await this.deps.revisions.get(version.definition, version.version, signal);
    return frozen && this.of(frozen.definition);
  }

  private known(session: LabletSession): Known | undefined {
    const version = this.versionOf(session);
    return version && this.kept.get(version.key);
  }

  private versionOf(session: LabletSession) {
    const version = session.status?.definitionVersion;
    const namespace = session.metadata.namespace ?? '';
    const { name } = session.spec.definitionRef;
    const uid = this.deps.caches.definitions.get(`${namespace}/${name}`)?.metadata.uid;
    return version === undefined || uid === undefined ? undefined : { key: `${uid}/${version}`, definition: { namespace, name, uid }, version };
  }
}

/** The sessions that hold capacity of a worker. */
export function boundSessions(deps: Pick<Deps, 'caches'>, workerName: string): LabletSession[] {
  return deps.caches.sessions.byIndex(INDEX.sessionsByWorker, workerName).filter((session) => holdsCapacity(session.status?.phase));
}

/** Bound sessions of which nobody knows what they need: until that is known, nothing more may be placed beside them. */
export function unknownDemands(deps: Pick<Deps, 'caches'>, workerName: string, demands: Pick<DemandCache, 'get'>): string[] {
  return boundSessions(deps, workerName).filter((session) => !demands.get(session)).map(objectKey);
}

/** A worker with what is bound to it by the caches. The scheduler adds its own placements that the caches do not show yet. */
export function workerSnapshot(deps: Pick<Deps, 'caches'>, worker: Worker, demands: Pick<DemandCache, 'get'>): WorkerSnapshot {
  const { name } = worker.metadata;
  const { spec, status } = worker;
  const template = deps.caches.templates.get(spec.templateName);
  const offer = offerOf(spec, template?.spec);
  const sessions = boundSessions(deps, name);
  const known = sessions.flatMap((session) => demands.get(session) ?? []);
  const labs = deps.caches.labs.byIndex(INDEX.labsByWorker, name);
  const used = sumDemands(known);
  used.storage += keptBy(deps, name).storage;
  return {
    ...hostOf(worker, template),
    schedulable: offer !== undefined && isTrue(status, 'Schedulable') && status?.unreachableSince === undefined && known.length === sessions.length,
    // The spec, too: nothing is placed between a person's wish and the pass that obeys it.
    draining: status?.phase === 'Draining' || spec.desiredState !== 'Running' || status?.drain !== undefined || isDeleting(worker),
    used,
    sessions: sessions.length,
    takenPorts: takenPorts(labs.map((lab) => lab.spec), status?.foreignPorts),
    reusableLabs: labs.flatMap((lab) => reusableLab(deps, lab) ?? []),
  };
}

/** A Lab that a session may claim; undefined: it is in use, busy, paused, or of a version that is no longer used. */
export function reusableLab(deps: Pick<Deps, 'caches'>, lab: Lab): ReusableLab | undefined {
  const state = labState(lab);
  const { annotations, name } = lab.metadata;
  if (lab.spec.sessionRef || isDeleting(lab) || annotations?.[ANNOTATIONS.paused] !== undefined || lab.status?.cmlLabId === undefined) return undefined;
  // A Stopped lab still holds the work of whoever used it last: it may be claimed once the Lab controller has wiped it.
  if (state !== 'Wiped' && state !== 'Defined') return undefined;
  const { namespace, name: definition } = lab.spec.definitionRef;
  return isUsable(lab, deps.caches.definitions.get(`${namespace}/${definition}`)) ? { name, definition: definitionKey(lab.spec.definitionRef), state, storage: storageOf(deps, lab) } : undefined;
}

/** What Labs that nobody has claimed hold of a worker (contract §6): their ports, and for those of the warm pool the disk that a session will use. Ports of labs that are not ours count, too. */
export function keptBy(deps: Pick<Deps, 'caches'>, workerName: string): { storage: number; ports: number } {
  const kept = { storage: 0, ports: deps.caches.workers.get(workerName)?.status?.foreignPorts?.length ?? 0 };
  for (const lab of deps.caches.labs.byIndex(INDEX.labsByWorker, workerName)) {
    if (lab.spec.sessionRef) continue;
    kept.ports += lab.spec.ports.length;
    kept.storage += storageOf(deps, lab);
  }
  return kept;
}

function storageOf(deps: Pick<Deps, 'caches'>, { spec: { source, definitionRef } }: Lab): number {
  const definition = source === 'WarmPool' ? deps.caches.definitions.get(`${definitionRef.namespace}/${definitionRef.name}`) : undefined;
  return definition ? parseResources(definition.spec.resources).storage : 0;
}
