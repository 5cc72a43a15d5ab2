/** Everything that a decision about a session needs, read before it is made. */
import { isDeleting, objectKey } from '../../api/meta.ts';
import { definitionDurations } from '../../core/definition.ts';
import { fromTime, plus } from '../../core/time.ts';
import { drainLimits, overdueDrain } from '../../core/worker-drain.ts';
import { INDEX } from '../deps.ts';
import { limitsOf } from '../worker/gather.ts';
import { stoppedBehindOurBack } from './drift.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Lab } from '../../api/lab.ts';
import type { Worker, WorkerTemplate } from '../../api/worker.ts';
import type { DefinitionView, LabView, SessionWorld, WorkerView } from '../../core/session/world.ts';
import type { Deps } from '../deps.ts';
import type { FrozenDefinition } from '../../core/frozen-definition.ts';

/** The world of one pass: the pure part for the decision, and what the steps need beside it. */
export interface Gathered {
  world: SessionWorld;
  frozen: FrozenDefinition | undefined;
  worker: Worker | undefined;
  lab: Lab | undefined;
}

export async function gather(deps: Deps, session: LabletSession, signal: AbortSignal): Promise<Gathered> {
  const { caches, settings } = deps;
  const { definition, frozen } = await definitionView(deps, session, signal);
  const worker = session.status?.workerName ? caches.workers.get(session.status.workerName) : undefined;
  const lab = session.status?.labName ? caches.labs.get(session.status.labName) : undefined;
  const world: SessionWorld = {
    definition,
    worker: session.status?.workerName ? workerView(deps, session.status.workerName, worker) : undefined,
    lab: session.status?.labName ? labView(session, lab) : undefined,
    ldsConfigured: settings.lds !== undefined,
    gradingConfigured: settings.grading !== undefined,
    namespaceTerminating: caches.namespaces.get(session.metadata.namespace ?? '')?.status?.phase === 'Terminating',
    duplicateOf: duplicateOf(deps, session),
    emit: settings.emit,
    archive: settings.archive,
    timeouts: settings.timeouts,
    scale: settings.scale,
  };
  return { world, frozen, worker, lab };
}

/** The version that is pinned, or would be: the asked one, else the newest Active one. */
async function definitionView(deps: Deps, session: LabletSession, signal: AbortSignal): Promise<{ definition: DefinitionView; frozen: FrozenDefinition | undefined }> {
  const { name, version: asked } = session.spec.definitionRef;
  const namespace = session.metadata.namespace ?? '';
  const object = deps.caches.definitions.get(`${namespace}/${name}`);
  if (!object) return { definition: { state: 'missing' }, frozen: undefined };
  const version = session.status?.definitionVersion ?? asked ?? object.status?.currentVersion;
  const known = object.status?.versions?.find((candidate) => candidate.version === version);
  if (version === undefined || !known) return { definition: { state: 'notReady', message: notReady(object, asked) }, frozen: undefined };
  const frozen = await deps.revisions.get({ namespace, name, uid: object.metadata.uid }, version, signal);
  if (!frozen) return { definition: { state: 'notReady', message: `its stored version ${version} cannot be found` }, frozen: undefined };
  const pinned = session.status?.definitionVersion !== undefined;
  // A new session would hold the deletion up for as long as it lives.
  if (!pinned && isDeleting(object)) return { definition: { state: 'notReady', message: 'it is being deleted' }, frozen: undefined };
  return {
    frozen,
    definition: {
      state: 'ready', definition: frozen.definition, durations: definitionDurations(frozen.definition.spec, deps.settings.scale),
      ...(!pinned && known.state === 'Deprecated' ? { deprecatedBy: known.replacedBy ?? object.status?.currentVersion ?? 'a newer version' } : {}),
    },
  };
}

function notReady(definition: { status?: { conditions?: { type: string; status: string; message?: string | undefined }[] | undefined } | undefined }, asked: string | undefined): string {
  const synced = definition.status?.conditions?.find((condition) => condition.type === 'Synced' && condition.status !== 'True');
  return synced?.message ?? (asked ? `version ${asked} is not known` : 'its topology has not been read yet');
}

function workerView(deps: Deps, name: string, worker: Worker | undefined): WorkerView {
  if (!worker) return { name, state: 'lost', message: 'it does not exist any more' };
  const template = deps.caches.templates.get(worker.spec.templateName);
  const { status } = worker;
  const priced = { templateName: worker.spec.templateName, ...(template ? { costPerHour: template.spec.costPerHour } : {}) };
  const view = (state: WorkerView['state'], message: string): WorkerView => ({ name, state, message, ...priced, ...drainView(deps, worker, template) });
  const phase = status?.phase ?? 'Pending';
  if (['Failed', 'Stopped', 'Terminating', 'Terminated'].includes(phase)) return view('lost', `its phase is ${phase}`);
  const silentSince = fromTime(status?.unreachableSince);
  const lostAt = silentSince && plus(silentSince, deps.settings.timeouts.workerUnreachable);
  if (lostAt && lostAt <= deps.clock.now()) return view('lost', 'its CML host has not answered for too long');
  if (phase === 'Draining' || isDeleting(worker)) return { ...view('draining', 'it is being drained'), ...(lostAt ? { lostAt } : {}) };
  if (lostAt) return { ...view('notReady', 'its CML host does not answer'), lostAt };
  const ready = phase === 'Running';
  return view(ready ? 'ready' : 'notReady', ready ? 'ready' : (status?.message ?? `its phase is ${phase}`));
}

/** What the limits of the worker's drain mean for its sessions (contract §2.5). */
function drainView(deps: Deps, { status }: Worker, template: WorkerTemplate | undefined): Pick<WorkerView, 'overdueDrain' | 'drainChangesAt'> {
  const limits = drainLimits(status, limitsOf(deps, template?.spec));
  if (!limits) return {};
  const { overdue, changesAt } = overdueDrain(limits, deps.clock.now());
  return { ...(overdue ? { overdueDrain: overdue } : {}), ...(changesAt ? { drainChangesAt: changesAt } : {}) };
}

function labView(session: LabletSession, lab: Lab | undefined): LabView {
  if (lab?.spec.sessionRef?.uid !== session.metadata.uid) return { state: 'gone' };
  if (lab.status?.state === 'Orphaned') return { state: 'orphaned' };
  const stopped = stoppedBehindOurBack(session, lab);
  return { state: lab.status?.cmlLabId ? 'present' : 'reserved', ...(stopped ? { stopped } : {}) };
}

/** The live session that holds the reservation: one past T0 wins, among new ones the older, then the smaller uid. */
function duplicateOf(deps: Deps, session: LabletSession): string | undefined {
  const { reservationId } = session.spec;
  if (reservationId === undefined || session.status?.phase !== undefined) return undefined;
  const rank = (candidate: LabletSession): string => `${candidate.status?.phase ? 0 : 1}/${candidate.metadata.creationTimestamp}/${candidate.metadata.uid}`;
  const rivals = deps.caches.sessions
    .byIndex(INDEX.sessionsByReservation, `${session.metadata.namespace ?? ''}/${reservationId}`)
    .filter((candidate) => candidate.metadata.uid !== session.metadata.uid && candidate.status?.phase !== 'Terminated');
  const winner = rivals.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
  return winner && rank(winner) < rank(session) ? objectKey(winner).split('/')[1] : undefined;
}
