/**
 * The checkpoint of a pipeline, `status.pipeline` (contract §9). Pure: which step is next, and what a step's outcome does
 * to the checkpoint. Which steps there are: `pipeline-steps.ts`; the handlers that have effects: `src/controllers/session/steps/`.
 */
import { plus, toTime } from './time.ts';
import { without } from './without.ts';
import type { PipelineName, PipelineStatus, PipelineStep } from '../api/labletsession.ts';
import type { StepSpec } from './pipeline-steps.ts';

export { pipelineSteps } from './pipeline-steps.ts';
export type { StepSpec } from './pipeline-steps.ts';

/** A fresh checkpoint: every step Pending. `before` carries the run count on when a failed run starts over. */
export function startPipeline(name: PipelineName, steps: StepSpec[], now: Date, before?: PipelineStatus, notBefore?: Date): PipelineStatus {
  const again = before?.name === name;
  return {
    name,
    attempt: again ? before.attempt + 1 : 1,
    startedAt: toTime(notBefore ?? now),
    firstStartedAt: again ? before.firstStartedAt : toTime(now),
    ...(notBefore ? { notBefore: toTime(notBefore) } : {}),
    ...(again && before.error ? { error: before.error } : {}),
    steps: steps.map((step) => ({ name: step.name, state: 'Pending' as const })),
  };
}

export type RunState = 'running' | 'completed' | 'failed';

/** What became of a run: failed as soon as a step that is not optional has failed for good. */
export function runState(pipeline: PipelineStatus, specs: StepSpec[]): RunState {
  const optional = optionalSteps(specs);
  if (pipeline.steps.some((step) => step.state === 'Failed' && !optional.has(step.name))) return 'failed';
  return pipeline.steps.every((step) => passed(step, optional)) ? 'completed' : 'running';
}

/** The steps that may run now: not settled, all their needs completed or skipped (or optional and failed), their delay over. None in a run that has failed. */
export function runnableSteps(pipeline: PipelineStatus, specs: StepSpec[], now: Date): StepSpec[] {
  if (pipeline.steps.some((step) => step.state === 'Failed' && specs.some((spec) => spec.name === step.name && !spec.optional))) return [];
  const state = new Map(pipeline.steps.map((step) => [step.name, step]));
  const optional = optionalSteps(specs);
  const done = (name: string): boolean => {
    const step = state.get(name);
    return !step || passed(step, optional);
  };
  return specs.filter((spec) => {
    const step = state.get(spec.name);
    if (!step || (step.state !== 'Pending' && step.state !== 'Running') || !spec.needs.every(done)) return false;
    return step.notBefore === undefined || new Date(step.notBefore) <= now;
  });
}

const optionalSteps = (specs: StepSpec[]): ReadonlySet<string> => new Set(specs.filter((spec) => spec.optional).map((spec) => spec.name));

/** May what needs the step go on? */
const passed = (step: PipelineStep, optional: ReadonlySet<string>): boolean => step.state === 'Completed' || step.state === 'Skipped' || (step.state === 'Failed' && optional.has(step.name));

/** The next instant at which a delayed step may run; undefined if none is delayed. */
export function nextStepAt(pipeline: PipelineStatus): Date | undefined {
  const times = pipeline.steps.flatMap((step) => (step.state === 'Pending' && step.notBefore ? [new Date(step.notBefore).getTime()] : []));
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

function patchStep(pipeline: PipelineStatus, name: string, patch: (step: PipelineStep) => PipelineStep): void {
  pipeline.steps = pipeline.steps.map((step) => (step.name === name ? patch(step) : step));
}

/** Begins an attempt; a step that is Running already (it waits for something) keeps its start. */
export function beginStep(pipeline: PipelineStatus, name: string, now: Date): void {
  patchStep(pipeline, name, (step) => {
    if (step.state === 'Running') return step;
    return { ...without(step, 'notBefore'), state: 'Running', attempts: (step.attempts ?? 0) + 1, startedAt: toTime(now) };
  });
}

export function completeStep(pipeline: PipelineStatus, name: string, now: Date, outcome: 'Completed' | 'Skipped' = 'Completed', output?: string): void {
  patchStep(pipeline, name, (step) => ({ ...without(step, 'error', 'notBefore'), state: outcome, completedAt: toTime(now), ...(output === undefined ? {} : { output: output.slice(0, 512) }) }));
  if (pipeline.steps.every((step) => step.state !== 'Pending' && step.state !== 'Running')) pipeline.completedAt = toTime(now);
}

/**
 * Ends an attempt: Pending again with a delay while attempts are left and the error may pass, else Failed.
 * @param retryAfterMs wait at least so long, in real milliseconds: what the other side asked for
 */
export function failStep(pipeline: PipelineStatus, spec: StepSpec, error: string, retryable: boolean, now: Date, scale = 1, retryAfterMs = 0): void {
  patchStep(pipeline, spec.name, (step) => {
    const again = retryable && (step.attempts ?? 1) < spec.maxAttempts;
    const message = error.slice(0, 512);
    if (again) return { ...step, state: 'Pending', error: message, notBefore: toTime(plus(now, Math.max((spec.delaySeconds * 1000) / scale, retryAfterMs))) };
    return { ...step, state: 'Failed', error: message, completedAt: toTime(now) };
  });
  if (spec.optional) return;
  pipeline.error = `${spec.name}: ${error}`.slice(0, 512);
  if (!retryable) pipeline.permanent = true;
}

/** When the current attempt of a Running step is over its limit. */
export function stepDeadline(step: PipelineStep, spec: StepSpec, scale = 1): Date | undefined {
  return step.state === 'Running' && step.startedAt ? plus(new Date(step.startedAt), (spec.timeoutSeconds * 1000) / scale) : undefined;
}

export function findStep(pipeline: PipelineStatus | undefined, name: string): PipelineStep | undefined {
  return pipeline?.steps.find((step) => step.name === name);
}
