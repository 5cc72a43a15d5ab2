/** What causes the rows from creation to Ready (T0 to T8): each function says why its row applies now, or undefined. */
import { formatDuration } from '../duration.ts';
import { earliest, fromTime, latest, plus } from '../time.ts';
import { controller, timer } from './row.ts';
import { definitionOf, due, isBooked, pipelineState, since, slotEnd, slotStart } from './situation.ts';
import { cancelled, forced, slotOver, workerGone } from './triggers.ts';
import { usesLds } from './world.ts';
import type { Because } from './row.ts';
import type { Situation } from './situation.ts';

/** Workers that a session may lose before its start: one more, and it ends (T4, T7). */
const MAX_RESCHEDULES = 3;

/** What is told once, at admission: the session can never run (T0 and T2 in one write). */
function refused(s: Situation): Because | undefined {
  if (!s.admitting || s.world.definition.state !== 'ready') return undefined;
  const { definition, durations, deprecatedBy } = s.world.definition;
  const refusal = (reason: string, message: string) => controller(reason, message, { ending: 'Cancelled', refusal: true });
  if (deprecatedBy) return refusal('DefinitionVersionDeprecated', `Version ${definition.version} of ${definition.name} was replaced by ${deprecatedBy}. Create the session with that version, or without one.`);
  const [start, until] = [slotStart(s), slotEnd(s)];
  if (start && until) {
    if (until <= start) return refusal('InvalidTimeslot', 'The slot ends before it starts. Book one with timeslot.start before timeslot.end.');
    if (until.getTime() - start.getTime() > durations.maxDuration) return refusal('InvalidTimeslot', `The slot is longer than maxDuration ${definition.spec.maxDuration} of ${definition.name}. Book a shorter one.`);
    if (until <= s.now) return refusal('InvalidTimeslot', 'The slot is over already. Book one in the future, or leave the timeslot out to start as soon as possible.');
  }
  if (s.world.duplicateOf) return refusal('DuplicateReservation', `Reservation ${s.session.spec.reservationId ?? ''} is held by session ${s.world.duplicateOf} already. Use that one, or end it first.`);
  if (s.world.noRoom && s.session.spec.admission === 'Strict') return refusal('NoCapacityInSlot', s.world.noRoom);
  return undefined;
}

/**
 * The last instant for a session that waits for a worker (or its definition). A slot that began before the session was
 * created cannot be missed: such a session waits as one without a slot, to the end of its slot at most. After a worker
 * was lost past the start, the grace begins anew, since the session was in time.
 */
export function waitLimit(s: Situation): { at: Date; because: Because } {
  const { missedSlot, pendingAsap } = s.world.timeouts;
  const start = slotStart(s) ?? fromTime(s.session.spec.timeslot?.start);
  const why = s.draft.conditions?.find((condition) => condition.type === 'Scheduled')?.message ?? 'no worker had room.';
  const end = slotEnd(s);
  if (start && start > new Date(s.session.metadata.creationTimestamp)) {
    const at = plus(latest(start, s.draft.reschedules ? since(s) : undefined) ?? start, missedSlot);
    return { at: earliest(at, end) ?? at, because: timer('TimeslotMissed', `The slot began and the session had no worker within ${formatDuration(missedSlot)}: ${why}`, { ending: 'Failed' }) };
  }
  const at = plus(since(s), pendingAsap);
  return { at: earliest(at, end) ?? at, because: timer('NoCapacity', `No worker within ${formatDuration(pendingAsap)}: ${why}`, { ending: 'Failed' }) };
}

/** Lost, or being drained before anything was done on it (T4, T5). */
function workerUnusable(s: Situation): Because | undefined {
  const { worker } = s.world;
  return workerGone(s) ?? (worker?.state === 'draining' ? controller('WorkerDraining', `Worker ${worker.name} is being drained.`, { ending: 'Failed' }) : undefined);
}

/** The guard of T4 and T7. */
function mayReschedule(s: Situation): boolean {
  const end = slotEnd(s);
  return (s.draft.reschedules ?? 0) < MAX_RESCHEDULES && (end === undefined || s.now < end);
}

/** T2 from ∅: what was asked for never became usable. */
export function neverAdmitted(s: Situation): Because | undefined {
  if (s.world.definition.state === 'ready') return undefined;
  const { at, because } = waitLimit(s);
  const ended = forced(s) ?? cancelled(s);
  if (ended) return ended;
  return due(s, at) ? { ...because, reason: s.world.definition.state === 'missing' ? 'DefinitionNotFound' : 'DefinitionNotReady' } : undefined;
}

/** T0. */
export function admitted(s: Situation): Because | undefined {
  return definitionOf(s) ? { reason: 'Created', message: 'Waits for a worker.', actor: s.session.spec.owner } : undefined;
}

/** T2 from Pending. */
export function waitOver(s: Situation): Because | undefined {
  const { at, because } = waitLimit(s);
  return refused(s) ?? cancelled(s) ?? (due(s, at) ? because : undefined);
}

/** T3. */
export function startsNow(s: Situation): Because | undefined {
  if (!leadTimeReached(s) || s.world.worker?.state !== 'ready') return undefined;
  return controller(isBooked(s) ? 'SlotNear' : 'AsSoonAsPossible', 'The lab is being made ready.');
}

/** Is it time to make the lab ready: bootLeadTime before a booked start, else at once? */
export function leadTimeReached(s: Situation): boolean {
  const start = slotStart(s);
  const lead = s.world.definition.state === 'ready' ? s.world.definition.durations.bootLeadTime : 0;
  return start === undefined || due(s, plus(start, -lead));
}

/** T4: another worker may serve it. Without its definition nobody could place it. */
export function movesBeforeStart(s: Situation): Because | undefined {
  return definitionOf(s) && mayReschedule(s) ? workerUnusable(s) : undefined;
}

/** T5. A session without a slot may wait for its worker as long as for a placement: no phase lasts for ever. */
export function givenUpBeforeStart(s: Situation): Because | undefined {
  const ended = cancelled(s) ?? slotOver(s, 'no worker became ready in time') ?? (mayReschedule(s) ? undefined : workerUnusable(s));
  if (ended || slotEnd(s)) return ended;
  const { pendingAsap } = s.world.timeouts;
  const { worker } = s.world;
  return due(s, plus(since(s), pendingAsap)) ? timer('WorkerNotReady', `Worker ${worker?.name ?? '?'} was not ready within ${formatDuration(pendingAsap)}: ${worker?.message ?? ''}`, { ending: 'Failed' }) : undefined;
}

/** T7. */
export function movesWhileInstantiating(s: Situation): Because | undefined {
  return definitionOf(s) && mayReschedule(s) ? workerGone(s) : undefined;
}

/** T8. */
export function instantiationGivenUp(s: Situation): Because | undefined {
  return cancelled(s) ?? slotOver(s, 'the lab was not ready in time') ?? (mayReschedule(s) ? undefined : workerGone(s)) ?? instantiationFailed(s);
}

/** All runs failed, or one in a way that cannot pass. A permanent error may begin with its reason: `step: InvalidTopology: …`. */
function instantiationFailed(s: Situation): Because | undefined {
  const { pipeline } = s.draft;
  const runs = pipeline?.attempt ?? 1;
  if (pipelineState(s, 'instantiate') !== 'failed' || (runs < s.world.timeouts.instantiateAttempts && !pipeline?.permanent)) return undefined;
  const error = pipeline?.error ?? 'no reason given';
  const named = /^[a-z_]+: ([A-Z][A-Za-z]{2,62}): /.exec(error)?.[1];
  return controller(named ?? 'InstantiationFailed', `The lab could not be made ready in ${runs} run(s): ${error}`, { ending: 'Failed' });
}

/** T6. The end of a slot that begins now comes from the definition, hence it must be readable. */
export function labReady(s: Situation): Because | undefined {
  if (!definitionOf(s) || pipelineState(s, 'instantiate') !== 'completed') return undefined;
  return controller('LabConverged', usesLds(s.world) ? 'The candidate can start.' : 'The lab is ready; it is started by the annotation lablet.dev/start.');
}
