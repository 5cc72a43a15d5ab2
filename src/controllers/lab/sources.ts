/** What wakes a Lab: itself, its worker, the versions of its definition, the session that has claimed it. */
import { informerSource } from '../../runtime/source.ts';
import { INDEX } from '../deps.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Worker } from '../../api/worker.ts';
import type { Deps } from '../deps.ts';
import type { Source } from '../../runtime/source.ts';

export function labSources({ caches }: Deps): Source[] {
  const { labs } = caches;
  return [
    informerSource(labs),
    changed(caches.workers, workerView, (worker) => labs.byIndex(INDEX.labsByWorker, worker.metadata.name).map((lab) => lab.metadata.name)),
    changed(caches.definitions, definitionView, ({ metadata }) =>
      labs.list().filter(({ spec }) => spec.definitionRef.name === metadata.name && spec.definitionRef.namespace === metadata.namespace).map((lab) => lab.metadata.name)),
    changed(caches.sessions, sessionView, (session) => labs.byIndex(INDEX.labsBySession, session.metadata.uid).map((lab) => lab.metadata.name)),
  ];
}

const workerView = ({ metadata, spec, status }: Worker): unknown => [metadata.deletionTimestamp, spec.desiredState, status?.phase, status?.unreachableSince];
const definitionView = ({ metadata, status }: LabletDefinition): unknown => [metadata.deletionTimestamp, status?.versions?.map(({ version, state }) => [version, state])];
const sessionView = ({ status }: LabletSession): unknown => [status?.labName, status?.phase === 'Archived' || status?.phase === 'Terminated'];

/** Keys that belong to an object of which what matters has changed, or that came or went. */
function changed<T extends KubeObject>(informer: Parameters<typeof informerSource<T>>[0], view: (object: T) => unknown, keysOf: (object: T) => string[]): Source {
  const same = (old: T | undefined, next: T | undefined): boolean => old !== undefined && next !== undefined && JSON.stringify(view(old)) === JSON.stringify(view(next));
  return informerSource(informer, (old, next) => {
    const object = next ?? old;
    return !object || same(old, next) ? [] : keysOf(object);
  });
}
