/** The steps of each pipeline: the standard ones, with what a definition changes about them (contract §9). Pure. */
import type { PipelineName } from '../api/labletsession.ts';
import type { LabletDefinitionSpec } from '../api/labletdefinition.ts';

export interface StepSpec {
  name: string;
  /** Handler that runs it; several steps may share one. */
  handler: string;
  /** Steps that must be completed, skipped, or failed though optional, before it; default: all that are listed before it. */
  needs: string[];
  /** A condition (src/core/expression.ts); where it holds the step is skipped. */
  skipWhen?: string;
  /** Limit of one attempt, in seconds. */
  timeoutSeconds: number;
  maxAttempts: number;
  /** Wait between attempts, in seconds. */
  delaySeconds: number;
  /** A failure does not stop the pipeline. */
  optional: boolean;
}

type SpecPipelines = NonNullable<LabletDefinitionSpec['pipelines']>;
export type PipelinePatch = NonNullable<SpecPipelines[keyof SpecPipelines]>;
type StepPatch = NonNullable<PipelinePatch['insertBefore']>[string][number];

/** Field of `spec.pipelines` that changes a pipeline. */
export const PIPELINE_FIELD: Readonly<Record<PipelineName, keyof SpecPipelines>> = {
  instantiate: 'instantiate', collect_evidence: 'collectEvidence', compute_grading: 'computeGrading', teardown: 'teardown',
};

type Row = readonly [name: string, timeoutSeconds: number, maxAttempts?: number, delaySeconds?: number, optional?: 'optional'];

/** A host that is away may come back: such a step goes on until the limit of its phase (T17 to T19) ends it. */
const TO_THE_LIMIT = 1_000;

/**
 * The standard pipelines, as the table of contract §9 has them. Teardown goes on past a lab that does not stop: LDS is
 * released all the same.
 */
const STANDARD: Readonly<Record<PipelineName, readonly Row[]>> = {
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
    ['stop_lab', 120, TO_THE_LIMIT, 5, 'optional'],
    ['deregister_lds', 30, 1, 0, 'optional'],
    ['wipe_or_delete_lab', 120, TO_THE_LIMIT, 5],
    ['archive', 10],
  ],
};

/** A step before it knows which one it follows. */
type Draft = Omit<StepSpec, 'needs'> & { needs?: string[] | undefined };

/**
 * Steps of a pipeline for a definition, in the order in which they run as far as their needs allow.
 * What `pipelineProblem` refuses has no defined result here, but never throws: a version that was stored once is used.
 */
export function pipelineSteps(name: PipelineName, definition?: LabletDefinitionSpec): StepSpec[] {
  const patch = definition?.pipelines?.[PIPELINE_FIELD[name]] ?? {};
  const drafts = standardSteps(name, definition)
    .filter((step) => !patch.remove?.includes(step.name))
    .flatMap((step): Draft[] => [
      ...(patch.insertBefore?.[step.name] ?? []).map(inserted),
      { ...step, ...defined(patch.overrides?.[step.name] ?? {}) },
      ...(patch.insertAfter?.[step.name] ?? []).map(inserted),
    ]);
  return drafts.map((step, index) => ({ ...step, needs: step.needs ?? allBefore(drafts.slice(0, index)) }));
}

/** Names that stand for all of these steps: the last one that waits for all before it, and what is listed after that one. */
function allBefore(drafts: readonly Draft[]): string[] {
  return drafts.slice(Math.max(0, drafts.findLastIndex((step) => step.needs === undefined))).map((step) => step.name);
}

/** The steps before any change by `pipelines`; a page in LDS that is optional makes its step so. */
export function standardSteps(name: PipelineName, definition?: LabletDefinitionSpec): Omit<StepSpec, 'needs'>[] {
  return STANDARD[name].map(([step, timeoutSeconds, maxAttempts = 1, delaySeconds = 0, optional]) => ({
    name: step, handler: step, timeoutSeconds, maxAttempts, delaySeconds,
    optional: optional === 'optional' || (step === 'lds_provision' && (definition?.ldsOptional ?? false)),
  }));
}

/** A step of the definition's own: one attempt of at most a minute, unless it says otherwise. */
function inserted(step: StepPatch): Draft {
  return { handler: step.name, timeoutSeconds: 60, maxAttempts: 1, delaySeconds: 0, optional: false, ...defined(step) };
}

/** Without the fields that are undefined, which would hide a default. */
function defined<T extends object>(patch: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** The step and all that it needs, directly or through others. */
export function withNeeds(specs: readonly StepSpec[], name: string): StepSpec[] {
  const wanted = new Set<string>();
  const add = (step: string): void => {
    if (wanted.has(step)) return;
    wanted.add(step);
    for (const need of specs.find((spec) => spec.name === step)?.needs ?? []) add(need);
  };
  add(name);
  return specs.filter((spec) => wanted.has(spec.name));
}
