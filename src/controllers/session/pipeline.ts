/** Runs the steps of the current pipeline that may run now, and notes what became of them. */
import { beginStep, completeStep, failStep, findStep, nextStepAt, pipelineSteps, runnableSteps, stepDeadline } from '../../core/pipelines.ts';
import { ExternalError } from '../../clients/errors.ts';
import { MissingSecretError } from '../secrets.ts';
import { cmlOf } from '../worker/cml.ts';
import { effectSignal } from '../deps.ts';
import { RetryableError } from '../../runtime/result.ts';
import { NotLeaderError } from '../../runtime/leadership.ts';
import { STEPS } from './steps/registry.ts';
import { PermanentStepError } from './steps/step.ts';
import type { LabletSession, PipelineName, SessionPhase } from '../../api/labletsession.ts';
import type { StepSpec } from '../../core/pipelines.ts';
import type { SessionStatus, Signal } from '../../core/session/world.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';
import type { Gathered } from './gather.ts';
import type { StepContext, StepResult } from './steps/step.ts';

/** The pipeline that a phase works through. */
const PIPELINE: Partial<Record<SessionPhase, PipelineName>> = {
  Instantiating: 'instantiate', Collecting: 'collect_evidence', Grading: 'compute_grading', Stopping: 'teardown', Stopped: 'teardown',
};
/** While Stopping only this step runs: T17 gives the capacity back as soon as the lab is stopped. */
const STOPPING_STEP = 'stop_lab';

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

export async function runSteps(deps: Deps, session: LabletSession, gathered: Gathered, pass: PassContext, checkpoint: Checkpoint): Promise<Progress> {
  const progress: Progress = { changes: [], signals: [], waitMs: undefined, why: '' };
  const { frozen } = gathered;
  const name = session.status?.pipeline?.name;
  if (!frozen || name === undefined) return progress;
  const specs = pipelineSteps(name, frozen.definition.spec).filter((spec) => session.status?.phase !== 'Stopping' || spec.name === STOPPING_STEP);
  const run = new Run(deps, session, gathered, pass, checkpoint, progress);
  for (;;) {
    const now = deps.clock.now();
    const { pipeline } = run.status;
    if (!pipeline || (pipeline.notBefore && new Date(pipeline.notBefore) > now)) break;
    const next = runnableSteps(pipeline, specs, now).find((spec) => !run.waits.has(spec.name));
    if (!next) break;
    await run.step(next);
  }
  const { pipeline } = run.status;
  const restartAt = pipeline?.notBefore ? new Date(pipeline.notBefore) : undefined;
  for (const at of [pipeline && nextStepAt(pipeline), restartAt]) {
    if (at && at > deps.clock.now()) run.wait(at.getTime() - deps.clock.now().getTime(), 'a step starts again');
  }
  return progress;
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

  constructor(deps: Deps, session: LabletSession, gathered: Gathered, pass: PassContext, checkpoint: Checkpoint, progress: Progress) {
    this.deps = deps;
    this.session = session;
    this.gathered = gathered;
    this.pass = pass;
    this.checkpoint = checkpoint;
    this.progress = progress;
    this.status = structuredClone(session.status ?? {});
  }

  wait(ms: number, why: string): void {
    if (this.progress.waitMs !== undefined && this.progress.waitMs <= ms) return;
    this.progress.waitMs = ms;
    this.progress.why = why;
  }

  async step(spec: StepSpec): Promise<void> {
    const { deps } = this;
    const begunAt = deps.clock.now();
    this.onPipeline((pipeline) => beginStep(pipeline, spec.name, begunAt));
    try {
      const handler = STEPS[spec.handler];
      if (!handler) throw new PermanentStepError(`no handler ${spec.handler}; the controller knows ${Object.keys(STEPS).join(', ')}`);
      this.settle(spec, await handler(this.context()));
    } catch (error) {
      if (this.pass.signal.aborted || error instanceof NotLeaderError) throw error;
      this.failed(spec, error);
    }
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
    this.wait(result.ms, result.why);
  }

  private failed(spec: StepSpec, error: unknown): void {
    const now = this.deps.clock.now();
    const message = error instanceof Error ? error.message : String(error);
    const retryable = !(error instanceof PermanentStepError) && (!(error instanceof ExternalError) || error.retryable || error.kind === 'unauthorized' || error.kind === 'notFound' || error.kind === 'badRequest');
    this.pass.log.warn({ step: spec.name, reason: message, retryable, unexpected: isUnexpected(error) ? error : undefined }, 'a step failed');
    this.onPipeline((pipeline) => failStep(pipeline, spec, message, retryable, now, this.deps.settings.scale));
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

  private context(): StepContext {
    const { deps, gathered, session, pass } = this;
    return {
      deps, session, world: gathered.world, frozen: gathered.frozen as NonNullable<Gathered['frozen']>, worker: gathered.worker, status: this.status, log: pass.log,
      record: this.record,
      checkpoint: async () => {
        this.session = await this.checkpoint(this.progress.changes);
        this.progress.changes.length = 0;
        this.status = structuredClone(this.session.status ?? {});
      },
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
      call: () => ({ signal: effectSignal(deps, pass.signal) }),
      see: (signal) => this.progress.signals.push(signal),
    };
  }
}

const isUnexpected = (error: unknown): boolean => !(error instanceof ExternalError || error instanceof PermanentStepError || error instanceof MissingSecretError || error instanceof RetryableError);
