/**
 * Every limit of contract §2.6 in milliseconds, in one place. The variable TIMEOUTS changes them (`readTimeouts`) and
 * TIME_SCALE divides them (`scaleTimeouts`); leases, network time-outs, HTTP retries and caches are not here: they stay
 * real. What belongs to a lab or a host is in its definition or template: no-show, boot lead, hard end, steps, drain.
 */
import { parseDuration } from './duration.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export interface Timeouts {
  /** A booked session is given a worker from so long before its start on, or earlier where a host needs more time. */
  schedulingGate: number;
  /** A Pending session with a slot is given up this long after its start (T2). */
  missedSlot: number;
  /** A Pending session without a slot is given up after this (T2). */
  pendingAsap: number;
  /** All attempts of instantiate together may take this long for each attempt (T8). */
  instantiateAttempt: number;
  /** Runs of instantiate before T8. */
  instantiateAttempts: number;
  /** Wait between two runs of instantiate. */
  instantiateBackoff: number;
  /** How often LDS is asked about a Ready or Running session. */
  pollLds: number;
  /** How often the GradingEngine is asked about a grading. */
  pollGrading: number;
  /** How often a lab is asked whether it has converged or stopped. */
  pollLab: number;
  /** A session that holds after a failed grading is let go after this (T16). */
  hold: number;
  /** Backoff before a further grade call of onFailure Retry. */
  gradeRetryBackoff: number;
  /** Archived for this long before Terminated (T20). */
  archiveTtl: number;
  /** Terminated objects are deleted after this. */
  historyTtl: number;
  /** An unreachable worker counts as lost after this. */
  workerUnreachable: number;
  /** A machine that is not Running so long after its launch or restart has failed. */
  provisioning: number;
  /** What a drain past its limit has not ended is ended by force after this (T21). */
  drainForce: number;
  /** Limit of Collecting (T14). */
  collection: number;
  /** Limit of Grading (T16). */
  grading: number;
  /** Stopping and Stopped may take this long each (T17, T18). */
  teardown: number;
  /** A deleted object waits this long for its last events. */
  deletion: number;
  /** An event that the sink refuses holds up the later ones of its object for so long. */
  park: number;
  /** An unclaimed kept Lab is deleted after this. */
  labRetention: number;
  /** Objects are looked at again at least this often. */
  resync: number;
}

export const TIMEOUTS: Timeouts = {
  // 20 min to boot a worker and 15 min to instantiate.
  schedulingGate: 35 * MINUTE,
  missedSlot: 5 * MINUTE,
  pendingAsap: 45 * MINUTE,
  instantiateAttempt: 15 * MINUTE,
  instantiateAttempts: 3,
  instantiateBackoff: 30 * SECOND,
  pollLds: 60 * SECOND,
  pollGrading: 60 * SECOND,
  pollLab: 5 * SECOND,
  hold: 4 * HOUR,
  gradeRetryBackoff: 60 * SECOND,
  archiveTtl: HOUR,
  historyTtl: 24 * HOUR,
  workerUnreachable: 10 * MINUTE,
  provisioning: 30 * MINUTE,
  drainForce: 60 * MINUTE,
  collection: 10 * MINUTE,
  grading: 30 * MINUTE,
  teardown: 10 * MINUTE,
  deletion: 10 * MINUTE,
  park: 10 * MINUTE,
  labRetention: 24 * HOUR,
  resync: 30 * SECOND,
};

const MOST_ATTEMPTS = 20;
const LONGEST = 365 * 24 * HOUR;

/**
 * The limits with those that an installation sets otherwise.
 * @param text `name=value` pairs, comma-separated: `hold=2h,archiveTtl=30m,instantiateAttempts=5`
 * @throws RangeError that says what to write
 */
export function readTimeouts(text: string): Timeouts {
  const set: Record<string, number> = {};
  for (const pair of text.split(',').map((part) => part.trim()).filter((part) => part !== '')) {
    const [name = '', value = '', ...rest] = pair.split('=').map((part) => part.trim());
    if (rest.length > 0 || value === '') throw new RangeError(`"${pair.slice(0, 60)}" is no pair such as hold=2h`);
    if (!Object.hasOwn(TIMEOUTS, name)) throw new RangeError(`there is no limit "${name.slice(0, 40)}"; there are ${Object.keys(TIMEOUTS).join(', ')}`);
    set[name] = name === 'instantiateAttempts' ? attempts(value) : limit(name, value);
  }
  return { ...TIMEOUTS, ...set };
}

function attempts(value: string): number {
  const count = Number(value);
  if (!Number.isInteger(count) || count < 1 || count > MOST_ATTEMPTS) throw new RangeError(`instantiateAttempts is a whole number from 1 to ${MOST_ATTEMPTS}`);
  return count;
}

function limit(name: string, value: string): number {
  const ms = parseDuration(value);
  if (ms < SECOND || ms > LONGEST) throw new RangeError(`${name} is from 1s to ${LONGEST / HOUR}h`);
  return ms;
}

/** The same limits in a world whose clock of the domain runs `scale` times as fast (demo, soak). */
export function scaleTimeouts(scale: number, timeouts: Timeouts = TIMEOUTS): Timeouts {
  const scaled = Object.fromEntries(Object.entries(timeouts).map(([name, value]) => [name, (value as number) / scale]));
  return { ...(scaled as unknown as Timeouts), instantiateAttempts: timeouts.instantiateAttempts };
}
