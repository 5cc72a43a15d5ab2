/** Runs the steps of the current pipeline that may run now, and notes what became of them. */
import { ConditionError, holds } from '../../core/expression.ts';
import { pipelineSteps, withNeeds } from '../../core/pipeline-steps.ts';
import { beginStep, completeStep, failStep, findStep, nextStepAt, runnableSteps, stepDeadline } from '../../core/pipelines.ts';
import { ExternalError } from '../../clients/errors.ts';
import { MissingSecretError } from '../secrets.ts';
import { cmlOf } from '../worker/cml.ts';
import { effectSignal } from '../deps.ts';
import { RetryableError } from '../../runtime/result.ts';
import { NotLeaderError } from '../../runtime/leadership.ts';
import { Attempt } from './attempt.ts';
import { STEPS } from './steps/registry.ts';
import { PermanentStepError, StepTimeoutError } from './steps/step.ts';
import type { LabletSession, PipelineName, SessionPhase } from '../../api/labletsession.ts';
import type { StepSpec } from '../../core/pipeline-steps.ts';
import type { ConditionData } from '../../core/expression.ts';
import type { SessionStatus, Signal } from '../../core/session/world.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';
import type { Gathered } from './gather.ts';
import type { Step, StepContext, StepResult } from './steps/step.ts';

/** The pipeline that a phase works through. */
const PIPELINE: Partial<Record<SessionPhase, PipelineName>> = {
  Instantiating: 'instantiate', Collecting: 'collect_evidence', Grading: 'compute_grading', Stopping: 'teardown', Stopped: 'teardown',
};
/** While Stopping only this step runs, and what it needs: T17 gives the capacity back as soon as the lab is stopped. */
const STOPPING_STEP = 'stop_lab';
/** No further step begins in a pass that has lasted so long; the next one goes on at once from the checkpoint. */
const PASS_BUDGET_MS = 30_000;
/** Longest time that a pass waits for one answer of a step: one with a longer limit waits between its answers. */
const LONGEST_ANSWER_MS = 180_000;
/**
 * Shortest time for an answer, unless the step itself has less: a step whose limit ended while nobody looked (a restart)
 * is asked once more, and TIME_SCALE does not shorten calls over the network.
 */
const SHORTEST_ANSWER_MS = 10_000;
/** Longest time of a pass, for the controller: the budget, one step beyond it, and the writes. */
export const SESSION_PASS_MS = PASS_BUDGET_MS + LONGEST_ANSWER_MS + 30_000;

/** What a run of steps leads to. `changes` are made on the status to be written, again and again if others write in between. */
export interface Progress {
  changes: ((draft: SessionStatus) => void)[];
  signals: Signal[];
  /** When to look again, in milliseconds; undefined: nothing is waited for. */
  waitMs: number | undefined;
  why: string;
}

/** Writes the status in the middle of a pass; gives the object as it is stored then. */
export type Checkpoint = (changes: Progress['changes']) => Promise<LabletSession>;

/** Is there something to run? */
export function hasPipeline(status: SessionStatus | undefined): boolean {
  return status?.phase !== undefined && status.pipeline !== undefined && PIPELINE[status.phase] === status.pipeline.name;
}

/**
 * Runs what may run now, in the order listed, until everything waits, has failed, or the time of the pass is used up.
 * @param steps handlers by name
 */
export async function runSteps(deps: Deps, session: LabletSession, gathered: Gathered, pass: PassContext, checkpoint: Checkpoint, steps: Readonly<Record<string, Step>> = STEPS): Promise<Progress> {
  const progress: Progress = { changes: [], signals: [], waitMs: undefined, why: '' };
  const { frozen } = gathered;
  const name = session.status?.pipeline?.name;
  if (!frozen || name === undefined) return progress;
  const all = pipelineSteps(name, frozen.definition.spec);
  const specs = session.status?.phase === 'Stopping' ? withNeeds(all, STOPPING_STEP) : all;
  const run = new Run(deps, session, gathered, pass, checkpoint, progress, steps);
  const endOfPass = deps.clock.monotonic() + PASS_BUDGET_MS;
  for (;;) {
    const now = deps.clock.now();
    const { pipeline } = run.status;
    if (!pipeline || (pipeline.notBefore && new Date(pipeline.notBefore) > now)) break;
    const next = runnableSteps(pipeline, specs, now).find((spec) => !run.waits.has(spec.name));
    if (!next) break;
    if (deps.clock.monotonic() >= endOfPass) {
      run.wait(0, 'the next steps');
      break;
    }
    await run.step(next);
  }
  const { pipeline } = run.status;
  const restartAt = pipeline?.notBefore ? new Date(pipeline.notBefore) : undefined;
  for (const at of [pipeline && nextStepAt(pipeline), restartAt]) {
    if (at && at > deps.clock.now()) run.wait(at.getTime() - deps.clock.now().getTime(), 'a step starts again');
  }
  return progress;
}

/** A checkpoint met with a decision that ended the run (a cancel, a loss): what it had still to do is not begun. */
class RunOverError extends Error {
  constructor() {
    super('the session has left the run');
    this.name = 'RunOverError';
  }
}

/** One run over the steps: holds the status as it will be written, and what the steps share. */
class Run {
  /** Steps that wait for something: not asked again in this pass. */
  readonly waits = new Set<string>();
  status: SessionStatus;
  private readonly deps: Deps;
  private session: LabletSession;
  private readonly gathered: Gathered;
  private readonly pass: PassContext;
  private readonly checkpoint: Checkpoint;
  private readonly progress: Progress;
  private readonly steps: Readonly<Record<string, Step>>;

  constructor(deps: Deps, session: LabletSession, gathered: Gathered, pass: PassContext, checkpoint: Checkpoint, progress: Progress, steps: Readonly<Record<string, Step>>) {
    this.deps = deps;
    this.session = session;
    this.gathered = gathered;
    this.pass = pass;
    this.checkpoint = checkpoint;
    this.progress = progress;
    this.steps = steps;
    this.status = structuredClone(session.status ?? {});
  }

  wait(ms: number, why: string): void {
    if (this.progress.waitMs !== undefined && this.progress.waitMs <= ms) return;
    this.progress.waitMs = ms;
    this.progress.why = why;
  }

  async step(spec: StepSpec): Promise<void> {
    try {
      // Only before an attempt: a step that waits has begun, and is not skipped in the middle.
      if (spec.skipWhen !== undefined && findStep(this.status.pipeline, spec.name)?.state === 'Pending' && holds(spec.skipWhen, this.conditionData())) {
        this.settle(spec, { kind: 'skipped', why: `skipWhen: ${spec.skipWhen}` });
        return;
      }
      const begunAt = this.deps.clock.now();
      this.onPipeline((pipeline) => beginStep(pipeline, spec.name, begunAt));
      const handler = this.steps[spec.handler];
      if (!handler) throw new PermanentStepError(`no handler ${spec.handler}; the controller knows ${Object.keys(this.steps).join(', ')}`);
      const attempt = new Attempt(this.deps.clock, this.answerLimit(spec));
      const { name: pipeline = '', attempt: run = 1 } = this.status.pipeline ?? {};
      const span = { name: `step ${spec.handler}`, attributes: { 'lablet.pipeline': pipeline, 'lablet.pipeline.run': run, 'lablet.step': spec.name } };
      this.settle(spec, await this.deps.tracer.span(span, () => attempt.run(() => handler(this.context(attempt)))));
    } catch (error) {
      if (error instanceof RunOverError) return;
      if (this.pass.signal.aborted || error instanceof NotLeaderError) throw error;
      this.failed(spec, error);
    }
  }

  /** How long the step may take for its answer, in milliseconds: to the limit of the attempt. */
  private answerLimit(spec: StepSpec): number {
    const step = findStep(this.status.pipeline, spec.name);
    const deadline = step && stepDeadline(step, spec, this.deps.settings.scale);
    const left = deadline ? deadline.getTime() - this.deps.clock.now().getTime() : 0;
    return Math.min(Math.max(left, Math.min(SHORTEST_ANSWER_MS, spec.timeoutSeconds * 1000)), LONGEST_ANSWER_MS);
  }

  private settle(spec: StepSpec, result: StepResult): void {
    const now = this.deps.clock.now();
    if (result.kind !== 'wait') {
      this.onPipeline((pipeline) => completeStep(pipeline, spec.name, now, result.kind === 'done' ? 'Completed' : 'Skipped', result.kind === 'done' ? result.output : result.why));
      return;
    }
    const step = findStep(this.status.pipeline, spec.name);
    const deadline = step && stepDeadline(step, spec, this.deps.settings.scale);
    if (deadline && deadline <= now) {
      this.onPipeline((pipeline) => failStep(pipeline, spec, `${result.why}, not done within ${spec.timeoutSeconds} s`, true, now, this.deps.settings.scale));
      return;
    }
    this.waits.add(spec.name);
    // Its limit is a time to look, too.
    this.wait(Math.min(result.ms, deadline ? deadline.getTime() - now.getTime() : result.ms), result.why);
  }

  private failed(spec: StepSpec, error: unknown): void {
    const now = this.deps.clock.now();
    const message = error instanceof Error ? error.message : String(error);
    const retryable = mayPass(error);
    const asked = error instanceof ExternalError || error instanceof RetryableError ? error.retryAfterMs : undefined;
    this.pass.log.warn({ step: spec.name, reason: message, retryable, unexpected: isUnexpected(error) ? error : undefined }, 'a step failed');
    this.onPipeline((pipeline) => failStep(pipeline, spec, message, retryable, now, this.deps.settings.scale, asked));
  }

  private onPipeline(change: (pipeline: NonNullable<SessionStatus['pipeline']>) => void): void {
    this.record((draft) => {
      if (draft.pipeline?.name === this.status.pipeline?.name && draft.pipeline) change(draft.pipeline);
    });
  }

  private readonly record = (change: (draft: SessionStatus) => void): void => {
    this.progress.changes.push(change);
    change(this.status);
  };

  /** What `skipWhen` may look at. */
  private conditionData(): ConditionData {
    const { gathered, session, status } = this;
    const { metadata: { name, namespace, labels = {}, annotations = {} }, spec } = session;
    const definition = gathered.frozen?.definition;
    return {
      session: { metadata: { name, namespace, labels, annotations }, spec, status },
      definition: definition ? { metadata: { name: definition.name, namespace: definition.namespace }, version: definition.version, spec: definition.spec } : {},
      worker: gathered.worker ? { metadata: { name: gathered.worker.metadata.name }, spec: gathered.worker.spec, status: gathered.worker.status ?? {} } : {},
      steps: Object.fromEntries((status.pipeline?.steps ?? []).map((step) => [step.name, step])),
    };
  }

  private context(attempt: Attempt): StepContext {
    const { deps, gathered, session, pass } = this;
    const signal = AbortSignal.any([pass.signal, attempt.signal]);
    return {
      deps, session, world: gathered.world, frozen: gathered.frozen as NonNullable<Gathered['frozen']>, worker: gathered.worker, status: this.status, log: pass.log,
      record: (change) => {
        attempt.live();
        this.record(change);
      },
      checkpoint: () => attempt.write(async () => {
        const { phase, pipeline } = this.status;
        this.session = await this.checkpoint(this.progress.changes);
        this.progress.changes.length = 0;
        this.status = structuredClone(this.session.status ?? {});
        if (this.status.phase !== phase || this.status.pipeline?.attempt !== pipeline?.attempt) throw new RunOverError();
      }),
      lab: () => {
        const { lab } = gathered;
        if (lab?.spec.sessionRef?.uid !== session.metadata.uid) throw new PermanentStepError(`Lab ${session.status?.labName ?? '?'} is not bound to this session`);
        return lab;
      },
      setLab: (lab) => { gathered.lab = lab; },
      cml: () => {
        const cml = gathered.worker && cmlOf(deps, gathered.worker);
        if (!cml) throw new RetryableError(`worker ${session.status?.workerName ?? '?'} has no address or no credentials yet`);
        return cml;
      },
      call: () => {
        attempt.live();
        return { signal: effectSignal(deps, signal) };
      },
      see: (seen) => {
        attempt.live();
        this.progress.signals.push(seen);
      },
    };
  }
}

/** Answers of the other side that somebody may put right while the step is tried again. */
const MAY_BE_PUT_RIGHT: ReadonlySet<ExternalError['kind']> = new Set(['unauthorized', 'notFound', 'badRequest']);

function mayPass(error: unknown): boolean {
  if (error instanceof PermanentStepError || error instanceof ConditionError) return false;
  return !(error instanceof ExternalError) || error.retryable || MAY_BE_PUT_RIGHT.has(error.kind);
}

const EXPECTED = [ExternalError, PermanentStepError, ConditionError, StepTimeoutError, MissingSecretError, RetryableError] as const;

const isUnexpected = (error: unknown): boolean => !EXPECTED.some((kind) => error instanceof kind);
