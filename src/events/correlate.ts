/** Which session a consumed event is about: looked up in indexes of the cache (contract §10.2, "Correlation order"). */
import type { ConsumedEvent } from '../api/events.ts';
import type { LabletSession } from '../api/labletsession.ts';

/** Indexes that the session informer must have; register each with `addIndex`. */
export const SESSION_INDEXES = {
  uid: (session: LabletSession): readonly string[] => [session.metadata.uid],
  name: (session: LabletSession): readonly string[] => [session.metadata.name],
  ldsSessionId: (session: LabletSession): readonly string[] => given(session.status?.userSession?.ldsSessionId),
  gradingSessionId: (session: LabletSession): readonly string[] => given(session.status?.gradingSession?.gradingSessionId, session.status?.gradingSession?.id),
} as const;

export type SessionIndex = keyof typeof SESSION_INDEXES;

/** The part of the session informer that correlation reads. */
export interface SessionLookup {
  /** By `namespace/name`. */
  get(key: string): LabletSession | undefined;
  byIndex(index: string, value: string): readonly LabletSession[];
}

/**
 * The session that the event names, by the first of its ids that fits exactly one: LDS session, grading session,
 * lablet session (uid, unique name, or the LDS id under that name), subject.
 * An event of an LDS session that the found session no longer has is about nobody.
 */
export function correlate(sessions: SessionLookup, event: ConsumedEvent): LabletSession | undefined {
  const one = (index: SessionIndex, value: string | undefined): LabletSession | undefined => {
    const found = value === undefined ? [] : sessions.byIndex(index, value);
    return found.length === 1 ? found[0] : undefined;
  };
  const named = (value: string | undefined): LabletSession | undefined => one('uid', value) ?? one('name', value) ?? one('ldsSessionId', value);
  const { ldsSessionId, gradingSessionId, labletSessionId, sessionId } = event.data;
  const found = one('ldsSessionId', ldsSessionId) ?? one('gradingSessionId', gradingSessionId) ?? named(labletSessionId) ?? named(sessionId)
    ?? (event.subject === undefined ? undefined : sessions.get(event.subject) ?? named(event.subject));
  const bound = found?.status?.userSession?.ldsSessionId;
  // After a re-scheduling the page of the first try may still send its end.
  const isOfAnotherPage = ldsSessionId !== undefined && bound !== undefined && ldsSessionId !== bound;
  return isOfAnotherPage ? undefined : found;
}

const given = (...values: (string | undefined)[]): string[] => values.filter((value) => value !== undefined);
