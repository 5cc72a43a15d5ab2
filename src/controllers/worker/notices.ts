/** What `kubectl describe` tells of a worker: one constructor for each Kubernetes Event. */
import type { Worker } from '../../api/worker.ts';
import type { WorkerRowId } from '../../core/worker-lifecycle.ts';
import type { EventNote } from '../../runtime/event-series.ts';

type Told = Pick<EventNote, 'type' | 'action'>;

/** Rows that people are told of; the others speak through the status alone. */
const TOLD: Partial<Record<WorkerRowId, Told>> = {
  W2: { type: 'Normal', action: 'Start' },
  W3: { type: 'Normal', action: 'Drain' },
  W4: { type: 'Normal', action: 'Drain' },
  W6: { type: 'Normal', action: 'Stop' },
  W9: { type: 'Normal', action: 'Terminate' },
};

/** Events for the rows that were taken just now: the newest entries of the history. */
export function noticesFor(worker: Worker, rows: readonly WorkerRowId[]): EventNote[] {
  const entries = rows.length > 0 ? (worker.status?.history?.slice(-rows.length) ?? []) : [];
  return rows.flatMap((row, index) => {
    const told = TOLD[row];
    const entry = entries[index];
    if (!told || !entry) return [];
    const note = `${entry.from ?? 'new'} to ${entry.to}${index === rows.length - 1 ? `: ${worker.status?.message ?? ''}` : ''}`;
    return [{ regarding: worker, ...told, reason: entry.reason, note }];
  });
}

/** The host stopped answering, or does something else that keeps sessions away. */
export const unready = (worker: Worker, reason: string, message: string): EventNote => ({ regarding: worker, type: 'Warning', reason, action: 'Probe', note: message, key: reason });

const NAMED = 5;

/** A deleted worker waits; `sessions` are `namespace/name`. */
export const deletionWaits = (worker: Worker, sessions: readonly string[]): EventNote => ({
  regarding: worker, type: 'Warning', reason: 'DeletionWaits', action: 'Delete', key: 'sessions',
  note: `${sessions.length} session(s) are on it: ${sessions.toSorted().slice(0, NAMED).join(', ')}${sessions.length > NAMED ? ', …' : ''}. End them, or set the annotation lablet.dev/force-terminate.`,
});

/** The orphan sweep took a lab off the host. */
export const swept = (worker: Worker, title: string): EventNote => ({
  regarding: worker, type: 'Normal', reason: 'OrphanRemoved', action: 'Sweep', note: `Lab ${title} on its host bore our mark and no Lab object named it; it was stopped, wiped and deleted.`,
});

export const sweepDelayed = (worker: Worker, title: string, message: string): EventNote => ({
  regarding: worker, type: 'Warning', reason: 'OrphanRemovalDelayed', action: 'Sweep', key: 'sweep', note: `Lab ${title}, which no Lab object names, is still on its host: ${message}`,
});
