/**
 * Keeps the warm pools filled: makes Lab objects for what is missing, and deletes those that are too many. The Lab
 * controller does the rest. It runs in the pass of the scheduler, since both give out ports of the same workers.
 */
import { API_VERSION, FINALIZER, LABELS, MANAGER } from '../../api/group.ts';
import { LABS } from '../../api/kinds.ts';
import { labState } from '../../api/lab.ts';
import { isDeleting } from '../../api/meta.ts';
import { labTitle } from '../../core/lab-title.ts';
import { allocatePorts } from '../../core/ports.ts';
import { definitionKey } from '../../core/scheduling.ts';
import { decideWarmPool } from '../../core/warm-pool.ts';
import { AlreadyExistsError, ConflictError, NotFoundError } from '../../kube/errors.ts';
import { INDEX } from '../deps.ts';
import { boundSessions, reusableLab, workerSnapshot } from '../worker/snapshot.ts';
import type { Lab, LabSpec } from '../../api/lab.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { Calendar } from '../../core/calendar.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { WorkerSnapshot } from '../../core/scheduling.ts';
import type { WarmLab, WarmPool } from '../../core/warm-pool.ts';
import type { Deps } from '../deps.ts';

interface Pool extends WarmPool {
  version: PinnedDefinition;
}

/** One round: at most one new lab a worker. */
export async function keepWarm(deps: Deps, calendar: Calendar, signal: AbortSignal): Promise<void> {
  const { caches, clock } = deps;
  const free = caches.labs.byIndex(INDEX.labsBySession, '').filter((lab) => !isDeleting(lab));
  const pools = await poolsOf(deps, signal);
  if (pools.length === 0 && !free.some(({ spec }) => spec.source === 'WarmPool')) return;
  const workers = caches.workers.list().map((worker) => workerSnapshot(deps, worker, deps.calendar.demands)).filter(({ schedulable, draining, phase }) => schedulable && !draining && phase === 'Running');
  const running = new Set(workers.map(({ name }) => name));
  const { imports, removals } = decideWarmPool({
    pools, workers: workers.map((snapshot) => ({ snapshot, busy: isImporting(deps, snapshot.name) })),
    labs: free.filter(({ spec }) => running.has(spec.workerName)).flatMap((lab) => warmLab(deps, lab) ?? []),
    hasRoom: (worker, demand) => calendar.hasSpare(worker, demand, clock.now().getTime()),
  });
  for (const name of removals) await remove(deps, caches.labs.get(name), signal);
  for (const { definition, worker } of imports) {
    const pool = pools.find((candidate) => candidate.definition === definition);
    const snapshot = workers.find(({ name }) => name === worker);
    if (pool && snapshot) await make(deps, pool.version, snapshot, signal);
  }
}

/** The pools of definitions that want one. Without reuse nobody could take a lab out of it. */
async function poolsOf(deps: Deps, signal: AbortSignal): Promise<Pool[]> {
  const pools: Pool[] = [];
  for (const definition of deps.caches.definitions.list()) {
    const { metadata: { name, namespace = '', uid }, spec: { warmPool: { size } }, status } = definition;
    if (size === 0 || status?.currentVersion === undefined || isDeleting(definition)) continue;
    const frozen = await deps.revisions.get({ namespace, name, uid }, status.currentVersion, signal);
    if (!frozen?.definition.spec.labReuse) continue;
    pools.push({ definition: definitionKey(frozen.definition), size, demand: deps.calendar.demands.of(frozen.definition), version: frozen.definition });
  }
  return pools;
}

/** A Lab that counts for the pool: free to be claimed, or on its way; one that is being removed counts for nothing. */
function warmLab(deps: Deps, lab: Lab): WarmLab | undefined {
  const ready = reusableLab(deps, lab) !== undefined;
  const pooled = lab.spec.source === 'WarmPool';
  const coming = pooled && ['Reserved', 'Importing', 'Error', 'Stopped', 'Wiping'].includes(labState(lab));
  return ready || coming ? { name: lab.metadata.name, worker: lab.spec.workerName, definition: definitionKey(lab.spec.definitionRef), ready, pooled } : undefined;
}

/** How many labs of its pool a definition wants, and how many a session could claim now; undefined: it has no pool. */
export function warmPoolStatus(deps: Pick<Deps, 'caches'>, { metadata: { name, namespace = '' }, spec, status }: LabletDefinition): { desired: number; ready: number } | undefined {
  const desired = spec.labReuse ? spec.warmPool.size : 0;
  if (desired === 0 && !status?.warmPool) return undefined;
  const ready = deps.caches.labs.byIndex(INDEX.labsBySession, '').filter((lab) => {
    const { definitionRef, workerName } = lab.spec;
    return definitionRef.name === name && definitionRef.namespace === namespace && deps.caches.workers.get(workerName)?.status?.phase === 'Running' && reusableLab(deps, lab) !== undefined;
  });
  return { desired, ready: ready.length };
}

/** Is a lab being put on the worker's host? */
function isImporting(deps: Deps, worker: string): boolean {
  return boundSessions(deps, worker).some(({ status }) => status?.phase === 'Instantiating')
    || deps.caches.labs.byIndex(INDEX.labsByWorker, worker).some((lab) => !lab.spec.sessionRef && ['Reserved', 'Importing'].includes(labState(lab)));
}

const ORDINALS = 1_000;

/** A Reserved Lab with its ports. The name follows from what it is for: whoever makes it again finds the first. */
async function make(deps: Deps, definition: PinnedDefinition, worker: WorkerSnapshot, signal: AbortSignal): Promise<void> {
  const allocation = allocatePorts({ range: worker.portRange, taken: worker.takenPorts, templates: definition.ports });
  if (!allocation.ok) return;
  for (let ordinal = 0; ordinal < ORDINALS; ordinal++) {
    const title = labTitle(definition.name, { kind: 'warm', definitionUid: definition.uid, version: definition.version, ordinal }, deps.settings.clusterId);
    if (deps.caches.labs.get(title)) continue;
    const spec: LabSpec = {
      workerName: worker.name, title, source: 'WarmPool', topologySha256: definition.sha256,
      definitionRef: { namespace: definition.namespace, name: definition.name, version: definition.version },
      ports: allocation.ports.map(({ name, node, protocol, inside, line, number }) => ({
        name, node, protocol: protocol as LabSpec['ports'][number]['protocol'], number,
        ...(inside === undefined ? {} : { inside }), ...(line === undefined ? {} : { line }),
      })),
    };
    const labels = { [LABELS.managedBy]: MANAGER, [LABELS.definition]: definition.name, [LABELS.worker]: worker.name };
    try {
      deps.caches.labs.observe(await deps.client.create(LABS, { apiVersion: API_VERSION, kind: LABS.kind, metadata: { name: title, finalizers: [FINALIZER], labels }, spec }, { signal }));
    } catch (error) {
      // Not in the cache yet: the next round knows it.
      if (!(error instanceof AlreadyExistsError)) throw error;
    }
    return;
  }
}

async function remove(deps: Deps, lab: Lab | undefined, signal: AbortSignal): Promise<void> {
  if (!lab) return;
  const { name, uid, resourceVersion } = lab.metadata;
  try {
    await deps.client.delete(LABS, name, undefined, { preconditions: { uid, resourceVersion }, signal });
  } catch (error) {
    if (!(error instanceof NotFoundError) && !(error instanceof ConflictError)) throw error;
  }
}
