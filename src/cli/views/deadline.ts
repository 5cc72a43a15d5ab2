/** What the clock will do to a session, and when, by the rules of its phase (contract §2.6), asked of the lifecycle itself. */
import { definitionDurations } from '../../core/definition.ts';
import { getCondition } from '../../core/conditions.ts';
import { definitionOf, failurePolicy, hardEnd, noShowAt, since, situation, slotEnd, slotStart } from '../../core/session/situation.ts';
import { waitLimit } from '../../core/session/triggers-start.ts';
import { TIMEOUTS } from '../../core/timeouts.ts';
import { earliest, fromTime, plus } from '../../core/time.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { Situation } from '../../core/session/situation.ts';

export interface Deadline {
  at: string;
  /** What happens then if nothing else happens before, as a half sentence. */
  what: string;
}

/** The session as its lifecycle sees it. An installation that sets other TIMEOUTS has other limits: those are not known here. */
export function situationOf(session: LabletSession, definition: PinnedDefinition | undefined, now: Date): Situation {
  return situation(session, {
    definition: definition ? { state: 'ready', definition, durations: definitionDurations(definition.spec, 1) } : { state: 'missing' },
    ldsConfigured: true, gradingConfigured: true, namespaceTerminating: false, emit: false, timeouts: TIMEOUTS, scale: 1,
  }, now);
}

/** The next thing that the clock does; undefined: nothing. */
export function deadlineOf(session: LabletSession, definition: PinnedDefinition | undefined, now: Date): Deadline | undefined {
  const s = situationOf(session, definition, now);
  const found = next(s);
  return found && { at: found.at.toISOString(), what: found.what };
}

type Next = { at: Date; what: string } | undefined;

const first = (...found: Next[]): Next => {
  const at = earliest(...found.map((one) => one?.at));
  return found.find((one) => one?.at === at);
};
const then = (at: Date | undefined, what: string): Next => at && { at, what };

function next(s: Situation): Next {
  const { phase, pipeline, gradingSession } = s.draft;
  const { collection, grading, teardown, archiveTtl, hold, instantiateAttempts, pendingAsap } = s.world.timeouts;
  switch (phase) {
    case undefined:
    case 'Pending': {
      const limit = waitLimit(s);
      return first(then(gate(s), 'a worker is looked for'), then(limit.at, `it is given up without a worker (${limit.because.reason})`));
    }
    case 'Scheduled':
      return first(then(leadTime(s), 'the lab is started'), then(slotEnd(s) ?? plus(since(s), pendingAsap), 'it is given up unless its worker is ready'));
    case 'Instantiating':
      return first(
        then(pipeline && plus(fromTime(pipeline.startedAt), s.world.timeouts.instantiateAttempt), `run ${pipeline?.attempt ?? 1} of ${instantiateAttempts} counts as failed`),
        then(slotEnd(s), 'the slot is over'),
      );
    case 'Ready':
      return first(then(noShowAt(s), 'it ends as a no-show unless the candidate starts'), then(slotEnd(s), 'the slot is over'));
    case 'Running':
      return then(hardEnd(s), 'the work ends, and what can be graded is graded');
    case 'Collecting':
      return then(plus(since(s), collection), 'collecting is given up');
    case 'Grading':
      if (gradingSession?.state !== 'Faulted') return then(plus(fromTime(gradingSession?.requestedAt) ?? since(s), grading), 'the grading counts as failed');
      return isHeld(s) ? then(plus(fromTime(gradingSession.completedAt) ?? since(s), hold), 'the lab is let go without a grade') : undefined;
    case 'Stopping':
    case 'Stopped':
      return then(plus(since(s), teardown), 'what is left is removed later');
    case 'Archived':
      return then(plus(since(s), archiveTtl), 'it is Terminated; the result stays');
    case 'Terminated':
      return undefined;
  }
}

/** The lab is kept after a failed grading until somebody acts. Where the definition cannot be read its condition says so. */
export function isHeld(s: Situation): boolean {
  if (s.draft.phase !== 'Grading' || s.draft.gradingSession?.state !== 'Faulted') return false;
  return definitionOf(s) ? failurePolicy(s) === 'Hold' : getCondition(s.draft, 'Graded')?.message?.includes('The lab is held') === true;
}

/** When a worker is looked for; undefined: it is time already, or no time was booked. */
function gate(s: Situation): Date | undefined {
  const start = slotStart(s);
  const at = start && plus(start, -s.world.timeouts.schedulingGate);
  return at && at > s.now ? at : undefined;
}

function leadTime(s: Situation): Date | undefined {
  const start = slotStart(s);
  const lead = s.world.definition.state === 'ready' ? s.world.definition.durations.bootLeadTime : undefined;
  const at = start && lead !== undefined ? plus(start, -lead) : undefined;
  return at && at > s.now ? at : undefined;
}
