/**
 * What a definition may change about the pipelines. Judged when the definition is read: a version with an unknown
 * handler, a cycle or a broken condition never becomes Active. Pure.
 *
 * What keeps a candidate's work and the host safe cannot be changed away: the protected steps below stay, with their
 * own handlers and in their order, are never skipped, and a failure of theirs is never overlooked. Limits, attempts
 * and steps in between are free.
 */
import { PIPELINE_NAMES } from '../api/labletsession.ts';
import { conditionProblem } from './expression.ts';
import { PIPELINE_FIELD, pipelineSteps, standardSteps, withNeeds } from './pipeline-steps.ts';
import type { LabletDefinitionSpec } from '../api/labletdefinition.ts';
import type { PipelineName } from '../api/labletsession.ts';
import type { PipelinePatch, StepSpec } from './pipeline-steps.ts';

/** Steps that stay as they are, in this order: ports before a lab opens them, evidence before grading, a stop before removal. */
const PROTECTED: Readonly<Record<PipelineName, readonly string[]>> = {
  instantiate: ['lab_resolve', 'ports_verify', 'lab_import_or_tags', 'lab_binding', 'lab_start', 'mark_ready'],
  collect_evidence: ['capture_configs', 'package_evidence', 'ge_session_pod'],
  compute_grading: ['request_grade', 'await_result'],
  teardown: ['stop_lab', 'deregister_lds', 'wipe_or_delete_lab'],
};

/** Handlers that may run at any place and again: they read, check, or keep evidence. */
const REPEATABLE = ['capture_configs', 'capture_screenshots', 'export_pcaps', 'package_evidence', 'ports_verify', 'content_sync'];

/** The checkpoint in the status of a session holds so many steps. */
const MAX_STEPS = 32;
const STEP_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** What is wrong with `spec.pipelines`, naming field and step, with what would be right; undefined: nothing. */
export function pipelineProblem(spec: LabletDefinitionSpec): string | undefined {
  for (const name of PIPELINE_NAMES) {
    const patch = spec.pipelines?.[PIPELINE_FIELD[name]];
    const problem = patch && (patchProblem(name, patch) ?? stepsProblem(name, pipelineSteps(name, spec)));
    if (problem !== undefined) return `spec.pipelines.${PIPELINE_FIELD[name]}: ${problem}`;
  }
  return undefined;
}

/** Every step that is named exists, and what is protected is left alone. */
function patchProblem(name: PipelineName, patch: PipelinePatch): string | undefined {
  const standard = standardSteps(name).map((step) => step.name);
  const kept = standard.filter((step) => !patch.remove?.includes(step));
  const isProtected = (step: string): boolean => PROTECTED[name].includes(step);
  for (const step of patch.remove ?? []) {
    if (!standard.includes(step)) return `remove: there is no step ${step}; the pipeline has ${standard.join(', ')}`;
    if (isProtected(step)) return `remove: step ${step} cannot be left out`;
  }
  for (const field of ['insertBefore', 'insertAfter', 'overrides'] as const) {
    const unknown = Object.keys(patch[field] ?? {}).find((step) => !kept.includes(step));
    if (unknown !== undefined) return `${field}: there is no step ${unknown}; the pipeline has ${kept.join(', ')}`;
  }
  for (const [step, change] of Object.entries(patch.overrides ?? {})) {
    if (!isProtected(step)) continue;
    if (change.handler !== undefined && change.handler !== step) return `overrides: step ${step} keeps its handler`;
    if (change.skipWhen !== undefined) return `overrides: step ${step} cannot be skipped; remove skipWhen`;
    if (change.optional === true && !standardSteps(name).some((known) => known.name === step && known.optional)) return `overrides: step ${step} cannot be optional`;
  }
  return undefined;
}

/** The steps as they would run: names, handlers, conditions, needs. */
function stepsProblem(name: PipelineName, steps: readonly StepSpec[]): string | undefined {
  if (steps.length > MAX_STEPS) return `it has ${steps.length} steps; at most ${MAX_STEPS} are possible`;
  const names = steps.map((step) => step.name);
  for (const [index, step] of steps.entries()) {
    if (!STEP_NAME.test(step.name)) return `step ${JSON.stringify(step.name)}: a name is made of lower case letters, digits and _, and begins with a letter`;
    if (names.indexOf(step.name) !== index) return `there are two steps ${step.name}; give one another name (and the handler it needs)`;
    const problem = handlerProblem(name, step);
    if (problem !== undefined) return `step ${step.name}: ${problem}`;
    const broken = step.skipWhen === undefined ? undefined : conditionProblem(step.skipWhen);
    if (broken !== undefined) return `step ${step.name}: skipWhen: ${broken}`;
    const unknown = step.needs.find((need) => !names.includes(need));
    if (unknown !== undefined) return `step ${step.name}: needs: there is no step ${unknown}; the pipeline has ${names.join(', ')}`;
  }
  return cycleProblem(steps) ?? orderProblem(name, steps);
}

function handlerProblem(name: PipelineName, { name: step, handler }: StepSpec): string | undefined {
  const own = standardSteps(name).map((known) => known.name);
  if (own.includes(step) && handler === step) return undefined;
  const free = [...new Set([...REPEATABLE, ...own.filter((known) => !PROTECTED[name].includes(known))])];
  if (free.includes(handler)) return undefined;
  const known = PIPELINE_NAMES.some((pipeline) => standardSteps(pipeline).some((each) => each.name === handler));
  return `${known ? `handler ${handler} cannot be used here` : `unknown handler ${handler}`}; there are ${free.join(', ')}`;
}

function cycleProblem(steps: readonly StepSpec[]): string | undefined {
  const looped = steps.find((step) => step.needs.some((need) => withNeeds(steps, need).some((before) => before.name === step.name)));
  return looped && `step ${looped.name}: its needs lead back to itself`;
}

function orderProblem(name: PipelineName, steps: readonly StepSpec[]): string | undefined {
  for (const [index, before] of PROTECTED[name].slice(0, -1).entries()) {
    const after = PROTECTED[name][index + 1] ?? '';
    if (!withNeeds(steps, after).some((step) => step.name === before)) return `step ${after}: it must need ${before}, directly or through others`;
  }
  return undefined;
}
