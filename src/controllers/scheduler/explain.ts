/** What a waiting session is told, in its conditions: whether the calendar holds its booking, and why it has no worker yet. */
import { LABLET_SESSIONS } from '../../api/kinds.ts';
import { ADMISSION, clockTime } from '../../core/booking.ts';
import { getCondition, setCondition } from '../../core/conditions.ts';
import { ConflictError, NotFoundError } from '../../kube/errors.ts';
import { writeStatus } from '../../runtime/status-writer.ts';
import { capacityLost } from './notices.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Booking, Fit } from '../../core/calendar.ts';
import type { ConditionUpdate } from '../../core/conditions.ts';
import type { Assignment } from '../../core/scheduling.ts';
import type { Deps } from '../deps.ts';

type Waiting = Extract<Assignment, { kind: 'wait' }>;

/** A waiting session is told of new counts at most once in this time. Milliseconds, scaled. */
const TELL_EVERY = 60_000;

/** Writes conditions of sessions that wait. */
export class Explainer {
  private readonly deps: Deps;
  /** When the words of a session were last written, by uid; monotonic. */
  private readonly told = new Map<string, number>();

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** Was the session told of this a moment ago, in whatever words? */
  hasTold(session: LabletSession, { rejections }: Waiting): boolean {
    const before = getCondition(session.status, 'Scheduled');
    return before?.status === 'False' && before.reason === mainReason(rejections) && this.isRecent(session.metadata.uid);
  }

  private isRecent(uid: string): boolean {
    const known = this.told.get(uid);
    return known !== undefined && this.deps.clock.monotonic() - known < TELL_EVERY / this.deps.settings.scale;
  }

  /** One write with all that is new. New counts for an old reason wait for their turn. */
  async tell(session: LabletSession, updates: readonly ConditionUpdate[], signal: AbortSignal): Promise<void> {
    const { deps } = this;
    const { uid, generation } = session.metadata;
    const recent = this.isRecent(uid);
    const next = structuredClone(session.status ?? {});
    let news = false;
    for (const update of updates) {
      const before = getCondition(session.status, update.type);
      if (before?.status === update.status && before.reason === update.reason && (before.message === update.message || recent)) continue;
      setCondition(next, update, deps.clock.now(), generation);
      news = true;
    }
    if (!news) {
      if (!recent) this.told.set(uid, deps.clock.monotonic());
      return;
    }
    try {
      const written = await writeStatus({ client: deps.client, resource: LABLET_SESSIONS, object: session, next, amend: deps.outbox.amend, signal, metrics: deps.metrics });
      deps.caches.sessions.observe(written);
      this.told.set(uid, deps.clock.monotonic());
      const lost = getCondition(written.status, 'Admitted');
      if (lost?.reason === ADMISSION.lost && getCondition(session.status, 'Admitted')?.reason !== ADMISSION.lost) deps.events.record(capacityLost(written, lost.message ?? ''));
    } catch (error) {
      // Somebody wrote first; the next look says it if it is still true.
      if (!(error instanceof ConflictError) && !(error instanceof NotFoundError)) throw error;
    }
  }

  /** Forgets those that no longer wait. */
  keep(waiting: ReadonlySet<string>): void {
    for (const uid of this.told.keys()) if (!waiting.has(uid)) this.told.delete(uid);
  }
}

/** Why a session has no worker yet, and when it could have one. */
export function notPlaced({ message, rejections }: Waiting, when: string): ConditionUpdate {
  return { type: 'Scheduled', status: 'False', reason: mainReason(rejections), message: when === '' ? message : `${message}. ${when}` };
}

/** What most workers lack; Unschedulable where there is none. */
function mainReason(rejections: Waiting['rejections']): string {
  // By name where as many are refused for two reasons: the order of workers must not change what is written.
  const [reason = 'Unschedulable'] = Object.entries(rejections).sort(([nameA, a], [nameB, b]) => b - a || (nameA < nameB ? -1 : 1)).map(([name]) => name);
  return reason;
}

/** When a session that waits could start, as far as the calendar tells. */
export function expectation({ hold, lead, kind }: Booking, fit: Fit | undefined, nearest: number | undefined, now: number): string {
  if (fit && kind === 'booked') return hold.from > now ? `Its capacity is booked from ${clockTime(hold.from)} (UTC), in time for its start.` : `Its capacity is booked ${placeOf(fit)}.`;
  if (fit) return `It starts as soon as there is room ${placeOf(fit)}.`;
  return nearest === undefined || nearest - lead <= now ? '' : `It could start at ${clockTime(nearest)} (UTC).`;
}

const placeOf = ({ worker, template }: Fit): string => (worker === undefined ? `on a new worker of template ${template ?? '?'}` : `on worker ${worker}`);

export const admittedNow: ConditionUpdate & { message: string } = { type: 'Admitted', status: 'True', reason: ADMISSION.admitted, message: 'The calendar holds its capacity.' };

export const notAdmitted = (reason: string, message: string): ConditionUpdate => ({ type: 'Admitted', status: 'False', reason, message });
