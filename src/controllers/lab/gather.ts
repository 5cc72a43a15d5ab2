/** Everything that a decision about a Lab needs, and whether its claim still holds. */
import { LABLET_SESSIONS } from '../../api/kinds.ts';
import { NotFoundError } from '../../kube/errors.ts';
import type { Lab } from '../../api/lab.ts';
import type { Worker } from '../../api/worker.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Claim, LabWorld } from '../../core/lab-lifecycle.ts';
import type { Deps } from '../deps.ts';

/** A lab of the warm pool that could not be imported is tried again after this. Milliseconds, scaled. */
const RETRY_IMPORT = 10 * 60_000;

export function gather({ caches, settings }: Pick<Deps, 'caches' | 'settings'>, lab: Lab): LabWorld {
  const { namespace, name } = lab.spec.definitionRef;
  const worker = caches.workers.get(lab.spec.workerName);
  return {
    definition: caches.definitions.get(`${namespace}/${name}`),
    worker: !worker || worker.status?.phase === 'Terminated' ? 'gone' : standing(worker),
    retention: settings.timeouts.labRetention,
    retryImport: RETRY_IMPORT / settings.scale,
  };
}

function standing({ metadata, spec, status }: Worker): LabWorld['worker'] {
  if (metadata.deletionTimestamp !== undefined || spec.desiredState === 'Terminated') return 'ending';
  return spec.desiredState !== 'Running' || status?.phase === 'Draining' ? 'draining' : 'present';
}

/**
 * The session that has claimed the Lab. A cache that does not have it is not believed: it may be behind, and releasing
 * the lab of a living session would cost a candidate's work.
 */
export async function claimOf({ caches, client }: Pick<Deps, 'caches' | 'client'>, lab: Lab, signal: AbortSignal): Promise<Claim | undefined> {
  const { sessionRef } = lab.spec;
  if (!sessionRef) return undefined;
  const { namespace, name, uid } = sessionRef;
  const cached = caches.sessions.get(`${namespace}/${name}`);
  if (cached?.metadata.uid === uid && holds(cached, lab)) return { session: cached };
  try {
    const live: LabletSession = await client.get(LABLET_SESSIONS, name, namespace, { signal });
    const boundTo = live.status?.labName;
    return live.metadata.uid === uid ? { session: live, bound: boundTo === undefined || boundTo === lab.metadata.name ? undefined : caches.labs.get(boundTo) } : { session: undefined };
  } catch (error) {
    if (error instanceof NotFoundError) return { session: undefined };
    throw error;
  }
}

const holds = (session: LabletSession, lab: Lab): boolean => session.status?.labName === lab.metadata.name && !['Archived', 'Terminated'].includes(session.status.phase ?? '');
