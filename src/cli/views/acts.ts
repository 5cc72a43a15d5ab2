/**
 * What people may ask of a session or a worker, as patches of the contract's own verbs (spec.desiredState, timeslot.end,
 * annotations; contract §2.1). Pure: each act is decided on the object as it is, and refused where the controller would
 * refuse it, or where it would do something else than it says.
 */
import { ANNOTATIONS } from '../../api/group.ts';
import { isDeleting } from '../../api/meta.ts';
import { parseDuration } from '../../core/duration.ts';
import { plus, toTime } from '../../core/time.ts';
import { CliError, EXIT } from '../errors.ts';
import { clock, span } from '../moments.ts';
import type { LabletSession, SessionPhase } from '../../api/labletsession.ts';
import type { PinnedDefinition } from '../../core/definition.ts';

/** The patch to send, or why there is nothing to send: `done` says it in words. */
export interface Act {
  patch?: { spec?: object; metadata?: { annotations: Record<string, string | null> } };
  done: string;
}

const refuse = (message: string): never => {
  throw new CliError(EXIT.refused, message);
};

const ENDING: ReadonlySet<SessionPhase | undefined> = new Set(['Stopping', 'Stopped', 'Archived', 'Terminated']);
const WORKED: ReadonlySet<SessionPhase | undefined> = new Set(['Running', 'Collecting', 'Grading']);

/** Finish gracefully: collect and grade. */
export function end(session: LabletSession): Act {
  const { name } = session.metadata;
  const phase = session.status?.phase;
  if (ENDING.has(phase) || phase === 'Collecting' || phase === 'Grading') return { done: `${name} has ended already; it is ${phase ?? 'New'}.` };
  if (phase !== 'Running') return refuse(`${name} has not started (it is ${phase ?? 'New'}), so there is nothing to collect. To give it up: kubectl lablet cancel ${name}`);
  if (session.spec.desiredState !== 'Active' || isDeleting(session)) return { done: `${name} is being ended already.` };
  return { patch: { spec: { desiredState: 'Ended' } }, done: `${name} ends: the work is collected and, where it can be, graded.` };
}

/** Would it destroy work that nobody has graded yet? Then a person has to say yes. */
export const losesWork = ({ status }: LabletSession): boolean => WORKED.has(status?.phase);

/** Stop now, without a grade. `force`: whatever is left outside (T21). */
export function cancel(session: LabletSession, { force }: { force: boolean }): Act {
  const { metadata: { name, annotations }, spec, status } = session;
  const phase = status?.phase;
  if (phase === 'Terminated') return { done: `${name} is Terminated already.` };
  if (force) {
    if (annotations?.[ANNOTATIONS.forceTerminate] !== undefined) return { done: `${name} is being ended by force already.` };
    return { patch: annotate(ANNOTATIONS.forceTerminate, 'kubectl-lablet'), done: `${name} is ended at once; what is left on the worker is removed later.` };
  }
  if (ENDING.has(phase)) return { done: `${name} has ended already; it is ${phase ?? 'New'}.` };
  if (spec.desiredState === 'Terminated') return { done: `${name} is being cancelled already.` };
  return { patch: { spec: { desiredState: 'Terminated' } }, done: losesWork(session) ? `${name} is stopped without a grade.` : `${name} is cancelled.` };
}

/** Grade the live lab again: each new value of the annotation asks once. */
export function regrade(session: LabletSession): Act {
  const { metadata: { name, annotations }, status } = session;
  if (status?.phase !== 'Grading' || !status.gradingSession) return refuse(`${name} is ${status?.phase ?? 'New'}: only a session that is Grading, or held after a failed grading, can be graded again, since it is the running lab that is graded.`);
  const asked = [annotations?.[ANNOTATIONS.regrade], status.regrade].map(Number).filter(Number.isSafeInteger);
  return { patch: annotate(ANNOTATIONS.regrade, String(Math.max(0, ...asked) + 1)), done: `${name} is graded again.` };
}

/** Let a lab go that is held after a failed grading. */
export function release(session: LabletSession): Act {
  const { metadata: { name }, status } = session;
  if (status?.phase !== 'Grading' || status.gradingSession?.state !== 'Faulted') return refuse(`${name} is not held after a failed grading; it is ${status?.phase ?? 'New'}.`);
  return { patch: annotate(ANNOTATIONS.releaseHold, 'kubectl-lablet'), done: `${name} ends without a grade.` };
}

/** Start a Ready session in place of LDS. */
export function start(session: LabletSession): Act {
  const { metadata: { name }, status } = session;
  if (status?.phase !== 'Ready') return refuse(`${name} is ${status?.phase ?? 'New'}: only a Ready session can be started.`);
  return { patch: annotate(ANNOTATIONS.start, 'kubectl-lablet'), done: `${name} starts.` };
}

export const pause = ({ metadata: { name } }: LabletSession): Act => ({ patch: annotate(ANNOTATIONS.paused, 'kubectl-lablet'), done: `${name} is paused: nothing is done for it and no deadline takes effect until it is resumed.` });

export function resume({ metadata: { name, annotations } }: LabletSession): Act {
  if (annotations?.[ANNOTATIONS.paused] === undefined) return { done: `${name} is not paused.` };
  return { patch: annotate(ANNOTATIONS.paused, null), done: `${name} goes on; deadlines that have passed take effect now.` };
}

const annotate = (name: string, value: string | null): NonNullable<Act['patch']> => ({ metadata: { annotations: { [name]: value } } });

/** By how long, or until when. */
export type Extension = { by: number } | { until: Date };

export interface Extended extends Act {
  /** The end that is asked for. */
  end: string;
}

/**
 * A later end of the slot. An end that was asked for can never be taken back, not even where it was refused, so what the
 * definition does not allow is not asked.
 * @param definition the pinned version; undefined: it cannot be read, and the controller decides alone
 */
export function extend(session: LabletSession, wanted: Extension, definition: PinnedDefinition | undefined): Extended {
  const { metadata: { name }, spec, status } = session;
  const phase = status?.phase;
  if (phase === undefined) return refuse(`${name} is not admitted yet; edit spec.timeslot.end, or wait.`);
  if (ENDING.has(phase) || phase === 'Collecting' || phase === 'Grading') return refuse(`${name} has ended (it is ${phase}): create a new session.`);
  const now = status?.timeslot?.end;
  if (now === undefined) return refuse(`${name} has no end yet: without a booked slot its time begins when it is Ready. Extend it then.`);
  const asked = 'by' in wanted ? plus(new Date(now), wanted.by) : wanted.until;
  if (asked.getTime() === Date.parse(now)) return { done: `${name} ends at ${told(now)} already.`, end: now };
  if (asked.getTime() < Date.parse(now)) return refuse(`${name} ends at ${told(now)}: an end can only be moved later. To finish earlier: kubectl lablet end ${name}`);
  const limit = definition && plus(new Date(status?.timeslot?.bookedEnd ?? now), parseDuration(definition.spec.maxExtension));
  if (definition && limit && asked > limit) return refuse(`${definition.name} allows ${definition.spec.maxExtension} beyond the booked end (maxExtension): until ${told(limit)} at most${limit > new Date(now) ? `, that is ${span(limit.getTime() - Date.parse(now))} more` : ''}.`);
  if (spec.timeslot?.end !== undefined && asked < new Date(spec.timeslot.end)) return refuse(`An end at ${told(spec.timeslot.end)} was asked for before, and an end cannot be moved back. The slot ends at ${told(now)} until the calendar has room for that.`);
  return { patch: { spec: { timeslot: { end: toTime(asked) } } }, done: `${name} is to end at ${told(asked)}.`, end: toTime(asked) };
}

/** Sentences that scripts get too: always UTC. */
export const told = (at: string | Date): string => clock(at, { timeZone: 'UTC' });
