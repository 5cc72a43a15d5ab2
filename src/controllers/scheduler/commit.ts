/** Making a placement true: the claim on a Lab first, then one status write of the session, row T1. */
import { LABLET_SESSIONS } from '../../api/kinds.ts';
import { isDeleting } from '../../api/meta.ts';
import { ADMISSION } from '../../core/booking.ts';
import { getCondition } from '../../core/conditions.ts';
import { portMap } from '../../core/ports.ts';
import { condition } from '../../core/session/draft.ts';
import { take } from '../../core/session/effects.ts';
import { situation } from '../../core/session/situation.ts';
import { ConflictError } from '../../kube/errors.ts';
import { decideAndWrite, writeStatus } from '../../runtime/status-writer.ts';
import { dropOrUnclaim } from '../session/release.ts';
import { tellTransitions } from '../session/tell.ts';
import { claimLab } from './claim.ts';
import { admittedNow } from './explain.ts';
import type { Lab } from '../../api/lab.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { Assignment } from '../../core/scheduling.ts';
import type { SessionStatus, SessionWorld } from '../../core/session/world.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';

/** A session that waits, with what it needs to be bound. */
export interface Candidate {
  session: LabletSession;
  world: SessionWorld;
  definition: PinnedDefinition;
  /** A Lab that it has claimed already: the other half of this commit was lost in a crash. */
  claimed: Lab | undefined;
}

/** Reasons of the condition Admitted that a placement does away with. */
const WITHOUT_ROOM: ReadonlySet<string> = new Set([ADMISSION.noRoom, ADMISSION.lost]);

const BECAUSE = { reason: 'BestFit', message: 'A worker and ports are reserved.', actor: 'scheduler' };

/** Binds the session. Somebody else's write in between (a cancel, a deletion) gives the Lab back. */
export async function commit(deps: Deps, { session, world, definition, claimed }: Candidate, assigned: Extract<Assignment, { kind: 'assign' }>, pass: PassContext): Promise<void> {
  let lab: Lab;
  try {
    lab = claimed ?? (await claimLab(deps, session, definition, assigned, pass.signal));
  } catch (error) {
    // Somebody took the free Lab: the next look places the session anew.
    if (error instanceof ConflictError) return;
    throw error;
  }
  const bound = await bind(deps, session, world, lab, assigned.reuse !== undefined || lab.status?.cmlLabId !== undefined, pass);
  if (!bound) await dropOrUnclaim(deps, lab, pass.signal);
}

async function bind(deps: Deps, session: LabletSession, world: SessionWorld, lab: Lab, reused: boolean, pass: PassContext): Promise<boolean> {
  const { client, metrics, caches } = deps;
  const { name, namespace } = session.metadata;
  const stored = await decideAndWrite<LabletSession, SessionStatus>({
    first: session,
    read: () => client.get(LABLET_SESSIONS, name, namespace, { signal: pass.signal }),
    decide: (live) => {
      if (live.status?.phase !== 'Pending' || live.metadata.uid !== session.metadata.uid || isDeleting(live) || live.spec.desiredState !== 'Active') return undefined;
      const s = situation(live, world, deps.clock.now());
      Object.assign(s.draft, { workerName: lab.spec.workerName, labName: lab.metadata.name, labOrigin: reused ? 'Reused' : 'Created', allocatedPorts: portMap(lab.spec.ports) });
      // The calendar had no room for it before; now a worker has.
      if (WITHOUT_ROOM.has(getCondition(s.draft, 'Admitted')?.reason ?? '')) condition(s, 'Admitted', 'True', admittedNow);
      take(s, { row: 'T1', from: 'Pending', to: 'Scheduled' }, BECAUSE);
      return s.draft;
    },
    write: async (live, next) => writeStatus({ client, resource: LABLET_SESSIONS, object: live, next, amend: deps.outbox.amend, signal: pass.signal, metrics }),
  });
  caches.sessions.observe(stored);
  if (stored.status?.labName !== lab.metadata.name) return false;
  tellTransitions(deps, stored, ['T1']);
  return true;
}
