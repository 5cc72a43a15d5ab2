/** Claiming a Lab for a session: the first half of a commit. A crash after it is mended by the next look at the claims (contract §3.7). */
import { API_VERSION, FINALIZER, LABELS, MANAGER } from '../../api/group.ts';
import { LABS } from '../../api/kinds.ts';
import { isGhost } from '../../core/lab-lifecycle.ts';
import { labTitle } from '../../core/lab-title.ts';
import { AlreadyExistsError } from '../../kube/errors.ts';
import type { Lab, LabSpec } from '../../api/lab.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { Assignment } from '../../core/scheduling.ts';
import type { Deps } from '../deps.ts';

type Assigned = Extract<Assignment, { kind: 'assign' }>;

const SALTS = 8;

/** Patches the claim onto a free Lab, or creates a Reserved one with its ports. @throws ConflictError if the free Lab was taken meanwhile */
export async function claimLab(deps: Deps, session: LabletSession, definition: PinnedDefinition, assigned: Assigned, signal: AbortSignal): Promise<Lab> {
  const free = assigned.reuse && deps.caches.labs.get(assigned.reuse.name);
  return free ? claimFree(deps, session, free, signal) : createReserved(deps, session, definition, assigned, signal);
}

/** Patches the claim onto a free Lab. @throws ConflictError if it was taken, or has changed, meanwhile */
export async function claimFree(deps: Deps, session: LabletSession, free: Lab, signal: AbortSignal): Promise<Lab> {
  const metadata = { resourceVersion: free.metadata.resourceVersion, labels: claimLabels(session) };
  const claimed = await deps.client.mergePatch(LABS, free.metadata.name, undefined, { metadata, spec: { sessionRef: claimOf(session) } }, { signal });
  deps.caches.labs.observe(claimed);
  return claimed;
}

const claimOf = ({ metadata: { namespace = '', name, uid } }: LabletSession): NonNullable<LabSpec['sessionRef']> => ({ namespace, name, uid });

/** What a new Lab is made from: where, and with which ports. */
type Place = Pick<Assigned, 'workerName' | 'ports'>;

/** The name is the title on the host, derived from the claim: a second try finds the first; another's Lab of that name, or a ghost, means another salt. */
export async function createReserved(deps: Deps, session: LabletSession, definition: PinnedDefinition, assigned: Place, signal: AbortSignal): Promise<Lab> {
  const sessionRef = claimOf(session);
  const owner = { kind: 'session' as const, sessionUid: session.metadata.uid, reschedules: session.status?.reschedules ?? 0 };
  for (let salt = 0; salt < SALTS; salt++) {
    const title = labTitle(definition.name, owner, deps.settings.clusterId, salt);
    const spec: LabSpec = {
      workerName: assigned.workerName, title, source: 'Import', sessionRef, topologySha256: definition.sha256,
      definitionRef: { namespace: definition.namespace, name: definition.name, version: definition.version },
      ports: assigned.ports.map(({ name, node, protocol, inside, line, number }) => ({
        name, node, protocol: protocol as LabSpec['ports'][number]['protocol'], number,
        ...(inside === undefined ? {} : { inside }), ...(line === undefined ? {} : { line }),
      })),
    };
    const labels = { ...claimLabels(session), [LABELS.managedBy]: MANAGER, [LABELS.definition]: definition.name, [LABELS.worker]: assigned.workerName };
    try {
      const lab = await deps.client.create(LABS, { apiVersion: API_VERSION, kind: LABS.kind, metadata: { name: title, finalizers: [FINALIZER], labels }, spec }, { signal });
      deps.caches.labs.observe(lab);
      return lab;
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
    }
    const existing = await deps.client.get(LABS, title, undefined, { signal });
    if (existing.spec.sessionRef?.uid === session.metadata.uid && !isGhost(existing) && existing.metadata.deletionTimestamp === undefined) return existing;
  }
  throw new Error(`no free name for the Lab of ${sessionRef.namespace}/${sessionRef.name} after ${SALTS} tries`);
}

const claimLabels = (session: LabletSession): Record<string, string> => ({ [LABELS.sessionUid]: session.metadata.uid });
