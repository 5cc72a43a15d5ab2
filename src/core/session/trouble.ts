/** The condition Degraded: the session goes on in its phase, and something is wrong that a person should know (contract §2.1, §11). */
import { getCondition, setCondition } from '../conditions.ts';
import { formatDuration } from '../duration.ts';
import type { SessionPhase } from '../../api/labletsession.ts';
import type { Situation } from './situation.ts';

/** Phases that live on a worker whose answer is needed. */
const ON_WORKER: ReadonlySet<SessionPhase> = new Set(['Instantiating', 'Ready', 'Running', 'Collecting', 'Grading']);
/** What is set and cleared here; a Degraded condition of another reason is left alone. */
const REASONS: ReadonlySet<string> = new Set(['WorkerUnreachable', 'LabStopped']);

/** Says what is wrong, or that it is over. Never a change of phase: that is a matter of the table. */
export function explainTrouble(s: Situation): void {
  const { generation } = s.session.metadata;
  const before = getCondition(s.draft, 'Degraded');
  const found = s.draft.phase && ON_WORKER.has(s.draft.phase) ? (workerUnreachable(s) ?? labStopped(s)) : undefined;
  if (found) {
    setCondition(s.draft, { type: 'Degraded', status: 'True', ...found }, s.now, generation);
    if (before?.status !== 'True' || before.message !== found.message) s.notices.push({ type: 'Warning', ...found });
  } else if (before?.status === 'True' && REASONS.has(before.reason) && s.draft.phase && ON_WORKER.has(s.draft.phase)) {
    setCondition(s.draft, { type: 'Degraded', status: 'False', reason: 'Recovered', message: `Over: ${before.message ?? before.reason}` }, s.now, generation);
    s.notices.push({ type: 'Normal', reason: 'Recovered', message: 'Worker and lab are as they should be again.' });
  }
}

interface Trouble {
  reason: string;
  message: string;
}

function workerUnreachable(s: Situation): Trouble | undefined {
  const { worker, timeouts } = s.world;
  if (!worker?.lostAt) return undefined;
  return { reason: 'WorkerUnreachable', message: `The CML host of worker ${worker.name} does not answer. If it stays away for ${formatDuration(timeouts.workerUnreachable)}, the worker counts as lost. Check the host and its network.` };
}

function labStopped(s: Situation): Trouble | undefined {
  const lab = s.draft.labName ?? '?';
  switch (s.world.lab?.stopped) {
    case 'restarting':
      return { reason: 'LabStopped', message: `Lab ${lab} was stopped on its host, not by us; its nodes are being started again.` };
    case 'again':
      return { reason: 'LabStopped', message: `Lab ${lab} was stopped on its host again after it had been started again once. Start it there, or end the session.` };
    case undefined:
      return undefined;
  }
}
