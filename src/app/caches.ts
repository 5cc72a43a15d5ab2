/** The caches that all parts share, with every index that is asked for. */
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, NAMESPACES, WORKERS, WORKER_TEMPLATES } from '../api/kinds.ts';
import { INDEX } from '../controllers/deps.ts';
import { SESSION_INDEXES } from '../events/correlate.ts';
import { Informer } from '../kube/informer.ts';
import type { Caches } from '../controllers/deps.ts';
import type { KubeClient } from '../kube/client.ts';
import type { InformerOptions } from '../kube/informer.ts';

/** Not started yet. `namespaces`: where the namespaced kinds are watched; empty: everywhere. */
export function createCaches(client: KubeClient, namespaces: readonly string[], options: Pick<InformerOptions<never>, 'logger' | 'metrics'>): Caches {
  const namespaced = { ...options, namespaces: namespaces.length > 0 ? namespaces : undefined };
  const caches: Caches = {
    sessions: new Informer(client, LABLET_SESSIONS, namespaced),
    definitions: new Informer(client, LABLET_DEFINITIONS, namespaced),
    labs: new Informer(client, LABS, options),
    workers: new Informer(client, WORKERS, options),
    templates: new Informer(client, WORKER_TEMPLATES, options),
    namespaces: new Informer(client, NAMESPACES, options),
  };
  for (const [name, valuesOf] of Object.entries(SESSION_INDEXES)) caches.sessions.addIndex(name, valuesOf);
  caches.sessions.addIndex(INDEX.sessionsByDefinition, (session) => [`${session.metadata.namespace ?? ''}/${session.spec.definitionRef.name}`]);
  caches.sessions.addIndex(INDEX.sessionsByWorker, ({ status }) => (status?.workerName ? [status.workerName] : []));
  caches.sessions.addIndex(INDEX.sessionsByPhase, ({ status }) => [status?.phase ?? '']);
  caches.sessions.addIndex(INDEX.sessionsByReservation, ({ metadata, spec }) => (spec.reservationId ? [`${metadata.namespace ?? ''}/${spec.reservationId}`] : []));
  caches.labs.addIndex(INDEX.labsBySession, ({ spec }) => [spec.sessionRef?.uid ?? '']);
  caches.labs.addIndex(INDEX.labsByWorker, ({ spec }) => [spec.workerName]);
  caches.workers.addIndex(INDEX.workersByTemplate, ({ spec }) => [spec.templateName]);
  return caches;
}
