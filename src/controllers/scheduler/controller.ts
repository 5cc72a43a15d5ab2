/** The one placer: looks at all waiting sessions and all workers, places, and commits. Runs on the leader only. */
import { definitionKey, placeAll } from '../../core/scheduling.ts';
import { earliest } from '../../core/time.ts';
import { Controller } from '../../runtime/controller.ts';
import { after, done } from '../../runtime/result.ts';
import { informerSource } from '../../runtime/source.ts';
import { gather } from '../session/gather.ts';
import { workerSnapshot } from '../worker/snapshot.ts';
import { commit } from './commit.ts';
import { Explainer, expectation, notPlaced } from './explain.ts';
import { WaitingList, claimedLab } from './waiting.ts';
import { keepWarm } from './warm-pool.ts';
import type { Calendar } from '../../core/calendar.ts';
import type { Assignment, Request } from '../../core/scheduling.ts';
import type { Lab } from '../../api/lab.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Source } from '../../runtime/source.ts';
import type { Deps } from '../deps.ts';
import type { WaitingSession } from './waiting.ts';

/** All waiting sessions are one piece of work: a decision about one depends on all others. */
const KEY = 'schedule';
/** Commits at a time: each is two writes. */
const COMMITS = 16;
/** Without news the queue is looked at after this, then after twice that, up to a minute. Milliseconds, scaled. */
const BACKOFF = 1_000;
const BACKOFF_MAX = 60_000;

export function schedulerController(deps: Deps): Controller {
  const scheduler = new Scheduler(deps);
  return new Controller({
    name: 'scheduler', sources: sources(deps), clock: deps.clock, log: deps.log, metrics: deps.metrics, concurrency: 1,
    reconcile: (_key, pass) => scheduler.pass(pass),
  });
}

class Scheduler {
  private readonly deps: Deps;
  private readonly list: WaitingList;
  private readonly explainer: Explainer;
  /** Looks in a row that placed nothing. */
  private fruitless = 0;

  constructor(deps: Deps) {
    this.deps = deps;
    this.list = new WaitingList(deps);
    this.explainer = new Explainer(deps);
  }

  async pass(pass: PassContext): Promise<Outcome> {
    const { deps } = this;
    const began = deps.clock.monotonic();
    const calendar = await deps.calendar.ready();
    const now = deps.clock.now();
    const { waiting, openAt } = this.list.collect(calendar, now);
    this.list.admit(calendar, waiting, now);
    const open = waiting.filter(({ gate }) => !gate || gate <= now);
    const assignments = open.length > 0 ? this.place(calendar, open, now) : new Map<string, Assignment>();
    if (open.length > 0) deps.metrics.scheduleDuration.observe((deps.clock.monotonic() - began) / 1000);
    let placed = 0;
    await inParallel(waiting, COMMITS, async (one) => {
      const assignment = assignments.get(one.key);
      if (assignment?.kind === 'assign') {
        placed += 1;
        await this.commit(one, assignment, pass);
      } else await this.explain(calendar, one, assignment, now, pass);
    });
    // What was claimed just now is counted: warm labs come after sessions.
    await keepWarm(deps, calendar, pass.signal);
    this.explainer.keep(new Set(waiting.map(({ session }) => session.metadata.uid)));
    return this.next(open, placed, openAt);
  }

  /** Sessions that have claimed a Lab go where it is, whatever else: the first half of their commit was done before a crash. */
  private place(calendar: Calendar, open: readonly WaitingSession[], now: Date): Map<string, Assignment> {
    const { deps } = this;
    const workers = deps.caches.workers.list().map((worker) => workerSnapshot(deps, worker, deps.calendar.demands));
    const resumed: Assignment[] = [];
    const requests: Request[] = [];
    for (const one of open) {
      const claimed = claimedLab(deps, one.session);
      if (claimed && !isOutdated(one, claimed)) resumed.push({ key: one.key, kind: 'assign', workerName: claimed.spec.workerName, reuse: undefined, ports: claimed.spec.ports });
      else requests.push({ key: one.key, session: one.session.metadata.uid, demand: one.booking.demand, ports: one.definition.ports, hold: { from: now.getTime(), to: one.booking.hold.to } });
    }
    return new Map([...resumed, ...placeAll(requests, workers, calendar)].map((assignment) => [assignment.key, assignment]));
  }

  private async commit(one: WaitingSession, assignment: Extract<Assignment, { kind: 'assign' }>, pass: PassContext): Promise<void> {
    const { session, definition } = one;
    const { world, frozen } = await gather(this.deps, session, pass.signal);
    if (frozen) await commit(this.deps, { session, world, definition, claimed: claimedLab(this.deps, session) }, assignment, pass);
  }

  private async explain(calendar: Calendar, { session, booking, admission }: WaitingSession, assignment: Extract<Assignment, { kind: 'wait' }> | undefined, now: Date, pass: PassContext): Promise<void> {
    if (!admission && (!assignment || this.explainer.hasTold(session, assignment))) return;
    const fit = calendar.find(session.metadata.uid);
    const at = now.getTime();
    const when = assignment && expectation(booking, fit, fit ? undefined : calendar.nearest(booking, at).after, at);
    const updates = [...(admission ? [admission] : []), ...(assignment ? [notPlaced(assignment, when ?? '')] : [])];
    await this.explainer.tell(session, updates, pass.signal);
  }

  /** News wake the queue at once; without any it is looked at when a gate opens, when booked capacity comes free, and now and then. */
  private next(open: readonly WaitingSession[], placed: number, openAt: Date | undefined): Outcome {
    const { clock, settings: { scale } } = this.deps;
    const now = clock.now();
    const left = open.length - placed;
    this.fruitless = left > 0 && placed === 0 ? this.fruitless + 1 : 0;
    const holds = open.flatMap(({ booking: { hold } }) => (hold.from > now.getTime() ? [new Date(hold.from)] : []));
    const retry = left > 0 ? new Date(now.getTime() + Math.min(BACKOFF_MAX, BACKOFF * 2 ** Math.min(this.fruitless, 10)) / scale) : undefined;
    const at = earliest(openAt, retry, ...holds);
    return at ? after(Math.max(0, at.getTime() - now.getTime()), 'a waiting session is looked at again') : done();
  }
}

/** A claim of an earlier version of the session's needs cannot be used. */
const isOutdated = ({ definition }: WaitingSession, { spec }: Lab): boolean => definitionKey(spec.definitionRef) !== definitionKey(definition);

/** What may let a session be placed: itself, a worker, a template, a Lab that was given back, capacity that was freed. */
function sources(deps: Deps): Source[] {
  const { sessions, workers, labs, templates, definitions } = deps.caches;
  const frees = (phase: string | undefined): boolean => phase === undefined || ['Stopped', 'Archived', 'Terminated'].includes(phase);
  return [
    informerSource(sessions, (old, next) => {
      const pending = next?.status?.phase === 'Pending' && old?.status?.phase !== 'Pending';
      const resumedByHand = next?.status?.phase === 'Pending' && JSON.stringify(old?.metadata.annotations) !== JSON.stringify(next.metadata.annotations);
      const freed = old?.status?.phase !== undefined && frees(next?.status?.phase) && !frees(old.status.phase);
      return pending || resumedByHand || freed ? [KEY] : [];
    }),
    informerSource(workers, (old, next) => (old?.metadata.resourceVersion === next?.metadata.resourceVersion ? [] : [KEY])),
    informerSource(templates, (old, next) => (old?.metadata.generation === next?.metadata.generation ? [] : [KEY])),
    informerSource(labs, (old, next) => {
      const free = !next || (old?.spec.sessionRef && !next.spec.sessionRef);
      const warm = next?.spec.source === 'WarmPool' && (old?.status?.state !== next.status?.state || old?.spec.sessionRef !== next.spec.sessionRef);
      return free || warm ? [KEY] : [];
    }),
    informerSource(definitions, (old, next) => {
      const wanted = (definition: typeof next): string => `${definition?.spec.warmPool.size ?? 0}/${definition?.status?.currentVersion ?? ''}`;
      return wanted(old) === wanted(next) ? [] : [KEY];
    }),
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
