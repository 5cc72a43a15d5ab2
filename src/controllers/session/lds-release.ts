/**
 * The candidate's page in LDS is let go by the teardown. Where LDS was away then, or there was no teardown (a forced or
 * lost session), LDS is asked again for as long as the session object is there; what is left after that is named.
 */
import { ExternalError } from '../../clients/errors.ts';
import { toTime } from '../../core/time.ts';
import { effectSignal } from '../deps.ts';
import { MissingSecretError } from '../secrets.ts';
import { ldsLeftBehind, ldsReleaseDelayed } from './notices.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { CallOptions } from '../../clients/call.ts';
import type { SessionStatus } from '../../core/session/world.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';

/** Is there a page in LDS that was not let go? */
export function holdsPage({ settings }: Pick<Deps, 'settings'>, status: SessionStatus | undefined): boolean {
  const access = status?.userSession;
  return settings.lds !== undefined && access?.ldsSessionId !== undefined && access.releasedAt === undefined;
}

/** Tells LDS; harmless if LDS knows nothing of the session any more. @throws ExternalError, MissingSecretError */
export async function releasePage({ clients, settings }: Pick<Deps, 'clients' | 'settings'>, status: SessionStatus | undefined, call: CallOptions): Promise<void> {
  const id = status?.userSession?.ldsSessionId;
  if (id !== undefined && settings.lds) await clients.lds(settings.lds).release(id, call);
}

export function noteReleased(draft: SessionStatus, now: Date): void {
  if (draft.userSession) draft.userSession = { ...draft.userSession, releasedAt: toTime(now) };
}

/** As `releasePage`. @returns false if LDS could not be told */
async function isReleased(deps: Deps, session: LabletSession, pass: PassContext): Promise<boolean> {
  try {
    await releasePage(deps, session.status, { signal: effectSignal(deps, pass.signal) });
    return true;
  } catch (error) {
    if (pass.signal.aborted || !(error instanceof ExternalError || error instanceof MissingSecretError)) throw error;
    pass.log.warn({ reason: error.message }, 'LDS could not be told that the session is over');
    deps.events.record(ldsReleaseDelayed(session, error.message));
    return false;
  }
}

/** After the end of a session. @returns true if there is nothing (more) to release */
export async function releaseAfterEnd(deps: Deps, session: LabletSession, pass: PassContext): Promise<boolean> {
  return !holdsPage(deps, session.status) || isReleased(deps, session, pass);
}

/** The last chance: the session is about to forget its page. What LDS cannot be told is named. */
export async function releaseOrName(deps: Deps, session: LabletSession, pass: PassContext): Promise<void> {
  if (!(await releaseAfterEnd(deps, session, pass))) nameLeftPage(deps, session);
}

/** The page stays in LDS, which archives it by itself. */
export function nameLeftPage(deps: Deps, session: LabletSession): void {
  deps.metrics.leftBehind.inc({ what: 'lds_session' });
  deps.events.record(ldsLeftBehind(session));
}
