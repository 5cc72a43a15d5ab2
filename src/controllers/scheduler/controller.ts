/** The one placer: looks at all waiting sessions and all workers, places, and commits. Runs on the leader only. */
import { LABLET_SESSIONS } from '../../api/kinds.ts';
import { isDeleting, objectKey } from '../../api/meta.ts';
import { setCondition } from '../../core/conditions.ts';
import { definitionDurations } from '../../core/definition.ts';
import { parseDuration } from '../../core/duration.ts';
import { heldBack } from '../../core/session/situation.ts';
import { placeAll, queueOrder } from '../../core/scheduling.ts';
import { earliest, fromTime, plus } from '../../core/time.ts';
import { SCHEDULING_GATE } from '../../core/timeouts.ts';
import { ConflictError, NotFoundError } from '../../kube/errors.ts';
import { Controller } from '../../runtime/controller.ts';
import { after, done } from '../../runtime/result.ts';
import { informerSource } from '../../runtime/source.ts';
import { writeStatus } from '../../runtime/status-writer.ts';
import { INDEX } from '../deps.ts';
import { gather } from '../session/gather.ts';
import { DemandCache, workerSnapshot } from '../worker/snapshot.ts';
import { commit } from './commit.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Assignment, Request } from '../../core/scheduling.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Source } from '../../runtime/source.ts';
import type { Deps } from '../deps.ts';
import type { Candidate } from './commit.ts';

/** All waiting sessions are one piece of work: a decision about one depends on all others. */
const KEY = 'schedule';
/** Commits at a time: each is two writes. */
const COMMITS = 16;

export function schedulerController(deps: Deps): Controller {
  const demands = new DemandCache(deps);
  return new Controller({
    name: 'scheduler', sources: sources(deps), clock: deps.clock, log: deps.log, metrics: deps.metrics, concurrency: 1,
    reconcile: (_key, pass) => schedule(deps, demands, pass),
  });
}

async function schedule(deps: Deps, demands: DemandCache, pass: PassContext): Promise<Outcome> {
  const began = deps.clock.monotonic();
  const { candidates, openAt } = await waiting(deps, demands, pass.signal);
  if (candidates.size > 0) {
    for (const session of deps.caches.sessions.list()) if (session.status?.workerName) await demands.ensure(session, pass.signal);
    const workers = deps.caches.workers.list().map((worker) => workerSnapshot(deps, worker, demands));
    const requests = [...candidates].flatMap(([key, { session, definition, claimed }]): Request[] => {
      const demand = demands.get(session);
      return demand && !claimed ? [{ key, demand, ports: definition.ports }] : [];
    });
    const assignments = [...resumed(candidates), ...placeAll(requests, workers)];
    deps.metrics.scheduleDuration.observe((deps.clock.monotonic() - began) / 1000);
    await inParallel(assignments, COMMITS, async (assignment) => {
      const candidate = candidates.get(assignment.key);
      if (!candidate) return;
      if (assignment.kind === 'assign') await commit(deps, candidate, assignment, pass);
      else await explain(deps, candidate.session, assignment, pass.signal);
    });
  }
  const now = deps.clock.now();
  return openAt ? after(openAt.getTime() - now.getTime(), 'the gate of a booked session opens') : done();
}

/** Commits of which the first half was done before a crash: the claimed Lab decides where the session goes. */
function resumed(candidates: ReadonlyMap<string, Candidate>): Assignment[] {
  return [...candidates].flatMap(([key, { claimed }]): Assignment[] => (claimed ? [{ key, kind: 'assign', workerName: claimed.spec.workerName, reuse: undefined, ports: claimed.spec.ports }] : []));
}

/** Pending sessions whose gate is open, in the order of the queue; and when the next gate opens. */
async function waiting(deps: Deps, demands: DemandCache, signal: AbortSignal): Promise<{ candidates: Map<string, Candidate>; openAt: Date | undefined }> {
  const now = deps.clock.now();
  const candidates: { candidate: Candidate; start: Date | undefined; created: Date; key: string }[] = [];
  let openAt: Date | undefined;
  for (const session of deps.caches.sessions.byIndex(INDEX.sessionsByPhase, 'Pending')) {
    if (isDeleting(session) || session.spec.desiredState !== 'Active' || heldBack(session)) continue;
    const { frozen, world } = await gather(deps, session, signal);
    if (!frozen) continue;
    const { definition } = frozen;
    await demands.ensure(session, signal);
    const start = fromTime(session.status?.timeslot?.start);
    const gate = start && plus(start, -gateBefore(deps, definitionDurations(definition.spec, deps.settings.scale).bootLeadTime));
    if (gate && gate > now) {
      openAt = earliest(openAt, gate);
      continue;
    }
    const [claimed] = deps.caches.labs.byIndex(INDEX.labsBySession, session.metadata.uid).filter((lab) => !isDeleting(lab)).sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
    candidates.push({ candidate: { session, world, definition, claimed }, start, created: new Date(session.metadata.creationTimestamp), key: objectKey(session) });
  }
  candidates.sort(queueOrder);
  return { candidates: new Map(candidates.map(({ key, candidate }) => [key, candidate])), openAt };
}

/** How long before its start a booked session is considered: 35 min, or what the slowest template needs. */
function gateBefore(deps: Deps, bootLeadTime: number): number {
  const { scale } = deps.settings;
  const startup = Math.max(0, ...deps.caches.templates.list().map((template) => parseDuration(template.spec.startupTime) / scale));
  return Math.max(SCHEDULING_GATE / scale, startup + bootLeadTime);
}

/** Says why a session waits, in its condition; written only when the text is new. */
async function explain(deps: Deps, session: LabletSession, assignment: Extract<Assignment, { kind: 'wait' }>, signal: AbortSignal): Promise<void> {
  const next = structuredClone(session.status ?? {});
  const [reason = 'Unschedulable'] = Object.entries(assignment.rejections).sort(([, a], [, b]) => b - a).map(([name]) => name);
  setCondition(next, { type: 'Scheduled', status: 'False', reason, message: assignment.message }, deps.clock.now(), session.metadata.generation);
  try {
    const written = await writeStatus({ client: deps.client, resource: LABLET_SESSIONS, object: session, next, amend: deps.outbox.amend, signal, metrics: deps.metrics });
    deps.caches.sessions.observe(written);
  } catch (error) {
    // Somebody wrote first; the next look says it if it is still true.
    if (!(error instanceof ConflictError) && !(error instanceof NotFoundError)) throw error;
  }
}

/** What may let a session be placed: itself, a worker, a Lab that was given back, capacity that was freed. */
function sources(deps: Deps): Source[] {
  const { sessions, workers, labs } = deps.caches;
  const frees = (phase: string | undefined): boolean => phase === undefined || ['Stopped', 'Archived', 'Terminated'].includes(phase);
  return [
    informerSource(sessions, (old, next) => {
      const pending = next?.status?.phase === 'Pending' && old?.status?.phase !== 'Pending';
      const resumedByHand = next?.status?.phase === 'Pending' && JSON.stringify(old?.metadata.annotations) !== JSON.stringify(next.metadata.annotations);
      const freed = old?.status?.workerName !== undefined && frees(next?.status?.phase) && !frees(old.status.phase);
      return pending || resumedByHand || freed ? [KEY] : [];
    }),
    informerSource(workers, (old, next) => (old?.metadata.resourceVersion === next?.metadata.resourceVersion ? [] : [KEY])),
    informerSource(labs, (old, next) => (!next || (old?.spec.sessionRef && !next.spec.sessionRef) ? [KEY] : [])),
  ];
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const errors: unknown[] = [];
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, async () => {
    for (const item of queue) await work(item).catch((error: unknown) => errors.push(error));
  }));
  if (errors.length > 0) throw errors[0];
}
