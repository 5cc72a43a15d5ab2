/** Giving back what a session has claimed, before the status that no longer names it is written. */
import { FINALIZER } from '../../api/group.ts';
import { LABS } from '../../api/kinds.ts';
import { labState } from '../../api/lab.ts';
import { toTime } from '../../core/time.ts';
import { NotFoundError } from '../../kube/errors.ts';
import { removeFinalizer } from '../../runtime/finalizers.ts';
import { writeStatus } from '../../runtime/status-writer.ts';
import { INDEX } from '../deps.ts';
import { releaseOrName } from './lds-release.ts';
import { labLeftBehind } from './notices.ts';
import type { Lab, LabStatus } from '../../api/lab.ts';
import type { LabletSession, SessionPhase } from '../../api/labletsession.ts';
import type { RowId } from '../../core/session/table.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';

/** Rows after which the session holds no Lab any more, though nothing took it down in order. */
const GIVES_BACK: ReadonlySet<RowId> = new Set(['T2', 'T4', 'T5', 'T7', 'T21']);
/** Phases in which nothing was done to the Lab yet. */
const UNTOUCHED: ReadonlySet<SessionPhase | undefined> = new Set([undefined, 'Pending', 'Scheduled']);

/**
 * Releases the Labs that these rows give back. Before Instantiating nothing was done to them; from then on a lab may
 * stand on the host even if its id was never stored, so it is left to the Lab controller, which looks for its title.
 *
 * @param session as it was before the rows
 */
export async function releaseFor(deps: Deps, session: LabletSession, rows: readonly RowId[], teardownTimedOut: boolean, pass: PassContext): Promise<void> {
  const { signal } = pass;
  // It is to be bound elsewhere, with a page of its own.
  if (rows.includes('T7')) await releaseOrName(deps, session, pass);
  if (!teardownTimedOut && !rows.some((row) => GIVES_BACK.has(row))) return;
  const untouched = UNTOUCHED.has(session.status?.phase);
  for (const lab of deps.caches.labs.byIndex(INDEX.labsBySession, session.metadata.uid)) {
    await (untouched ? dropOrUnclaim(deps, lab, signal) : orphan(deps, session, lab, signal));
  }
}

async function orphan(deps: Deps, session: LabletSession, lab: Lab, signal: AbortSignal): Promise<void> {
  const next: LabStatus = { ...lab.status, state: 'Orphaned', since: toTime(deps.clock.now()), message: 'Its session has ended; the lab is being removed from its host.' };
  const written = await writeStatus({ client: deps.client, resource: LABS, object: lab, next, signal, metrics: deps.metrics });
  await unclaim(deps, written, signal);
  deps.metrics.leftBehind.inc({ what: 'lab' });
  deps.events.record(labLeftBehind(session, written));
}

async function dropReserved(deps: Deps, lab: Lab, signal: AbortSignal): Promise<void> {
  await removeFinalizer({ client: deps.client, resource: LABS, object: lab, finalizer: FINALIZER, signal });
  try {
    await deps.client.delete(LABS, lab.metadata.name, undefined, { preconditions: { uid: lab.metadata.uid }, signal });
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
  }
}

/** Gives a Lab back that was claimed for nothing: a Reserved one is deleted, a kept one is free again. */
export async function dropOrUnclaim(deps: Deps, lab: Lab, signal: AbortSignal): Promise<void> {
  if (labState(lab) === 'Reserved') await dropReserved(deps, lab, signal);
  else await unclaim(deps, lab, signal);
}

/** Clears the claim; a Lab that is gone has none. From here on the Lab controller is the one hand on the Lab. @throws ConflictError if it has moved on */
export async function unclaim(deps: Deps, lab: Lab, signal: AbortSignal): Promise<void> {
  const { name, resourceVersion } = lab.metadata;
  try {
    deps.caches.labs.observe(await deps.client.mergePatch(LABS, name, undefined, { metadata: { resourceVersion }, spec: { sessionRef: null } }, { signal }));
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
  }
}
