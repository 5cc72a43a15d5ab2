/** Where a session is in its life and what comes next, in a sentence. */
import { ANNOTATIONS } from '../../api/group.ts';
import { isDeleting } from '../../api/meta.ts';
import { findStep } from '../../core/pipelines.ts';
import { heldBack } from '../../core/session/situation.ts';
import { isHeld, situationOf } from './deadline.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { PinnedDefinition } from '../../core/definition.ts';

export function stateOf(session: LabletSession, definition: PinnedDefinition | undefined, now: Date): string {
  const going = isDeleting(session) ? ' It is being deleted, and stays until its lab is removed and its last events are sent.' : '';
  return `${here(session, definition, now)}${going}`;
}

function here(session: LabletSession, definition: PinnedDefinition | undefined, now: Date): string {
  const { status, spec } = session;
  const worker = status?.workerName ?? 'its worker';
  if (heldBack(session) === 'Paused') return `It is held in ${status?.phase ?? 'its beginning'} by the annotation ${ANNOTATIONS.paused}.`;
  if (heldBack(session) === 'Restored') return 'It was restored from a backup, and is held.';
  switch (status?.phase) {
    case undefined:
      return `It waits to be admitted: LabletDefinition ${spec.definitionRef.name} must be there and ready.`;
    case 'Pending':
      return (status.reschedules ?? 0) > 0 ? 'It has lost its worker and waits for another.' : 'It waits for a worker.';
    case 'Scheduled':
      return `It has a place on ${worker}; its lab is not started yet.`;
    case 'Instantiating':
      return `Its lab is being made ready on ${worker}${stepNow(session)}.`;
    case 'Ready':
      return status.userSession?.ldsSessionId === undefined ? 'Its lab is ready; somebody has to start it (kubectl lablet start).' : 'Its lab is ready; it waits for its candidate.';
    case 'Running':
      return 'The candidate is working.';
    case 'Collecting':
      return `The work is over; the evidence is being collected${stepNow(session)}.`;
    case 'Grading':
      return isHeld(situationOf(session, definition, now)) ? 'The grading has failed; its lab is held until somebody acts.' : 'The GradingEngine grades the lab.';
    case 'Stopping':
      return 'It has ended; its lab is being stopped.';
    case 'Stopped':
      return 'It has ended; what is left of its lab is being removed.';
    case 'Archived':
      return `It is over, and the result is final${result(session)}.`;
    case 'Terminated':
      return `It is over${result(session)}.`;
  }
}

/** `, now at lab_start` */
function stepNow({ status }: LabletSession): string {
  const { pipeline } = status ?? {};
  const current = pipeline?.steps.find(({ state }) => state === 'Running') ?? pipeline?.steps.find(({ state }) => state === 'Pending');
  if (!pipeline || !current) return '';
  const attempts = findStep(pipeline, current.name)?.attempts ?? 1;
  return `, now at ${current.name}${attempts > 1 ? ` (attempt ${attempts})` : ''}${pipeline.attempt > 1 ? `, run ${pipeline.attempt}` : ''}`;
}

function result({ status }: LabletSession): string {
  const report = status?.scoreReport;
  return report ? `: ${report.score}${report.maxScore === undefined ? '' : ` of ${report.maxScore}`}, ${report.passed ? 'passed' : 'not passed'}` : '';
}
