/**
 * What becomes of a Lab that no session has claimed (contract §1.3, §4.1, "one hand on a lab"). Pure: a Lab and what is
 * known of the world in, the next thing to do out. A claimed Lab is none of its business.
 */
import { labState } from '../api/lab.ts';
import { isDeleting } from '../api/meta.ts';
import { getCondition } from './conditions.ts';
import { fromTime, plus } from './time.ts';
import type { Lab } from '../api/lab.ts';
import type { LabletDefinition } from '../api/labletdefinition.ts';
import type { LabletSession } from '../api/labletsession.ts';

export interface LabWorld {
  /** The definition that the lab was made from, as it is now; undefined if it is gone. */
  definition: LabletDefinition | undefined;
  /** gone: the Worker is not there, or Terminated; nothing can be removed any more. ending: it is being taken out of service for good. draining: for now. */
  worker: 'present' | 'draining' | 'ending' | 'gone';
  /** Milliseconds for which a lab is kept without a claim. */
  retention: number;
  /** Milliseconds for which one of the warm pool that could not be imported stays, so that it is not tried at once again. */
  retryImport: number;
}

/**
 * - `drop`: nothing stands on the host, the object goes.
 * - `remove`: the lab goes from the host, then the object.
 * - `wipe`: the work of the last candidate goes, the lab is kept.
 * - `keep`: nothing to do until `until`, or until something changes.
 * - `import`: it was made for the warm pool, and is put on the host.
 */
export type LabDecision =
  | { do: 'import' }
  | { do: 'drop'; why: string }
  | { do: 'remove'; why: string }
  | { do: 'wipe'; why: string }
  | { do: 'keep'; until: Date | undefined };

/** May the lab serve further sessions: its definition is there, and that very version is the Active one? */
export function isUsable(lab: Lab, definition: LabletDefinition | undefined): boolean {
  if (!definition || isDeleting(definition)) return false;
  const version = definition.status?.versions?.find((known) => known.version === lab.spec.definitionRef.version);
  // The hash tells a definition from an earlier one of the same name.
  return version?.state === 'Active' && version.sha256 === lab.spec.topologySha256;
}

/** Condition of a Lab: False once CML has said that it does not know the lab. */
export const ON_HOST = 'OnHost';

/** A record whose lab is gone from the host by CML's own word: nothing stands there, and its ports may go to another record (contract §4.3). */
export const isGhost = (lab: Lab): boolean => lab.status?.state === 'Orphaned' && getCondition(lab.status, ON_HOST)?.status === 'False';

/** The session that `spec.sessionRef` names, as it is live; `session` undefined: there is none of that uid. */
export interface Claim {
  session: LabletSession | undefined;
  /** The Lab that the session is bound to, where that is another one. */
  bound?: Lab | undefined;
}

/**
 * Why a claim no longer holds; undefined: it does, and the session's pass is the one hand on the lab. A session that is
 * not bound yet may be about to be: the scheduler claims first and writes the session then (contract §3.7).
 */
export function claimLapsed(lab: Lab, { session, bound }: Claim): string | undefined {
  const ref = lab.spec.sessionRef;
  const name = `${ref?.namespace ?? ''}/${ref?.name ?? ''}`;
  if (!session) return `Session ${name} is gone.`;
  const { phase, labName } = session.status ?? {};
  if (phase === 'Archived' || phase === 'Terminated') return `Session ${name} is over.`;
  // About to be bound to this one in place of a ghost: claimed first, as by the scheduler.
  if (bound && isGhost(bound) && bound.spec.sessionRef?.uid === ref?.uid) return undefined;
  if (labName !== undefined && labName !== lab.metadata.name) return `Session ${name} is bound to Lab ${labName}.`;
  return undefined;
}

/** Decides on an unclaimed Lab. */
export function decideLab(lab: Lab, world: LabWorld, now: Date): LabDecision {
  if (world.worker === 'gone') return { do: 'drop', why: `Worker ${lab.spec.workerName} is gone, and the lab with it.` };
  const state = labState(lab);
  if (lab.spec.source === 'WarmPool' && !isDeleting(lab) && isWelcome(lab, world)) {
    if (state === 'Reserved' || state === 'Importing') return { do: 'import' };
    const until = plus(fromTime(lab.status?.since ?? lab.metadata.creationTimestamp), world.retryImport);
    if (state === 'Error' && until > now) return { do: 'keep', until };
  }
  // `since` is written by the pass of a session: one that began to instantiate may have imported the lab without having stored its id.
  if (state === 'Reserved' && lab.status?.since === undefined && lab.status?.cmlLabId === undefined) return { do: 'drop', why: 'Nobody has claimed it and nothing was imported.' };
  if (isDeleting(lab)) return { do: 'remove', why: 'The Lab was deleted.' };
  if (state === 'Wiped' || state === 'Defined' || state === 'Stopped' || state === 'Wiping') return decideKept(lab, world, now);
  return { do: 'remove', why: lab.status?.message ?? `It was left in state ${state}.` };
}

/** May a lab of the warm pool stay where it is? */
const isWelcome = (lab: Lab, { worker, definition }: LabWorld): boolean => worker === 'present' && isUsable(lab, definition);

function decideKept(lab: Lab, { definition, worker, retention }: LabWorld, now: Date): LabDecision {
  const { namespace, name, version } = lab.spec.definitionRef;
  const pooled = lab.spec.source === 'WarmPool';
  if (worker === 'ending' || (pooled && worker === 'draining')) return { do: 'remove', why: `Worker ${lab.spec.workerName} is being taken out of service.` };
  if (!isUsable(lab, definition)) return { do: 'remove', why: `Version ${version} of LabletDefinition ${namespace}/${name} is no longer used for new sessions.` };
  // The pool itself says when it has one too many.
  const until = pooled ? undefined : plus(fromTime(lab.status?.since ?? lab.metadata.creationTimestamp), retention);
  if (until && until <= now) return { do: 'remove', why: 'Nobody has used it for the time that labs are kept.' };
  if (lab.status?.state === 'Stopped' || lab.status?.state === 'Wiping') return { do: 'wipe', why: 'The work of the last session is wiped.' };
  return { do: 'keep', until };
}
