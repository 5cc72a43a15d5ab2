/** Why a session waits, is in trouble or has failed, and what would unblock it: read off its status, its worker and its Events. Pure. */
import { objectKey } from '../../api/meta.ts';
import { getCondition } from '../../core/conditions.ts';
import { heldBack } from '../../core/session/situation.ts';
import { holdsCapacity } from '../../core/worker-capacity.ts';
import { deadlineOf } from './deadline.ts';
import { stateOf } from './state.ts';
import { IN_ORDER, meaningOf } from './reasons.ts';
import { workerTrouble } from './worker-trouble.ts';
import type { LabletSession, SessionPhase } from '../../api/labletsession.ts';
import type { Condition } from '../../api/schema.ts';
import type { Worker } from '../../api/worker.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { Told } from '../kube-events.ts';
import type { Deadline } from './deadline.ts';
import type { Names } from './reasons.ts';

/** Fine: goes its way, and nobody need act. Waits: for something that is missing. Trouble: goes on, or is held, and somebody should act. Failed, Over: has ended, badly or well. */
export type Verdict = 'Fine' | 'Waits' | 'Trouble' | 'Failed' | 'Over';

/** One thing that stands in the way. */
export interface Finding {
  /** Condition, step, worker or Event that says it. */
  about: string;
  reason: string;
  since?: string;
  /** In the words of the status. */
  message?: string;
  means?: string;
  help: string[];
}

export interface Explanation {
  /** namespace/name */
  session: string;
  phase?: SessionPhase;
  verdict: Verdict;
  /** Where it is and what comes next, in a sentence. */
  summary: string;
  findings: Finding[];
  deadline?: Deadline;
}

/** What is known beside the session. */
export interface Known {
  /** The version that it is pinned to; undefined: it cannot be read, or there is none yet. */
  definition?: PinnedDefinition | undefined;
  /** missing: there is no such Worker. undefined: it is bound to none, or the reader may not see Workers. */
  worker?: Worker | 'missing' | undefined;
  /** Warnings about the session, newest first. */
  events?: readonly Told[];
}

/** A session that no controller has looked at for so long tells of trouble with the controller. */
const SEEN_WITHIN = 30_000;
/** Warnings older than that say nothing about now. */
const RECENT = 60 * 60_000;
const EVENTS_SHOWN = 3;

export function explain(session: LabletSession, known: Known, now: Date): Explanation {
  const { status } = session;
  const names = namesOf(session);
  const findings = findingsOf(session, known, names, now);
  const deadline = heldBack(session) ? undefined : deadlineOf(session, known.definition, now);
  return {
    session: objectKey(session),
    ...(status?.phase === undefined ? {} : { phase: status.phase }),
    verdict: verdictOf(session, findings),
    summary: stateOf(session, known.definition, now),
    findings,
    ...(deadline ? { deadline } : {}),
  };
}

function namesOf({ metadata: { name, namespace = 'default' }, spec, status }: LabletSession): Names {
  return { session: `${name} -n ${namespace}`, namespace, definition: spec.definitionRef.name, worker: status?.workerName ?? 'NAME' };
}

/** Findings that pass by themselves, or take nothing away. */
const PASSING: ReadonlySet<string> = new Set(['Regrading', 'StepTriedAgain', 'Draining', 'ExtensionRefused']);
/** Ends that somebody asked for; a refusal counts as cancelled too, and nobody asked for that. */
const ASKED_FOR: ReadonlySet<string> = new Set(['Cancelled', 'ForceTerminated', 'Deleted']);

function verdictOf(session: LabletSession, findings: readonly Finding[]): Verdict {
  const { phase, ending, reason = '' } = session.status ?? {};
  const badly = ending !== undefined && ending !== 'Normal' && !ASKED_FOR.has(reason);
  if (phase === 'Archived' || phase === 'Terminated') return badly ? 'Failed' : 'Over';
  if (heldBack(session)) return 'Trouble';
  if (badly && isEnding(phase)) return 'Failed';
  if (findings.every(({ reason }) => PASSING.has(reason))) return 'Fine';
  return phase === undefined || phase === 'Pending' || phase === 'Scheduled' ? 'Waits' : 'Trouble';
}

/** In the order in which they matter: what holds it back, its conditions, its steps, its worker, its end, and what else was told lately. */
function findingsOf(session: LabletSession, known: Known, names: Names, now: Date): Finding[] {
  const { status, metadata } = session;
  const found: Finding[] = [];
  const add = (about: string, reason: string, more: { message?: string | undefined; since?: string | undefined } = {}): void => {
    if (found.some((one) => one.reason === reason && (one.message === more.message || more.message === undefined))) return;
    const { means, help } = meaningOf(reason) ?? {};
    found.push({ about, reason, ...(more.since ? { since: more.since } : {}), ...(more.message ? { message: more.message } : {}), ...(means ? { means } : {}), help: help?.(names, more.message ?? '') ?? [] });
  };

  const held = heldBack(session);
  if (held) add('annotation', held);
  if (status?.phase === undefined && !getCondition(status, 'Scheduled') && now.getTime() - Date.parse(metadata.creationTimestamp) > SEEN_WITHIN && !held) add('session', 'NotSeen', { since: metadata.creationTimestamp });

  const ended = status?.phase === 'Terminated' || status?.phase === 'Archived';
  if (status?.reason !== undefined && (ended || status.phase === 'Stopping' || status.phase === 'Stopped') && !IN_ORDER.has(status.reason)) add('end', status.reason, { message: status.message, since: status.terminatedAt ?? status.endedAt });
  for (const { type, reason, message, lastTransitionTime } of (status?.conditions ?? []).filter((condition) => isTelling(session, condition))) add(type, reason, { message, since: lastTransitionTime });
  // Where it waits for another worker, what became of the first one.
  if (status?.phase === 'Pending' && status.reason !== undefined && !IN_ORDER.has(status.reason)) add('phase', status.reason, { message: status.message, since: status.history?.at(-1)?.at });

  if (status?.pipeline && !ended) {
    for (const step of status.pipeline.steps) {
      if (step.error !== undefined && (step.state === 'Failed' || step.state === 'Pending' || step.state === 'Running')) add(`step ${step.name}`, step.state === 'Failed' ? 'StepFailed' : 'StepTriedAgain', { message: step.error, since: step.startedAt });
    }
  }
  if (holdsCapacity(status?.phase)) {
    if (known.worker === 'missing') add(`worker ${names.worker}`, 'WorkerLost', { message: `There is no Worker ${names.worker} any more.` });
    else if (known.worker) {
      const trouble = workerTrouble(known.worker, now);
      if (trouble) add(`worker ${names.worker}`, trouble.reason, trouble);
    }
  }
  const recent = (known.events ?? []).filter(({ type, at, reason }) => type === 'Warning' && now.getTime() - Date.parse(at) < RECENT && !found.some((one) => one.reason === reason));
  for (const { reason, message, at } of recent.slice(0, EVENTS_SHOWN)) add('Event', reason, { message, since: at });
  return found;
}

/** Does the condition say that something is missing or wrong now? A condition that is not what it should be says so in another status. */
function isTelling(session: LabletSession, { type, status, reason }: Condition): boolean {
  const phase = session.status?.phase;
  switch (type) {
    case 'Scheduled':
      return status === 'False' && (phase === undefined || phase === 'Pending');
    case 'Admitted':
      return status === 'False' && !isEnding(phase);
    case 'LabReady':
      return status === 'False' && (phase === 'Scheduled' || phase === 'Instantiating');
    case 'Graded':
      return status !== 'True' && reason !== session.status?.reason;
    case 'Degraded':
      return status === 'True' && !isEnding(phase);
    case 'EventsDelivered':
      return status === 'False';
    case 'Ready':
    default:
      return false;
  }
}

const isEnding = (phase: SessionPhase | undefined): boolean => phase === 'Stopping' || phase === 'Stopped' || phase === 'Archived' || phase === 'Terminated';

