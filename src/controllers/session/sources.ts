/** What wakes a session: itself, its definition, its worker, its Lab, its namespace. */
import { ANNOTATIONS } from '../../api/group.ts';
import { objectKey } from '../../api/meta.ts';
import { informerSource } from '../../runtime/source.ts';
import { INDEX } from '../deps.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Deps } from '../deps.ts';
import type { Source } from '../../runtime/source.ts';

const isPaused = (object: KubeObject | undefined): boolean => object?.metadata.annotations?.[ANNOTATIONS.paused] !== undefined;

export function sessionSources(deps: Deps): Source[] {
  const { sessions, definitions, workers, labs, namespaces } = deps.caches;
  return [
    informerSource(sessions),
    // Only those that wait for the definition: the others have their version pinned.
    informerSource(definitions, (old, next) => {
      const definition = next ?? old;
      if (!definition || JSON.stringify(old?.status?.versions) === JSON.stringify(next?.status?.versions)) return [];
      return sessions.byIndex(INDEX.sessionsByDefinition, objectKey(definition)).filter((session) => session.status?.phase === undefined).map(objectKey);
    }),
    informerSource(workers, (old, next) => {
      const worker = next ?? old;
      const same = old?.status?.phase === next?.status?.phase && old?.status?.unreachableSince === next?.status?.unreachableSince && (old === undefined) === (next === undefined);
      return !worker || same ? [] : sessions.byIndex(INDEX.sessionsByWorker, worker.metadata.name).map(objectKey);
    }),
    // A Lab whose claim changed, that is paused or released, or gone; its states are written by the session's own pass.
    informerSource(labs, (old, next) => {
      const claim = old?.spec.sessionRef ?? next?.spec.sessionRef;
      return claim && (!next || old?.spec.sessionRef?.uid !== next.spec.sessionRef?.uid || isPaused(old) !== isPaused(next)) ? [`${claim.namespace}/${claim.name}`] : [];
    }),
    informerSource(namespaces, (old, next) => {
      const namespace = next ?? old;
      if (!namespace || old?.status?.phase === next?.status?.phase) return [];
      return sessions.list().filter((session) => session.metadata.namespace === namespace.metadata.name).map(objectKey);
    }),
  ];
}
