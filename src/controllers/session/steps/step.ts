/** What a step of a pipeline is given and gives back. */
import type { Lab } from '../../../api/lab.ts';
import type { LabletSession } from '../../../api/labletsession.ts';
import type { Worker } from '../../../api/worker.ts';
import type { CallOptions } from '../../../clients/call.ts';
import type { CmlPort } from '../../../clients/cml/port.ts';
import type { SessionStatus, SessionWorld, Signal } from '../../../core/session/world.ts';
import type { Deps } from '../../deps.ts';
import type { FrozenDefinition } from '../../../core/frozen-definition.ts';
import type { Logger } from '../../../telemetry/log.ts';

export type StepResult =
  | { kind: 'done'; output?: string }
  | { kind: 'skipped'; why: string }
  /** Ask again in `ms`; no worker of the queue is held meanwhile. */
  | { kind: 'wait'; ms: number; why: string };

export const stepDone = (output?: string): StepResult => ({ kind: 'done', ...(output === undefined ? {} : { output }) });
export const stepSkipped = (why: string): StepResult => ({ kind: 'skipped', why });
export const stepWait = (ms: number, why: string): StepResult => ({ kind: 'wait', ms, why });

/** Thrown by a step when trying again cannot help: the run fails for good. */
export class PermanentStepError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PermanentStepError';
  }
}

/** An attempt of a step took longer than its limit: its calls are broken off, and what it does from then on has no effect. */
export class StepTimeoutError extends Error {
  constructor(limitMs: number) {
    super(`not done within ${limitMs / 1000} s`);
    this.name = 'StepTimeoutError';
  }
}

export interface StepContext {
  deps: Deps;
  session: LabletSession;
  world: SessionWorld;
  frozen: FrozenDefinition;
  worker: Worker | undefined;
  /** The status as it will be written: what earlier steps of this pass recorded is in it. Read-only; see `record`. */
  status: SessionStatus;
  /**
   * Changes the status to be written. The change is kept as a function, since it is made again on the live object
   * when somebody else (ingest) wrote in between.
   */
  record: (change: (draft: SessionStatus) => void) => void;
  /** Writes what was recorded so far, now: before an effect that cannot be looked up afterwards. */
  checkpoint: () => Promise<void>;
  /** The Lab of the session as it is stored. @throws PermanentStepError if it is not ours (any more) */
  lab: () => Lab;
  /** Replaces the Lab that `lab` gives, after a write. */
  setLab: (lab: Lab) => void;
  /** The worker's CML. @throws RetryableError while it is not configured */
  cml: () => CmlPort;
  /** For a call to the outside: ends with the attempt, the pass and the right to act. @throws NotLeaderError, StepTimeoutError */
  call: () => CallOptions;
  /** Tells the decision what was seen by asking. */
  see: (signal: Signal) => void;
  log: Logger;
}

export type Step = (context: StepContext) => Promise<StepResult>;
