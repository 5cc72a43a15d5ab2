/** What `kubectl describe` tells of a session: one constructor for each Kubernetes Event. */
import type { Lab } from '../../api/lab.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { RowId } from '../../core/session/table.ts';
import type { SessionStatus } from '../../core/session/world.ts';
import type { EventNote } from '../../runtime/event-series.ts';

type Told = Omit<EventNote, 'regarding'>;

const normal = (reason: string, action: string, note: string): Told => ({ type: 'Normal', reason, action, note });
const warning = (reason: string, action: string, note: string): Told => ({ type: 'Warning', reason, action, note });

/** Events of the normal path: six. Rows that are not here speak through the status alone. */
function told(row: RowId, status: SessionStatus): Told | undefined {
  const message = status.message ?? '';
  switch (row) {
    case 'T1':
      return normal('Scheduled', 'Schedule', `Bound to worker ${status.workerName ?? '?'}.`);
    case 'T6':
      return normal('Ready', 'Instantiate', message);
    case 'T9':
      return normal('Started', 'Start', message);
    case 'T13':
      return normal('Grading', 'Grade', message);
    case 'T15':
      return normal('Graded', 'Grade', `${message} ${status.scoreReport?.passed ? 'Passed.' : 'Not passed.'}`);
    case 'T18':
      return normal('Archived', 'TearDown', 'The result is final; nothing is left on the worker.');
    case 'T2':
    case 'T5':
    case 'T21':
      return warning(status.reason ?? 'Terminated', 'Terminate', message);
    case 'T4':
    case 'T7':
      return warning('Rescheduled', 'Schedule', message);
    case 'T8':
    case 'T10':
    case 'T14':
    case 'T16':
      return warning(status.reason ?? 'Stopping', 'Stop', message);
    default:
      return undefined;
  }
}

/** The session ends without a teardown, or before the end of it. */
export const labLeftBehind = (session: LabletSession, lab: Lab): EventNote => ({
  regarding: session, ...warning('LeftBehind', 'Release', `Lab ${lab.metadata.name} may still be on the host of worker ${lab.spec.workerName}; it is Orphaned, and removed as soon as the host lets us.`),
});

export const ldsReleaseDelayed = (session: LabletSession, message: string): EventNote => ({
  regarding: session, key: 'lds-release', ...warning('LdsReleaseDelayed', 'Release', `The candidate's page could not be let go yet and is tried again: ${message}`),
});

export const ldsLeftBehind = (session: LabletSession): EventNote => ({
  regarding: session, ...warning('LeftBehind', 'Release', `LDS session ${session.status?.userSession?.ldsSessionId ?? '?'} could not be released in time and is left behind; release it in LDS.`),
});

export function noticesFor(session: LabletSession, rows: readonly RowId[], status: SessionStatus): EventNote[] {
  return rows.flatMap((row) => {
    const note = told(row, status);
    return note ? [{ regarding: session, ...note }] : [];
  });
}
