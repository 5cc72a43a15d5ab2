/**
 * The life of a static Worker (contract §2.5) as a table: for each row what may cause it and what it does. The first row
 * of the current phase that applies is taken; no phase changes but by a row. Pure. A static host exists already: it is
 * never made or stopped by us, makes no scaling events, and never times out to Failed.
 */
import { ANNOTATIONS } from '../api/group.ts';
import { isDeleting } from '../api/meta.ts';
import { HISTORY_MAX } from '../api/outbox.ts';
import { getCondition, isTrue } from './conditions.ts';
import { recordEvent } from './outbox.ts';
import { formatDuration } from './duration.ts';
import { earliest, fromTime, plus, toTime } from './time.ts';
import { applyProbe, setSchedulable } from './worker-health.ts';
import type { OutboxEntry } from '../api/outbox.ts';
import type { Worker, WorkerPhase, WorkerStatus } from '../api/worker.ts';
import type { WorkerWorld } from './worker-world.ts';

export type WorkerRowId = 'W0' | 'W1' | 'W2' | 'W3' | 'W4' | 'W5' | 'W6' | 'W7' | 'W8' | 'W9' | 'W10' | 'W11';

interface Because {
  reason: string;
  message: string;
  actor: 'user' | 'controller' | 'timer';
}

interface Situation {
  readonly worker: Worker;
  readonly world: WorkerWorld;
  readonly now: Date;
  readonly draft: WorkerStatus;
  wakeAt: Date | undefined;
  dropped: OutboxEntry[];
}

interface Row {
  row: WorkerRowId;
  from: WorkerPhase | null;
  to: WorkerPhase;
  /** In words, for the documentation. */
  trigger: string;
  when: (s: Situation) => Because | undefined;
  effect?: (s: Situation, because: Because) => void;
}

export interface WorkerJudgement {
  /** The next status but for the counters. */
  status: WorkerStatus;
  rows: WorkerRowId[];
  /** When a deadline could change the decision. */
  wakeAt: Date | undefined;
  dropped: OutboxEntry[];
}

type Desired = Worker['spec']['desiredState'];

/** What the worker should be: a deletion acts as Terminated, a drain that the controller asked for as Draining. */
function desired({ worker, draft }: Situation): Desired {
  if (isDeleting(worker)) return 'Terminated';
  const { desiredState } = worker.spec;
  return desiredState === 'Running' && draft.drain ? 'Draining' : desiredState;
}

const isForced = ({ worker }: Situation): boolean => worker.metadata.annotations?.[ANNOTATIONS.forceTerminate] !== undefined;

function wish(s: Situation): string {
  if (isDeleting(s.worker)) return 'the Worker was deleted';
  return s.draft.drain && s.worker.spec.desiredState === 'Running' ? `${s.draft.drain.by}: ${s.draft.drain.reason}` : `desiredState is ${s.worker.spec.desiredState}`;
}

const ifThen = (condition: boolean, because: Because): Because | undefined => (condition ? because : undefined);
const byUser = (reason: string, message: string): Because => ({ reason, message, actor: 'user' });
const byController = (reason: string, message: string): Because => ({ reason, message, actor: 'controller' });

/** Nobody works on it and nothing is being cleaned up. */
const isEmpty = ({ world }: Situation): boolean => world.sessions.length === 0 && world.busyLabs === 0;

const terminates = (s: Situation): Because | undefined => ifThen(desired(s) === 'Terminated', byUser('Terminated', `It is taken out of service: ${wish(s)}.`));

/** CML answers, lets us in, and its licence is in order. */
const isReady = (s: Situation): boolean => s.world.probe?.state === 'ready' && s.world.offer !== undefined && isTrue(s.draft, 'CMLReady') && isTrue(s.draft, 'Licensed');

/** Its own labs are removed before it goes, since the host stays; a host that does not answer is not waited for without end. */
function cleared(s: Situation): Because | undefined {
  if (s.world.labs === 0) return byController('Terminated', 'Nothing of ours is left on its host.');
  if (isForced(s)) return byUser('ForceTerminated', `Ended at once by the annotation ${ANNOTATIONS.forceTerminate}; ${s.world.labs} lab(s) may be left on its host.`);
  const limit = plus(fromTime(s.draft.history?.at(-1)?.at) ?? s.now, s.world.teardown);
  if (limit <= s.now) return { reason: 'TeardownTimeout', message: `${s.world.labs} lab(s) could not be removed from its host within ${formatDuration(s.world.teardown)}.`, actor: 'timer' };
  s.wakeAt = earliest(s.wakeAt, limit);
  return undefined;
}

export const WORKER_TABLE: readonly Row[] = [
  { row: 'W0', from: null, to: 'Pending', trigger: 'created', when: () => byUser('Created', 'Waits to be looked at.') },

  { row: 'W10', from: 'Pending', to: 'Terminating', trigger: 'desiredState Terminated, or deleted', when: terminates },
  { row: 'W1', from: 'Pending', to: 'Starting', trigger: 'provider static, template and endpoint known',
    when: (s) => ifThen(s.worker.spec.provider === 'static' && s.world.offer !== undefined, byController('HostKnown', 'Waits for its CML host.')) },

  { row: 'W10', from: 'Starting', to: 'Terminating', trigger: 'desiredState Terminated, or deleted', when: terminates },
  { row: 'W7', from: 'Starting', to: 'Stopping', trigger: 'desiredState Stopped', when: (s) => ifThen(desired(s) === 'Stopped', byUser('Stopped', `It is taken out of service: ${wish(s)}.`)) },
  { row: 'W2', from: 'Starting', to: 'Running', trigger: 'CML ready, login works, licence satisfied, version and node definitions read', when: (s) => ifThen(isReady(s), byController('CMLReady', 'Sessions can be placed on it.')) },

  { row: 'W3', from: 'Running', to: 'Draining', trigger: 'desiredState Draining, Stopped or Terminated; deleted; status.drain',
    when: (s) => ifThen(desired(s) !== 'Running', byUser('Draining', `It takes no new sessions: ${wish(s)}.`)),
    effect: (s, because) => {
      s.draft.drainStartedAt = toTime(s.now);
      if (!s.world.emit) return;
      s.dropped.push(...recordEvent(s.draft, 'ccm.worker.draining', { worker_id: s.worker.metadata.name, reason: because.reason, running_sessions_count: s.world.sessions.length }, { uid: s.worker.metadata.uid, now: s.now }));
    } },

  { row: 'W4', from: 'Draining', to: 'Running', trigger: 'desiredState Running and no status.drain', when: (s) => ifThen(desired(s) === 'Running', byUser('DrainCancelled', 'The drain was cancelled.')),
    effect: (s) => { Reflect.deleteProperty(s.draft, 'drainStartedAt'); } },
  { row: 'W11', from: 'Draining', to: 'Terminating', trigger: 'desiredState Terminated or deleted, and empty or forced',
    when: (s) => (isEmpty(s) || isForced(s) ? terminates(s) : undefined) },
  { row: 'W5', from: 'Draining', to: 'Stopping', trigger: 'desiredState Stopped, and empty',
    when: (s) => ifThen(desired(s) === 'Stopped' && isEmpty(s), byController('Drained', 'No session is left on it.')) },

  { row: 'W6', from: 'Stopping', to: 'Stopped', trigger: 'static: at once, the host itself is not ours to stop', when: () => byController('Stopped', 'It takes no sessions; set desiredState to Running to use it again.'),
    effect: (s) => { Reflect.deleteProperty(s.draft, 'drainStartedAt'); } },

  { row: 'W10', from: 'Stopped', to: 'Terminating', trigger: 'desiredState Terminated, or deleted', when: terminates },
  { row: 'W8', from: 'Stopped', to: 'Starting', trigger: 'desiredState Running, no status.drain, and CML answers',
    when: (s) => ifThen(desired(s) === 'Running' && s.world.probe !== undefined && s.world.probe.state !== 'unreachable', byUser('Resumed', 'It is taken into service again.')),
    effect: (s) => { s.draft.lastResumedAt = toTime(s.now); } },

  { row: 'W9', from: 'Terminating', to: 'Terminated', trigger: 'no Lab of ours left on it; forced; or the teardown limit over', when: cleared },
];

/** No decision takes more rows than this at once: an empty Running worker that is deleted takes three. */
const MAX_ROWS = 6;

/** Puts the probe into the status, applies every row that applies now, and says who may be placed on the worker. */
export function judgeWorker(worker: Worker, world: WorkerWorld, now: Date): WorkerJudgement {
  const draft = structuredClone(worker.status ?? {});
  const s: Situation = { worker, world, now, draft, wakeAt: undefined, dropped: [] };
  applyProbe(draft, worker, world, now);
  const rows: WorkerRowId[] = [];
  while (rows.length < MAX_ROWS) {
    s.wakeAt = undefined;
    const next = firstRow(s);
    if (!next) break;
    take(s, next.row, next.because);
    rows.push(next.row.row);
  }
  explainWaiting(draft);
  setSchedulable(draft, worker, world, now);
  const { generation } = worker.metadata;
  if (generation !== undefined) draft.observedGeneration = generation;
  return { status: draft, rows, wakeAt: s.wakeAt, dropped: s.dropped };
}

/** A worker on its way to Running says what it waits for. */
function explainWaiting(draft: WorkerStatus): void {
  if (draft.phase !== 'Pending' && draft.phase !== 'Starting') return;
  const missing = ['CMLReady', 'Licensed'].map((type) => getCondition(draft, type)).find((condition) => condition?.status === 'False');
  if (!missing) return;
  draft.reason = missing.reason;
  draft.message = missing.message;
}

function firstRow(s: Situation): { row: Row; because: Because } | undefined {
  for (const row of WORKER_TABLE) {
    if (row.from !== (s.draft.phase ?? null)) continue;
    const because = row.when(s);
    if (because) return { row, because };
  }
  return undefined;
}

/** The only place that writes a phase. */
function take(s: Situation, { row, from, to, effect }: Row, because: Because): void {
  effect?.(s, because);
  s.draft.phase = to;
  s.draft.reason = because.reason;
  s.draft.message = because.message;
  s.draft.history = [...(s.draft.history ?? []), { ...(from ? { from } : {}), to, at: toTime(s.now), reason: because.reason, actor: because.actor, row }].slice(-HISTORY_MAX);
}
