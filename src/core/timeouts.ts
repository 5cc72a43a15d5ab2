/**
 * Every limit of contract §2.6 in milliseconds, in one place. `TIME_SCALE` divides those that are marked so
 * in `scaleTimeouts`; leases, network time-outs, HTTP retries and caches are not here: they stay real.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export interface Timeouts {
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
  collection: 10 * MINUTE,
  grading: 30 * MINUTE,
  teardown: 10 * MINUTE,
  deletion: 10 * MINUTE,
  park: 10 * MINUTE,
  labRetention: 24 * HOUR,
  resync: 30 * SECOND,
};

/** The scheduling gate before a booked start: 20 min worker boot and 15 min instantiate. */
export const SCHEDULING_GATE = 35 * MINUTE;

/** The same limits in a world whose clock of the domain runs `scale` times as fast (demo, soak). */
export function scaleTimeouts(scale: number, timeouts: Timeouts = TIMEOUTS): Timeouts {
  const scaled = Object.fromEntries(Object.entries(timeouts).map(([name, value]) => [name, (value as number) / scale]));
  return { ...(scaled as unknown as Timeouts), instantiateAttempts: timeouts.instantiateAttempts };
}
