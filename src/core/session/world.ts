/** What a decision about a session may know: plain data, gathered by the controller before it asks. */
import type { ConsumedEvent } from '../../api/events.ts';
import type { LabletSession, LabletSessionStatus } from '../../api/labletsession.ts';
import type { ScoreReportSpec } from '../../api/scorereport.ts';
import type { DefinitionDurations, PinnedDefinition } from '../definition.ts';
import type { Timeouts } from '../timeouts.ts';

/** The definition version that the session is pinned to, or would be. */
export type DefinitionView =
  | { state: 'missing' }
  | { state: 'notReady'; message: string }
  | { state: 'ready'; definition: PinnedDefinition; durations: DefinitionDurations; deprecatedBy?: string };

/** The worker that the session is bound to, as far as the session cares. */
export interface WorkerView {
  name: string;
  /** lost: gone, failed, stopped, terminated, or unreachable for too long (contract §2.1 "Worker lost"). */
  state: 'ready' | 'notReady' | 'draining' | 'lost';
  message: string;
  templateName?: string;
  /** Price of an hour, a decimal number. */
  costPerHour?: string;
  /** It does not answer; past this instant it counts as lost. */
  lostAt?: Date;
  /** Its drain takes too long (contract §2.5): cancel ends what can be ended, force (an hour later) ends the rest. */
  overdueDrain?: 'cancel' | 'force';
  /** When that changes. */
  drainChangesAt?: Date;
}

/** What stands on the CML host for the session. */
export interface LabView {
  /** reserved: not imported yet. gone: CML answered 404 for a lab that we had, or it is no longer claimed for the session. */
  state: 'reserved' | 'present' | 'gone' | 'orphaned';
  /** Somebody else stopped it on the host. restarting: its nodes are started again, which is done once; again: it was stopped after that. */
  stopped?: 'restarting' | 'again';
}

export interface SessionWorld {
  definition: DefinitionView;
  worker?: WorkerView | undefined;
  lab?: LabView | undefined;
  ldsConfigured: boolean;
  gradingConfigured: boolean;
  /** The namespace is being deleted: nothing can be created in it any more. */
  namespaceTerminating: boolean;
  /** Name of the live session that holds the same reservationId. */
  duplicateOf?: string | undefined;
  /** Why the calendar cannot hold the slot of the spec (the booking at admission, an extension later), with what would fit; absent: it can. */
  noRoom?: string | undefined;
  /** Is there a sink or an archive? Without one there is no outbox. */
  emit: boolean;
  /** CLOUDEVENTS_SOURCE, if there is an archive. */
  archive?: string | undefined;
  /** The ScoreReport of the current attempt, where one was stored before a crash: it is the result, whatever comes after it. */
  existingReport?: ScoreReportSpec | undefined;
  timeouts: Timeouts;
  /** TIME_SCALE: durations of steps are divided by it. */
  scale: number;
}

/** Something that was seen outside: a consumed event, or the same found by asking (actor `poll`). */
export interface Signal {
  event: ConsumedEvent;
  actor: 'lds' | 'grading-engine' | 'poll';
}

export type SessionStatus = LabletSessionStatus;

/** Will the session be graded? (contract §2.1 "gradable") */
export function isGradable(world: SessionWorld): boolean {
  return world.gradingConfigured && world.definition.state === 'ready' && world.definition.definition.spec.grading?.rulesUri !== undefined;
}

/** Does the session have a page in LDS? */
export function usesLds(world: SessionWorld): boolean {
  return world.ldsConfigured && world.definition.state === 'ready' && world.definition.definition.spec.formQualifiedName !== undefined;
}

/** Id by which LDS and the GradingEngine know the candidate. */
export const candidateId = (session: LabletSession): string => session.spec.candidate?.id ?? session.spec.owner;
