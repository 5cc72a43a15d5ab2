/** What causes the rows from Ready to the end (T9 to T20): each function says why its row applies now, or undefined. */
import { formatDuration } from '../duration.ts';
import { findStep } from '../pipelines.ts';
import { fromTime, plus } from '../time.ts';
import { isDeleting } from '../../api/meta.ts';
import { causedBy, controller, timer, user } from './row.ts';
import { definitionOf, desired, due, failurePolicy, hardEnd, isHoldReleased, isStartedByHand, noShowAt, pipelineState, result, seen, since, slotEnd } from './situation.ts';
import { cancelled, endAskedBy, slotOver, workerGone } from './triggers.ts';
import { isGradable } from './world.ts';
import type { ConsumedType } from '../../api/events.ts';
import type { Because } from './row.ts';
import type { Seen, Situation } from './situation.ts';

/** Failed runs of collect_evidence that are tried again (T14). */
export const COLLECT_RETRIES = 2;
/** Further grade calls under onFailure Retry (T16). */
const GRADE_RETRIES = 2;

/** Who told, and the event to name in what follows. Found by asking: nobody's event. */
function from(found: Seen<ConsumedType>): Pick<Because, 'actor' | 'eventId' | 'traceParent' | 'uses'> {
  return { actor: found.actor, ...(found.actor === 'poll' ? {} : causedBy(found.event)), ...(found.entry ? { uses: [found.entry] } : {}) };
}

/** T9. An end implies a start: `lds.session.ended` alone starts the session too, and is then used up by T11 or T12. */
export function startedBy(s: Situation): Because | undefined {
  if (s.draft.userSession?.state !== 'Provisioned') return undefined;
  const told = { reason: 'UserStarted', message: 'The candidate started.' };
  const started = seen(s, 'lds.session.started');
  if (started) return { ...told, ...from(started) };
  const ended = seen(s, 'lds.session.ended');
  if (ended) return { ...told, ...from({ ...ended, entry: undefined }) };
  return isStartedByHand(s) ? user('StartedByHand', 'Started by the annotation lablet.dev/start.') : undefined;
}

/** T10: nobody started, and a person or the clock ends it. A start that is known already wins over the clock. */
export function notStarted(s: Situation): Because | undefined {
  const ended = cancelled(s);
  if (ended || startedBy(s)) return ended;
  return slotOver(s, 'nobody started') ?? (due(s, noShowAt(s)) ? timer('NoShow', 'Nobody started the session in time.', { ending: 'NoShow' }) : undefined);
}

/** T12 for everybody: desiredState Terminated stops without a grade. */
function stoppedByRequest(s: Situation): Because | undefined {
  return desired(s) === 'Terminated' ? user('Cancelled', `Stopped without a grade: ${endAskedBy(s)}.`, { ending: 'Cancelled' }) : undefined;
}

/** T11. */
export function endsAndCollects(s: Situation): Because | undefined {
  return isGradable(s.world) && desired(s) !== 'Terminated' ? workEnded(s) : undefined;
}

/**
 * T12. Whether there is something to grade stands in the definition. While it cannot be read the work is kept, past
 * its end for as long as a collection may take.
 */
export function endsUngraded(s: Situation): Because | undefined {
  const cancel = stoppedByRequest(s);
  if (cancel || isGradable(s.world)) return cancel;
  const because = workEnded(s);
  if (!because || definitionOf(s)) return because;
  const end = hardEnd(s);
  return due(s, end && plus(end, s.world.timeouts.collection)) ? { ...because, message: `${because.message} The definition cannot be read, so nothing is graded.` } : undefined;
}

/** What ends the work of the candidate. */
function workEnded(s: Situation): Because | undefined {
  const event = seen(s, 'lds.session.ended');
  if (event) {
    const said = event.event.data.reason;
    return { reason: 'UserEnded', message: `The candidate finished${said ? ` (${said})` : ''}.`, ending: 'Normal', collectionReason: 'lds_session_ended', ...from(event) };
  }
  if (desired(s) !== 'Active') return user('Ended', `Ended by request: ${endAskedBy(s)}.`, { ending: 'Normal', collectionReason: 'manual' });
  if (s.world.worker?.overdueDrain) return timer('DrainTimeout', `Worker ${s.world.worker.name} could not be drained in time.`, { ending: 'Normal', collectionReason: 'manual' });
  const end = hardEnd(s);
  if (!due(s, end)) return undefined;
  return end?.getTime() === slotEnd(s)?.getTime()
    ? timer('TimeslotEnded', 'The slot is over.', { ending: 'Normal', collectionReason: 'timeslot_end' })
    : timer('MaxDurationReached', 'The longest working time is over.', { ending: 'Normal', collectionReason: 'max_duration' });
}

/** T13. */
export function evidenceCollected(s: Situation): Because | undefined {
  return pipelineState(s, 'collect_evidence') === 'completed' ? controller('EvidenceCollected', 'The lab is being graded.') : undefined;
}

/** T14. A drain that takes too long does not cancel here: what it ended is being collected, within limits of its own. */
export function collectionGivenUp(s: Situation): Because | undefined {
  const cancel = stoppedByRequest(s);
  if (cancel) return cancel;
  const { pipeline } = s.draft;
  if (pipelineState(s, 'collect_evidence') === 'failed' && (pipeline?.attempt ?? 1) > COLLECT_RETRIES) {
    return controller('CollectionFailed', `The evidence could not be collected: ${pipeline?.error ?? 'no reason given'}`, { ending: 'Failed' });
  }
  const { collection } = s.world.timeouts;
  return evidenceCollected(s) === undefined && due(s, plus(since(s), collection))
    ? timer('CollectionTimeout', `The evidence was not collected within ${formatDuration(collection)}: ${pipeline?.error ?? 'still running'}`, { ending: 'Failed' })
    : undefined;
}

/** T15. A report that was stored before a crash is the result, whatever this event says. */
export function graded(s: Situation): Because | undefined {
  const event = result(s);
  if (!event) return undefined;
  const { score, maxScore } = s.world.existingReport ?? event.event.data;
  return { reason: 'Graded', message: `Graded with ${score}${maxScore === undefined ? '' : ` of ${maxScore}`}.`, ending: 'Normal', ...from(event) };
}

/** T16: cancelled, or a failed grading that is given up: by onFailure, by a person, or after the hold. */
export function gradingGivenUp(s: Situation): Because | undefined {
  const cancel = stoppedByRequest(s);
  const { gradingSession } = s.draft;
  if (cancel || gradingSession?.state !== 'Faulted') return cancel;
  const error = gradingSession.error ?? 'no reason given';
  const policy = failurePolicy(s);
  if (policy === 'Hold') {
    if (isHoldReleased(s)) return user('HoldReleased', `Grading failed (${error}); the hold was released.`, { ending: 'Failed' });
    const { hold } = s.world.timeouts;
    const began = fromTime(gradingSession.completedAt) ?? since(s);
    return due(s, plus(began, hold)) ? timer('HoldExpired', `Grading failed (${error}); nobody acted within ${formatDuration(hold)}.`, { ending: 'Failed' }) : undefined;
  }
  if (policy === 'Retry' && mayGradeAgain(s)) return undefined;
  const told = s.draft.inbox?.findLast((entry) => entry.type === 'grading.session.failed' && entry.result === 'Applied');
  const by = s.failure ?? (told ? { actor: 'grading-engine', ...causedBy(told) } : { actor: 'controller' });
  return { reason: by.actor === 'timer' ? 'GradingTimeout' : 'GradingFailed', message: `Grading failed: ${error}`, ending: 'Failed', ...by };
}

/** onFailure Retry: is a further grade call left? Counted in runs, so that calls which never got through count too. */
export const mayGradeAgain = (s: Situation): boolean => s.draft.pipeline?.name !== 'compute_grading' || s.draft.pipeline.attempt <= GRADE_RETRIES;

/** T17. */
export function stopped(s: Situation): Because | undefined {
  if (!s.draft.labName || workerGone(s) || s.world.lab?.state === 'gone') return controller('Stopped', 'Nothing of the session runs on a worker any more.');
  const stop = findStep(s.draft.pipeline?.name === 'teardown' ? s.draft.pipeline : undefined, 'stop_lab');
  if (stop?.state === 'Completed' || stop?.state === 'Skipped') return controller('Stopped', 'The lab is stopped.');
  const { teardown } = s.world.timeouts;
  return due(s, plus(since(s), teardown)) ? timer('TeardownTimeout', `The lab did not stop within ${formatDuration(teardown)}: Lab ${s.draft.labName} is left as Orphaned and removed later.`) : undefined;
}

/** T18, T19. */
export function tornDown(s: Situation): Because | undefined {
  if (pipelineState(s, 'teardown') === 'completed') return controller('TornDown', 'Nothing of the session is left on a worker.');
  const { teardown } = s.world.timeouts;
  return due(s, plus(since(s), teardown))
    ? timer('TeardownTimeout', `Not everything was removed within ${formatDuration(teardown)}${s.draft.pipeline?.error ? ` (${s.draft.pipeline.error})` : ''}: what is left of Lab ${s.draft.labName ?? '?'} is removed later.`)
    : undefined;
}

/** T20. */
export function archiveOver(s: Situation): Because | undefined {
  if (isDeleting(s.session)) return user('Deleted', 'The session was deleted.');
  return due(s, plus(since(s), s.world.timeouts.archiveTtl)) ? timer('ArchiveExpired', 'The archive time is over.') : undefined;
}
