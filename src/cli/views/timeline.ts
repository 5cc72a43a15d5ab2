/** The story of a session: its phases, the steps of the current one, the events that came and went, and what Kubernetes was told. Pure. */
import { objectKey } from '../../api/meta.ts';
import { secondsBetween } from '../moments.ts';
import { eventsOf } from './cloudevents.ts';
import type { LabletSession, LabletSessionStatus, PipelineStep, SessionPhase } from '../../api/labletsession.ts';
import type { Told } from '../kube-events.ts';

export interface TimelineEntry {
  at: string;
  kind: 'Created' | 'Phase' | 'Step' | 'Emitted' | 'Received' | 'Warning';
  /** Phase, step, type of the event, or reason of the warning. */
  name: string;
  /** How long it lasted, or has lasted up to now. */
  seconds?: number;
  /** Is it going on? */
  open?: true;
  /** Reason of a phase, state of a step or an event. */
  state?: string;
  detail?: string;
}

export interface Timeline {
  session: string;
  owner: string;
  definition: string;
  version?: string;
  phase?: SessionPhase;
  worker?: string;
  slot?: { start?: string; end?: string };
  score?: LabletSessionStatus['scoreReport'];
  entries: TimelineEntry[];
}

/** @param events Kubernetes Events about it; of these the warnings are told, the others repeat the phases */
export function timeline(session: LabletSession, events: readonly Told[], now: Date): Timeline {
  const { status, spec, metadata } = session;
  const slot = status?.timeslot ?? spec.timeslot;
  const entries: TimelineEntry[] = [
    { at: metadata.creationTimestamp, kind: 'Created', name: 'created', detail: `by ${spec.owner}` },
    ...phases(session, now),
    ...(status?.pipeline?.steps ?? []).flatMap((step) => stepEntry(step, now)),
    ...eventsOf(session).map(({ at, direction, type, state, id, sequence }): TimelineEntry => ({
      at, kind: direction, name: type, state, ...(sequence === undefined ? (direction === 'Received' && id !== undefined ? { detail: id } : {}) : { detail: `#${sequence}` }),
    })),
    ...events.filter(({ type }) => type === 'Warning').map(({ at, reason, message, count }): TimelineEntry => ({ at, kind: 'Warning', name: reason, detail: count > 1 ? `${message} (${count} times)` : message })),
  ];
  return {
    session: objectKey(session), owner: spec.owner, definition: spec.definitionRef.name,
    ...(status?.definitionVersion === undefined ? {} : { version: status.definitionVersion }),
    ...(status?.phase === undefined ? {} : { phase: status.phase }),
    ...(status?.workerName === undefined ? {} : { worker: status.workerName }),
    ...(slot && (slot.start ?? slot.end) !== undefined ? { slot: { ...(slot.start === undefined ? {} : { start: slot.start }), ...(slot.end === undefined ? {} : { end: slot.end }) } } : {}),
    ...(status?.scoreReport ? { score: status.scoreReport } : {}),
    // Kubernetes keeps seconds where we keep milliseconds: at the same instant the cause comes before what follows.
    entries: entries.sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind)),
  };
}

const ORDER: readonly TimelineEntry['kind'][] = ['Created', 'Received', 'Phase', 'Emitted', 'Step', 'Warning'];

function phases({ status }: LabletSession, now: Date): TimelineEntry[] {
  const history = status?.history ?? [];
  return history.map(({ at, to, reason, actor, eventId }, index): TimelineEntry => {
    const next = history[index + 1];
    const over = to === 'Terminated';
    return {
      at, kind: 'Phase', name: to, state: reason, detail: `by ${actor}${eventId === undefined ? '' : `, event ${eventId}`}`,
      ...(over ? {} : { seconds: secondsBetween(at, next?.at ?? now) }),
      ...(next || over ? {} : { open: true as const }),
    };
  });
}

function stepEntry({ name, state, startedAt, completedAt, attempts = 1, error }: PipelineStep, now: Date): TimelineEntry[] {
  if (startedAt === undefined) return [];
  const detail = [...(attempts > 1 ? [`${attempts} attempts`] : []), ...(error === undefined ? [] : [error])].join(': ');
  const open = state === 'Running';
  return [{
    at: startedAt, kind: 'Step', name, state, ...(completedAt !== undefined || open ? { seconds: secondsBetween(startedAt, completedAt ?? now) } : {}),
    ...(open ? { open: true as const } : {}), ...(detail === '' ? {} : { detail }),
  }];
}
