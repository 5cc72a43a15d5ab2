/**
 * Pipelines: named steps with limits, checkpointed in `status.pipeline` (domain §9). Pure: which step is next,
 * and what a step's outcome does to the checkpoint. The handlers that have effects are in `src/controllers/session/steps/`.
 */
import { plus, toTime } from './time.ts';
import type { PipelineName, PipelineStatus, PipelineStep } from '../api/labletsession.ts';
import type { LabletDefinitionSpec } from '../api/labletdefinition.ts';

export interface StepSpec {
  name: string;
  /** Handler that runs it; several steps may share one. */
  handler: string;
  /** Steps that must be completed or skipped first; default: the one before. */
  needs: string[];
  /** Limit of one attempt, in seconds. */
  timeoutSeconds: number;
  maxAttempts: number;
  /** Wait between attempts, in seconds. */
  delaySeconds: number;
  /** A failure does not stop the pipeline. */
  optional: boolean;
}

type Row = readonly [name: string, timeoutSeconds: number, maxAttempts?: number, delaySeconds?: number, optional?: 'optional'];

/**
 * The standard pipelines, as the table of domain §9 has them. Teardown tries its steps again within its limits, and goes
 * on past a lab that does not stop: LDS is released all the same.
 */
const STANDARD: Record<PipelineName, readonly Row[]> = {
  instantiate: [
    ['content_sync', 120, 3, 30],
    ['lab_resolve', 120, 2, 10],
    ['ports_verify', 30],
    ['lab_import_or_tags', 120, 2, 10],
    ['lab_binding', 30],
    ['lab_start', 300, 5, 15],
    ['lds_provision', 60, 3, 5],
    ['mark_ready', 10],
  ],
  collect_evidence: [
    ['capture_configs', 120],
    ['capture_screenshots', 60, 1, 0, 'optional'],
    ['export_pcaps', 60, 1, 0, 'optional'],
    ['package_evidence', 30],
    ['ge_session_pod', 30, 3, 5],
  ],
  compute_grading: [
    ['load_rubric', 30],
    ['request_grade', 30, 3, 5],
    ['await_result', 1800],
    ['record_score', 10],
  ],
  teardown: [
    ['stop_lab', 120, 5, 5, 'optional'],
    ['deregister_lds', 30, 1, 0, 'optional'],
    ['wipe_or_delete_lab', 120, 5, 5],
    ['archive', 10],
  ],
};

/** Where a definition speaks of a pipeline. */
const FIELD: Record<PipelineName, keyof NonNullable<LabletDefinitionSpec['pipelines']>> = {
  instantiate: 'instantiate', collect_evidence: 'collectEvidence', compute_grading: 'computeGrading', teardown: 'teardown',
};

type StepPatch = Partial<Omit<StepSpec, 'name'>> & { name: string };

/** Steps of a pipeline for a definition, in order: the standard ones with the definition's changes. Absent: as they are. */
export function pipelineSteps(name: PipelineName, definition?: LabletDefinitionSpec): StepSpec[] {
  const changes = definition?.pipelines?.[FIELD[name]];
  const standard = STANDARD[name].map(([step, timeoutSeconds, maxAttempts = 1, delaySeconds = 0, optional]): StepPatch => ({
    name: step, timeoutSeconds, maxAttempts, delaySeconds,
    optional: optional === 'optional' || (step === 'lds_provision' && (definition?.ldsOptional ?? false)),
  }));
  const patches = standard.flatMap((step): StepPatch[] => [
    ...(changes?.insertBefore?.[step.name] ?? []).map(given),
    ...(changes?.remove?.includes(step.name) ? [] : [{ ...step, ...given(changes?.overrides?.[step.name] ?? {}), name: step.name }]),
    ...(changes?.insertAfter?.[step.name] ?? []).map(given),
  ]);
  return patches.map((patch, index) => ({
    handler: patch.name, needs: index === 0 ? [] : [patches[index - 1]?.name ?? ''], timeoutSeconds: 60, maxAttempts: 1, delaySeconds: 0, optional: false, ...patch,
  }));
}

/** Without the keys that are undefined: what a patch does not say it leaves. */
function given<T extends object>(patch: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}

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
    const { notBefore: _, ...rest } = step;
    return { ...rest, state: 'Running', attempts: (step.attempts ?? 0) + 1, startedAt: toTime(now) };
  });
}

export function completeStep(pipeline: PipelineStatus, name: string, now: Date, outcome: 'Completed' | 'Skipped' = 'Completed', output?: string): void {
  patchStep(pipeline, name, ({ error: _, notBefore: __, ...step }) => ({ ...step, state: outcome, completedAt: toTime(now), ...(output === undefined ? {} : { output: output.slice(0, 512) }) }));
  if (pipeline.steps.every((step) => step.state !== 'Pending' && step.state !== 'Running')) pipeline.completedAt = toTime(now);
}

/** Ends an attempt: Pending again with a delay while attempts are left and the error may pass, else Failed. */
export function failStep(pipeline: PipelineStatus, spec: StepSpec, error: string, retryable: boolean, now: Date, scale = 1): void {
  patchStep(pipeline, spec.name, (step) => {
    const again = retryable && (step.attempts ?? 1) < spec.maxAttempts;
    const message = error.slice(0, 512);
    if (again) return { ...step, state: 'Pending', error: message, notBefore: toTime(plus(now, (spec.delaySeconds * 1000) / scale)) };
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
