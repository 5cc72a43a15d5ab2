/** Decisions of the auto-scaler made true: Workers are created, and drains set and taken back. No spec that a person wrote is touched. */
import { API_VERSION, FINALIZER, LABELS, MANAGER } from '../../api/group.ts';
import { WORKERS, WORKER_TEMPLATES } from '../../api/kinds.ts';
import { isDeleting } from '../../api/meta.ts';
import { workerSpec } from '../../api/worker.ts';
import { nextWorkerName } from '../../core/scaling.ts';
import { toTime } from '../../core/time.ts';
import { AlreadyExistsError, NotFoundError } from '../../kube/errors.ts';
import { decideAndWrite, writeStatus } from '../../runtime/status-writer.ts';
import { INDEX } from '../deps.ts';
import type { Worker, WorkerStatus, WorkerTemplate, WorkerTemplateStatus } from '../../api/worker.ts';
import type { Deps } from '../deps.ts';

const LABEL_VALUE_MAX = 63;

/**
 * Creates the next worker of a template. The name follows from what exists: a second process that decides on the same
 * fleet, or the same one before its watch has caught up, meets the Worker that is there already and makes no other.
 */
export async function launch(deps: Deps, template: WorkerTemplate, signal: AbortSignal): Promise<Worker> {
  const { caches, client } = deps;
  const { name: templateName, uid } = template.metadata;
  // A session or Lab may still speak of a former worker of that name: it must not take the new one for it.
  const name = nextWorkerName(template.metadata, (candidate) =>
    caches.workers.get(candidate) !== undefined || caches.sessions.byIndex(INDEX.sessionsByWorker, candidate).length > 0 || caches.labs.byIndex(INDEX.labsByWorker, candidate).length > 0);
  const labels = { [LABELS.managedBy]: MANAGER, ...(templateName.length <= LABEL_VALUE_MAX ? { [LABELS.template]: templateName } : {}) };
  const ownerReferences = [{ apiVersion: API_VERSION, kind: WORKER_TEMPLATES.kind, name: templateName, uid, controller: true }];
  const spec = workerSpec.parse({ templateName, provider: template.spec.provider });
  let worker: Worker;
  try {
    worker = await client.create(WORKERS, { apiVersion: API_VERSION, kind: WORKERS.kind, metadata: { name, labels, ownerReferences, finalizers: [FINALIZER] }, spec }, { signal });
  } catch (error) {
    if (!(error instanceof AlreadyExistsError)) throw error;
    worker = await client.get(WORKERS, name, undefined, { signal });
  }
  caches.workers.observe(worker);
  return worker;
}

/** Begins a drain, or takes the auto-scaler's own one back; undefined: somebody else decided otherwise meanwhile. */
export async function setDrain(deps: Deps, name: string, drain: { reason: string } | undefined, signal: AbortSignal): Promise<Worker | undefined> {
  const { client, caches, metrics } = deps;
  const first = caches.workers.get(name);
  if (!first) return undefined;
  const verdict = { applies: false };
  const written = await decideAndWrite<Worker, WorkerStatus>({
    first,
    read: () => client.get(WORKERS, name, undefined, { signal }),
    decide: (live) => {
      const { drain: before } = live.status ?? {};
      verdict.applies = live.metadata.uid === first.metadata.uid && live.spec.desiredState === 'Running' && !isDeleting(live) && (drain ? before === undefined && live.status?.phase === 'Running' : before?.by === 'Autoscaler');
      if (!verdict.applies) return undefined;
      const next = structuredClone(live.status ?? {});
      if (drain) next.drain = { by: 'Autoscaler', reason: drain.reason, since: toTime(deps.clock.now()) };
      else Reflect.deleteProperty(next, 'drain');
      return next;
    },
    write: (live, next) => writeStatus({ client, resource: WORKERS, object: live, next, amend: deps.outbox.amend, signal, metrics }),
  });
  caches.workers.observe(written);
  return verdict.applies ? written : undefined;
}

/** Writes down what a template has taught. */
export async function writeLearned(deps: Deps, template: WorkerTemplate, status: WorkerTemplateStatus, signal: AbortSignal): Promise<void> {
  const written = await writeStatus({ client: deps.client, resource: WORKER_TEMPLATES, object: template, next: status, signal, metrics: deps.metrics });
  deps.caches.templates.observe(written);
}

/** Deletes a Worker that the auto-scaler made and that is over; its finalizer sees to the rest. */
export async function retire(deps: Deps, { metadata: { name, uid } }: Worker, signal: AbortSignal): Promise<void> {
  try {
    await deps.client.delete(WORKERS, name, undefined, { preconditions: { uid }, signal });
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
  }
}
