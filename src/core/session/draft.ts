/** Changes to the draft of a status that several rows share. */
import { LABLET_SESSIONS } from '../../api/kinds.ts';
import { recordEvent, recordReceived } from '../outbox.ts';
import { pipelineSteps, startPipeline } from '../pipelines.ts';
import { setCondition } from '../conditions.ts';
import { fromTime, toTime } from '../time.ts';
import { definitionOf } from './situation.ts';
import type { EmittedData, EmittedType } from '../../api/events.ts';
import type { OutboxEntry } from '../../api/outbox.ts';
import type { PipelineName } from '../../api/labletsession.ts';
import type { Receipt } from '../../api/archive.ts';
import type { EmitContext } from '../outbox.ts';
import type { Because } from './row.ts';
import type { Situation } from './situation.ts';

export const sessionId = (s: Situation): string => s.session.metadata.uid;
export const nowText = (s: Situation): string => toTime(s.now);

/** Records an event, where there is somebody to send it to. */
export function emit<T extends EmittedType>(s: Situation, because: Because, type: T, data: EmittedData<T>, secretRef?: OutboxEntry['secretRef']): void {
  if (!s.world.emit) return;
  s.dropped.push(...recordEvent(s.draft, type, data, { ...emitContext(s), causationId: because.eventId, traceParent: because.traceParent }, secretRef));
}

/** Records for the archive what was received, and what became of it. */
export function receive(s: Situation, receipt: Receipt, result: 'Applied' | 'Ignored' | 'Deferred'): void {
  s.dropped.push(...recordReceived(s.draft, receipt, result, emitContext(s)));
}

function emitContext({ session: { metadata }, world: { archive: base }, now }: Situation): EmitContext {
  return { uid: metadata.uid, now, archive: base === undefined ? undefined : { base, resource: LABLET_SESSIONS, metadata } };
}

export function condition(s: Situation, type: string, status: 'True' | 'False' | 'Unknown', because: Pick<Because, 'reason' | 'message'>): void {
  setCondition(s.draft, { type, status, reason: because.reason, message: because.message }, s.now, s.session.metadata.generation);
}

/** Puts a fresh checkpoint in place: the first run of a pipeline. */
export function begin(s: Situation, name: PipelineName): void {
  s.draft.pipeline = startPipeline(name, pipelineSteps(name, definitionOf(s)?.spec), s.now);
}

/** Starts a further run of the pipeline in the checkpoint, not before `notBefore`. */
export function restart(s: Situation, name: PipelineName, notBefore: Date): void {
  s.draft.pipeline = startPipeline(name, pipelineSteps(name, definitionOf(s)?.spec), s.now, s.draft.pipeline, notBefore);
}

/** Ends the candidate access, unless it has ended already. */
export function endUserSession(s: Situation, state: 'Ended' | 'Expired'): boolean {
  const access = s.draft.userSession;
  if (!access || ['Ended', 'Expired', 'Faulted'].includes(access.state)) return false;
  s.draft.userSession = { ...access, state, endedAt: nowText(s) };
  return true;
}

/** The candidate's work is over: endedAt, duration, UserSession Expired where the slot ended it, else Ended. */
export function finishWork(s: Situation, because: Because): void {
  const started = fromTime(s.draft.startedAt);
  s.draft.endedAt = nowText(s);
  if (started) s.draft.durationSeconds = Math.max(0, Math.round((s.now.getTime() - started.getTime()) / 1000));
  endUserSession(s, because.collectionReason === 'timeslot_end' ? 'Expired' : 'Ended');
}

/** GradingSession Faulted, unless it has its result or failed before; Graded=False says why and what would help. */
export function faultGrading(s: Situation, because: Pick<Because, 'reason' | 'message'>, error = because.message): void {
  const grading = s.draft.gradingSession;
  if (grading && grading.state !== 'Submitted' && grading.state !== 'Faulted') {
    s.draft.gradingSession = { ...grading, state: 'Faulted', completedAt: nowText(s), error: error.slice(0, 512) };
  }
  condition(s, 'Graded', 'False', because);
}
