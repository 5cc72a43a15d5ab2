/** What changes within a phase: extensions, runs of pipelines that start again, a grading that fails or is tried again, and words for who waits. */
import { ANNOTATIONS } from '../../api/group.ts';
import { setCondition } from '../conditions.ts';
import { formatDuration } from '../duration.ts';
import { fromTime, plus, toTime } from '../time.ts';
import { without } from '../without.ts';
import { begin, condition, nowText, restart } from './draft.ts';
import { failGrading, settleDeferred } from './matrix.ts';
import { definitionOf, due, failurePolicy, pipelineState, result, since } from './situation.ts';
import { COLLECT_RETRIES, mayGradeAgain } from './triggers-end.ts';
import { leadTimeReached } from './triggers-start.ts';
import type { SessionPhase } from '../../api/labletsession.ts';
import type { Situation } from './situation.ts';

/** Brings the draft up to date within its phase, before the rows are asked. A second time at the same instant it changes nothing. */
export function withinPhase(s: Situation): void {
  extend(s);
  settleDeferred(s);
  regrade(s);
  if (s.draft.phase === 'Instantiating') instantiateAgain(s);
  if (s.draft.phase === 'Collecting') collectAgain(s);
  if (s.draft.phase === 'Grading') {
    failWithoutEvent(s);
    gradeAgain(s);
  }
}

/** The capacity is being given back, or is: an extension comes too late. */
const ENDED: ReadonlySet<SessionPhase> = new Set(['Stopping', 'Stopped', 'Archived', 'Terminated']);

/** A later end in the spec extends the slot by up to maxExtension, if the calendar has room, or is refused in words (contract §2.1 "Extension"). */
function extend(s: Situation): void {
  const asked = fromTime(s.session.spec.timeslot?.end);
  const { timeslot, phase } = s.draft;
  const bookedEnd = fromTime(timeslot?.bookedEnd);
  const { definition } = s.world;
  if (!phase || ENDED.has(phase) || definition.state !== 'ready' || !asked || !bookedEnd || !timeslot?.end || asked <= new Date(timeslot.end)) return;
  const { maxExtension } = definition.durations;
  const tooLong = asked.getTime() - bookedEnd.getTime() > maxExtension;
  const refusal = tooLong ? `The slot may be extended by ${formatDuration(maxExtension)} at most, to ${toTime(plus(bookedEnd, maxExtension))}; it still ends at ${timeslot.end}.` : s.world.noRoom;
  if (refusal !== undefined) {
    condition(s, 'Admitted', 'False', { reason: 'ExtensionRefused', message: refusal });
    return;
  }
  s.draft.timeslot = { ...timeslot, end: toTime(asked) };
  condition(s, 'Admitted', 'True', { reason: 'Extended', message: `The slot was extended to ${toTime(asked)}.` });
}

/** A run of instantiate that failed or takes too long starts again after a pause, while runs are left (T8 otherwise). */
function instantiateAgain(s: Situation): void {
  const { pipeline } = s.draft;
  if (pipeline?.name !== 'instantiate') return;
  const { instantiateAttempt, instantiateAttempts, instantiateBackoff } = s.world.timeouts;
  const state = pipelineState(s, 'instantiate');
  // A completed run takes T6 at once, unless the definition cannot be read: then it is late as well.
  if (state === 'running' || (state === 'completed' && !definitionOf(s))) {
    if (!due(s, plus(new Date(pipeline.startedAt), instantiateAttempt))) return;
    failRun(s, `not ready within ${formatDuration(instantiateAttempt)}`);
  } else if (state === 'completed') return;
  if (pipeline.attempt >= instantiateAttempts || pipeline.permanent) return;
  condition(s, 'LabReady', 'False', { reason: 'InstantiationFailed', message: `Run ${pipeline.attempt} of ${instantiateAttempts} failed: ${pipeline.error ?? 'no reason given'}` });
  restart(s, 'instantiate', plus(s.now, instantiateBackoff));
  s.draft.attempts = pipeline.attempt + 1;
}

function failRun(s: Situation, error: string): void {
  const { pipeline } = s.draft;
  if (!pipeline) return;
  const current = pipeline.steps.find((step) => step.state === 'Running' || step.state === 'Pending') ?? pipeline.steps.at(-1);
  pipeline.error = `${current?.name ?? pipeline.name}: ${error}${current?.error ? ` (${current.error})` : ''}`.slice(0, 512);
  pipeline.steps = pipeline.steps.map((step) => (step === current ? { ...step, state: 'Failed', error: step.error ?? error } : step));
}

/** A failed run of collect_evidence starts again twice (T14 otherwise). */
function collectAgain(s: Situation): void {
  if (pipelineState(s, 'collect_evidence') === 'failed' && (s.draft.pipeline?.attempt ?? 1) <= COLLECT_RETRIES) restart(s, 'collect_evidence', s.now);
}

/** A grading that cannot be asked for, or brings no result in time. */
function failWithoutEvent(s: Situation): void {
  const grading = s.draft.gradingSession;
  if (!grading || grading.state === 'Faulted' || grading.state === 'Submitted' || result(s)) return;
  if (pipelineState(s, 'compute_grading') === 'failed') {
    failGrading(s, s.draft.pipeline?.error ?? 'the grading could not be asked for', { actor: 'controller' });
    return;
  }
  const { grading: limit } = s.world.timeouts;
  if (due(s, plus(fromTime(grading.requestedAt) ?? since(s), limit))) failGrading(s, `no result within ${formatDuration(limit)}`, { actor: 'timer' });
}

/** onFailure Retry: up to two more grade calls on the same grading session, after a pause. Hold: says what would help. */
function gradeAgain(s: Situation): void {
  const grading = s.draft.gradingSession;
  if (grading?.state !== 'Faulted' || result(s)) return;
  const policy = failurePolicy(s);
  if (policy === 'Hold') {
    condition(s, 'Graded', 'False', { reason: 'GradingFailed', message: `${grading.error ?? 'The grading failed'}. The lab is held: annotate lablet.dev/regrade to grade again, or lablet.dev/release-hold to let it go.` });
    return;
  }
  if (policy !== 'Retry' || !mayGradeAgain(s)) return;
  askAgain(s, plus(s.now, s.world.timeouts.gradeRetryBackoff));
  restart(s, 'compute_grading', plus(s.now, s.world.timeouts.gradeRetryBackoff));
}

/** The limit of the grading runs from the next call. */
function askAgain(s: Situation, at: Date): void {
  if (!s.draft.gradingSession) return;
  s.draft.gradingSession = { ...without(s.draft.gradingSession, 'completedAt', 'error'), state: 'Collecting', requestedAt: toTime(at) };
}

/** Annotation lablet.dev/regrade: each new value asks for one more grade of the live lab, or is refused once. */
function regrade(s: Situation): void {
  const asked = s.session.metadata.annotations?.[ANNOTATIONS.regrade]?.slice(0, 64);
  if (!asked || asked === s.draft.regrade || !s.draft.phase) return;
  s.draft.regrade = asked;
  if (s.draft.phase !== 'Grading' || !s.draft.gradingSession || result(s)) {
    s.notices.push({ type: 'Warning', reason: 'RegradeRefused', message: `lablet.dev/regrade works only while the session is Grading or held after a failed grading, since the live lab is graded; it is ${s.draft.phase}.` });
    return;
  }
  askAgain(s, s.now);
  begin(s, 'compute_grading');
  condition(s, 'Graded', 'Unknown', { reason: 'Regrading', message: `Graded again by request since ${nowText(s)}.` });
}

/** A session that waits says what for, and what would help. */
export function explainWaiting(s: Situation): void {
  const { definition, worker } = s.world;
  if (s.draft.phase === undefined && definition.state !== 'ready') {
    const { name, version } = s.session.spec.definitionRef;
    const wanted = `LabletDefinition ${name}${version ? ` version ${version}` : ''}`;
    const message = definition.state === 'missing' ? `${wanted} does not exist in this namespace. Create it, and the session goes on.` : `${wanted} is not ready yet: ${definition.message}`;
    setCondition(s.draft, { type: 'Scheduled', status: 'False', reason: definition.state === 'missing' ? 'DefinitionNotFound' : 'DefinitionNotReady', message }, s.now, s.session.metadata.generation);
  }
  if (s.draft.phase === 'Scheduled' && worker?.state === 'notReady' && leadTimeReached(s)) {
    condition(s, 'LabReady', 'False', { reason: 'WorkerNotReady', message: `Waits for worker ${worker.name}: ${worker.message}` });
  }
}
