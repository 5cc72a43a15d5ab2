/** The decision about a Worker: from what is known and the time to its next status, by the rows of src/core/worker-table.ts. Pure. */
import { HISTORY_MAX } from '../api/outbox.ts';
import { isDeleting } from '../api/meta.ts';
import { recordEvent } from './outbox.ts';
import { toTime } from './time.ts';
import { explainDrain } from './worker-drain.ts';
import { applyInstance, applyProbe, setSchedulable } from './worker-health.ts';
import { emitContext, isMachine, isUp } from './worker-situation.ts';
import { WORKER_TABLE } from './worker-table.ts';
import { missing } from './worker-triggers.ts';
import type { OutboxEntry } from '../api/outbox.ts';
import type { Worker, WorkerPhase, WorkerStatus } from '../api/worker.ts';
import type { Because, Situation } from './worker-situation.ts';
import type { WorkerRow, WorkerRowId } from './worker-table.ts';
import type { WorkerWorld } from './worker-world.ts';

export { WORKER_TABLE } from './worker-table.ts';
export type { WorkerRowId } from './worker-table.ts';

export interface WorkerJudgement {
  /** The next status but for the counters. */
  status: WorkerStatus;
  rows: WorkerRowId[];
  /** When a deadline could change the decision. */
  wakeAt: Date | undefined;
  dropped: OutboxEntry[];
}

/** No decision takes more rows than this at once: an empty Running worker that is deleted takes three. */
const MAX_ROWS = 6;

/** Puts what was seen into the status, applies every row that applies now, and says who may be placed on the worker. */
export function judgeWorker(worker: Worker, world: WorkerWorld, now: Date): WorkerJudgement {
  const draft = structuredClone(worker.status ?? {});
  const s: Situation = { worker, world, now, draft, wakeAt: undefined, dropped: [] };
  dropOldDrain(draft, worker);
  applyInstance(draft, worker, world);
  applyProbe(draft, worker, world, now);
  const rows: WorkerRowId[] = [];
  while (rows.length < MAX_ROWS) {
    s.wakeAt = undefined;
    const next = firstRow(s);
    if (!next) break;
    take(s, next.row, next.because);
    rows.push(next.row.row);
  }
  explainWaiting(s);
  explainDrain(s);
  setSchedulable(draft, worker, world, now);
  const { generation } = worker.metadata;
  if (generation !== undefined) draft.observedGeneration = generation;
  return { status: draft, rows, wakeAt: s.wakeAt, dropped: s.dropped };
}

/** A person who changes the spec, and wants the worker Running, has the last word over a drain that the controller asked for. */
function dropOldDrain(draft: WorkerStatus, worker: Worker): void {
  const changed = draft.observedGeneration !== undefined && (worker.metadata.generation ?? 0) > draft.observedGeneration;
  if (changed && !isDeleting(worker) && worker.spec.desiredState === 'Running') Reflect.deleteProperty(draft, 'drain');
}

/** A worker on its way to Running says what it waits for. */
function explainWaiting({ draft, world }: Situation): void {
  const waits = draft.phase === 'Pending' && world.launch?.state === 'waiting' ? world.launch : draft.phase === 'Pending' || draft.phase === 'Starting' ? missing(draft) : undefined;
  if (!waits) return;
  draft.reason = waits.reason;
  draft.message = waits.message.slice(0, 1024);
}

function firstRow(s: Situation): { row: WorkerRow; because: Because } | undefined {
  for (const row of WORKER_TABLE) {
    if (row.from !== (s.draft.phase ?? null)) continue;
    const because = row.when(s);
    if (because) return { row, because };
  }
  return undefined;
}

/** The only place that writes a phase. */
function take(s: Situation, { row, from, to, effect }: WorkerRow, because: Because): void {
  effect?.(s, because);
  tellScaling(s, from, to, because);
  s.draft.phase = to;
  s.draft.reason = because.reason;
  s.draft.message = because.message.slice(0, 1024);
  s.draft.history = [...(s.draft.history ?? []), { ...(from ? { from } : {}), to, at: toTime(s.now), reason: because.reason, actor: because.actor, row }].slice(-HISTORY_MAX);
}

function tellScaling(s: Situation, from: WorkerPhase | null, to: WorkerPhase, { reason }: Because): void {
  if (!isMachine(s) || !s.world.emit || isUp(from) === isUp(to)) return;
  const { name } = s.worker.metadata;
  const context = emitContext(s);
  const dropped = isUp(to)
    ? recordEvent(s.draft, 'ccm.worker.scaling.up', { worker_id: name, template_name: s.worker.spec.templateName, reason }, context)
    : recordEvent(s.draft, 'ccm.worker.scaling.down', { worker_id: name, reason }, context);
  s.dropped.push(...dropped);
}
