/** ScoreReports: created before the status that speaks of them, found again where they exist. */
import { SCORE_REPORTS } from '../api/kinds.ts';
import { objectKey } from '../api/meta.ts';
import { AlreadyExistsError, isNamespaceTerminating } from '../kube/errors.ts';
import { TerminalError } from '../runtime/result.ts';
import type { LabletSession } from '../api/labletsession.ts';
import type { ScoreReport } from '../api/scorereport.ts';
import type { ReportToCreate } from '../core/session/situation.ts';
import type { KubeClient } from '../kube/client.ts';

/**
 * Creates a report.
 * @returns the report that was there already and is the result; undefined if this one was created, or cannot be since the namespace is going away
 * @throws TerminalError if the name is taken by another session's report
 */
export async function ensureReport(client: KubeClient, session: LabletSession, { name, spec }: ReportToCreate, signal?: AbortSignal): Promise<ScoreReport | undefined> {
  const { namespace = '', uid } = session.metadata;
  try {
    await client.create(SCORE_REPORTS, { metadata: { name, namespace }, spec }, { signal });
    return undefined;
  } catch (error) {
    if (isNamespaceTerminating(error)) return undefined;
    if (!(error instanceof AlreadyExistsError)) throw error;
  }
  const existing = await client.get(SCORE_REPORTS, name, namespace, { signal });
  if (existing.spec.sessionRef.uid !== uid) throw new TerminalError(`ScoreReport ${namespace}/${name} belongs to another session than ${objectKey(session)}; rename or delete it`);
  return existing;
}
