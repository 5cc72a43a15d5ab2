import { describe, expect, test } from '@jest/globals';
import { beginStep, completeStep, failStep, nextStepAt, pipelineSteps, runnableSteps, runState, startPipeline, stepDeadline } from '../../../src/core/pipelines.ts';
import { definitionSpec } from '../../support/builders.ts';
import type { PipelineName, PipelineStatus } from '../../../src/api/labletsession.ts';
import type { StepSpec } from '../../../src/core/pipelines.ts';

const NOW = new Date('2026-11-23T10:00:00Z');
const names = (steps: readonly { name: string }[]): string[] => steps.map(({ name }) => name);
const named = (specs: StepSpec[], name: string): StepSpec => {
  const spec = specs.find((each) => each.name === name);
  if (!spec) throw new Error(`no step ${name}`);
  return spec;
};
function begun(name: PipelineName, definition?: Parameters<typeof pipelineSteps>[1]): { pipeline: PipelineStatus; specs: StepSpec[] } {
  const specs = pipelineSteps(name, definition);
  return { specs, pipeline: startPipeline(name, specs, NOW) };
}

describe('the standard pipelines', () => {
  test.each<[PipelineName, string[]]>([
    ['instantiate', ['content_sync', 'lab_resolve', 'ports_verify', 'lab_import_or_tags', 'lab_binding', 'lab_start', 'lds_provision', 'mark_ready']],
    ['collect_evidence', ['capture_configs', 'capture_screenshots', 'export_pcaps', 'package_evidence', 'ge_session_pod']],
    ['compute_grading', ['load_rubric', 'request_grade', 'await_result', 'record_score']],
    ['teardown', ['stop_lab', 'deregister_lds', 'wipe_or_delete_lab', 'archive']],
  ])('%s has its steps in order, each after the one before', (name, steps) => {
    const specs = pipelineSteps(name);
    expect(names(specs)).toEqual(steps);
    expect(specs.map(({ needs }) => needs)).toEqual(steps.map((_step, index) => steps.slice(Math.max(0, index - 1), index)));
  });

  test('an LDS page is optional where the definition says so', () => {
    expect(named(pipelineSteps('instantiate', definitionSpec()), 'lds_provision').optional).toBe(false);
    expect(named(pipelineSteps('instantiate', definitionSpec({ ldsOptional: true })), 'lds_provision').optional).toBe(true);
  });
});

test('a definition removes, inserts and overrides steps; what it does not say stays', () => {
  const specs = pipelineSteps('instantiate', definitionSpec({ pipelines: { instantiate: {
    remove: ['content_sync'], insertBefore: { lab_start: [{ name: 'warm_up', handler: 'ports_verify' }] }, insertAfter: { mark_ready: [{ name: 'last_look', handler: 'lab_resolve', timeoutSeconds: 5, optional: true }] },
    overrides: { lab_start: { timeoutSeconds: 900 } },
  } } }));
  expect(names(specs)).toEqual(['lab_resolve', 'ports_verify', 'lab_import_or_tags', 'lab_binding', 'warm_up', 'lab_start', 'lds_provision', 'mark_ready', 'last_look']);
  expect(named(specs, 'lab_resolve').needs).toEqual([]);
  expect(named(specs, 'lab_start')).toEqual({ name: 'lab_start', handler: 'lab_start', needs: ['warm_up'], timeoutSeconds: 900, maxAttempts: 5, delaySeconds: 15, optional: false });
  expect(named(specs, 'last_look')).toMatchObject({ handler: 'lab_resolve', timeoutSeconds: 5, maxAttempts: 1, optional: true });
});

describe('a run', () => {
  test('goes from step to step and is completed with the last one', () => {
    const { pipeline, specs } = begun('compute_grading');
    for (const name of names(specs)) {
      expect(runState(pipeline, specs)).toBe('running');
      expect(names(runnableSteps(pipeline, specs, NOW))).toEqual([name]);
      beginStep(pipeline, name, NOW);
      completeStep(pipeline, name, NOW);
    }
    expect(runState(pipeline, specs)).toBe('completed');
    expect(pipeline.completedAt).toBe(NOW.toISOString());
  });

  test('a failed step is tried again after its delay, as often as it may be', () => {
    const { pipeline, specs } = begun('instantiate');
    const spec = named(specs, 'content_sync');
    for (const attempt of [1, 2]) {
      beginStep(pipeline, spec.name, NOW);
      failStep(pipeline, spec, 'LDS is away', true, NOW);
      expect(pipeline.steps[0]).toMatchObject({ state: 'Pending', attempts: attempt, notBefore: '2026-11-23T10:00:30.000Z', error: 'LDS is away' });
      expect(runnableSteps(pipeline, specs, NOW)).toEqual([]);
      expect(nextStepAt(pipeline)).toEqual(new Date('2026-11-23T10:00:30Z'));
      expect(names(runnableSteps(pipeline, specs, new Date('2026-11-23T10:00:30Z')))).toEqual(['content_sync']);
    }
    beginStep(pipeline, spec.name, NOW);
    failStep(pipeline, spec, 'LDS is away', true, NOW);
    expect(runState(pipeline, specs)).toBe('failed');
    expect(pipeline).toMatchObject({ error: 'content_sync: LDS is away' });
  });

  test('after a step that failed for good nothing else of the run starts', () => {
    const { pipeline, specs } = begun('compute_grading');
    beginStep(pipeline, 'load_rubric', NOW);
    failStep(pipeline, named(specs, 'load_rubric'), 'no such part', false, NOW);
    expect(pipeline.permanent).toBe(true);
    expect(runnableSteps(pipeline, specs, NOW)).toEqual([]);
  });

  test('goes on past a step that is optional', () => {
    const { pipeline, specs } = begun('collect_evidence');
    completeStep(pipeline, 'capture_configs', NOW);
    beginStep(pipeline, 'capture_screenshots', NOW);
    failStep(pipeline, named(specs, 'capture_screenshots'), 'no console', true, NOW);
    expect(runState(pipeline, specs)).toBe('running');
    expect(names(runnableSteps(pipeline, specs, NOW))).toEqual(['export_pcaps']);
    expect(pipeline.error).toBeUndefined();
  });

  test('releases LDS even where the lab does not stop', () => {
    const { pipeline, specs } = begun('teardown');
    for (let attempt = 0; attempt < named(specs, 'stop_lab').maxAttempts; attempt++) {
      beginStep(pipeline, 'stop_lab', NOW);
      failStep(pipeline, named(specs, 'stop_lab'), 'CML is away', true, NOW);
    }
    expect(pipeline.steps[0]?.state).toBe('Failed');
    expect(names(runnableSteps(pipeline, specs, NOW))).toEqual(['deregister_lds']);
  });

  test('a step that waits keeps the start of its attempt, and so its limit, across passes', () => {
    const { pipeline, specs } = begun('instantiate');
    beginStep(pipeline, 'lab_start', NOW);
    beginStep(pipeline, 'lab_start', new Date('2026-11-23T10:03:00Z'));
    const step = pipeline.steps.find(({ name }) => name === 'lab_start');
    expect(step).toMatchObject({ attempts: 1 });
    expect(step && stepDeadline(step, named(specs, 'lab_start'))).toEqual(new Date('2026-11-23T10:05:00Z'));
    expect(step && stepDeadline(step, named(specs, 'lab_start'), 10)).toEqual(new Date('2026-11-23T10:00:30Z'));
  });
});
