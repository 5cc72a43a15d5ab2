/** One Worker at one instant, as the rows of its table see it: the draft of its next status, what is wanted of it, what is known. */
import { ANNOTATIONS } from '../api/group.ts';
import { WORKERS } from '../api/kinds.ts';
import { isDeleting } from '../api/meta.ts';
import { isTrue } from './conditions.ts';
import { earliest, fromTime, plus } from './time.ts';
import type { OutboxEntry } from '../api/outbox.ts';
import type { Worker, WorkerPhase, WorkerStatus } from '../api/worker.ts';
import type { EmitContext } from './outbox.ts';
import type { InstanceFacts, WorkerWorld } from './worker-world.ts';

export interface Because {
  reason: string;
  message: string;
  actor: 'user' | 'controller' | 'timer' | 'provider';
}

export interface Situation {
  readonly worker: Worker;
  readonly world: WorkerWorld;
  readonly now: Date;
  readonly draft: WorkerStatus;
  /** The earliest instant at which a row could decide otherwise without anything else changing. */
  wakeAt: Date | undefined;
  dropped: OutboxEntry[];
}

/** What every event of the worker carries. */
export function emitContext({ worker: { metadata }, world: { archive: base }, now }: Situation): EmitContext {
  return { uid: metadata.uid, now, archive: base === undefined ? undefined : { base, resource: WORKERS, metadata } };
}

export const byUser = (reason: string, message: string): Because => ({ reason, message, actor: 'user' });
export const byController = (reason: string, message: string): Because => ({ reason, message, actor: 'controller' });
export const byTimer = (reason: string, message: string): Because => ({ reason, message, actor: 'timer' });
export const byProvider = (reason: string, message: string): Because => ({ reason, message, actor: 'provider' });
export const ifThen = (condition: boolean, because: Because): Because | undefined => (condition ? because : undefined);

/** Is its machine one that we make, start and stop? A static host exists already and is never touched. */
export const isMachine = ({ worker }: Situation): boolean => worker.spec.provider === 'ec2';

/** The spec names a machine that somebody else made: it is started and stopped as asked, and never terminated. */
export const isAdopted = (worker: Worker): boolean => worker.spec.instanceId !== undefined;

/** What the worker should be: a deletion acts as Terminated, a drain that the controller asked for as Draining. */
export function desired({ worker, draft }: Pick<Situation, 'worker' | 'draft'>): Worker['spec']['desiredState'] {
  if (isDeleting(worker)) return 'Terminated';
  const { desiredState } = worker.spec;
  return desiredState === 'Running' && draft.drain ? 'Draining' : desiredState;
}

/** Who wants it so, in words. */
export function wish(s: Situation): string {
  if (isDeleting(s.worker)) return 'the Worker was deleted';
  return s.draft.drain && s.worker.spec.desiredState === 'Running' ? `${s.draft.drain.by}: ${s.draft.drain.reason}` : `desiredState is ${s.worker.spec.desiredState}`;
}

export const isForced = ({ worker }: Situation): boolean => worker.metadata.annotations?.[ANNOTATIONS.forceTerminate] !== undefined;

/** Nobody works on it and nothing is being cleaned up. */
export const isEmpty = ({ world }: Situation): boolean => world.sessions.length === 0 && world.busyLabs === 0;

/** CML answers, lets us in, and its licence is in order. */
export const isReady = (s: Situation): boolean =>
  s.world.probe?.state === 'ready' && s.world.offer !== undefined && isTrue(s.draft, 'CMLReady') && isTrue(s.draft, 'Licensed') && (!isMachine(s) || instanceIs(s, 'running'));

export const instanceIs = ({ world }: Situation, ...states: InstanceFacts['state'][]): boolean => world.instance !== undefined && states.includes(world.instance.state);

/** When the worker came into its phase. */
export const since = ({ draft, now }: Situation): Date => fromTime(draft.history?.at(-1)?.at) ?? now;

/** When the boot that is under way began: the launch, or the start after a stop. */
export function bootBegan({ draft, now }: Situation): Date {
  const began = draft.history?.findLast(({ from, to }) => to === 'Provisioning' || (from === 'Stopped' && to === 'Starting'));
  return fromTime(began?.at) ?? now;
}

/** Is `at` over? If not, it is noted as a time to look again. */
export function due(s: Situation, at: Date): boolean {
  if (at <= s.now) return true;
  s.wakeAt = earliest(s.wakeAt, at);
  return false;
}

/** Does what the provider shows count? For a moment after our own act it may still be the state before it. */
export const hasSettled = (s: Situation): boolean => due(s, plus(since(s), s.world.limits.settle));

/** Phases in which a machine of ours is paid for as a worker: whatever leads in is a scaling up, whatever leads out a scaling down. */
const UP: readonly (WorkerPhase | null)[] = ['Provisioning', 'Starting', 'Running', 'Draining'];
export const isUp = (phase: WorkerPhase | null): boolean => UP.includes(phase);
