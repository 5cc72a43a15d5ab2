import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pipelineSteps, withNeeds, type StepSpec } from '../../src/core/pipeline-steps.ts';
import { runState, startPipeline, type RunState } from '../../src/core/pipelines.ts';
import { runSteps, type Progress } from '../../src/controllers/session/pipeline.ts';
import { PermanentStepError, stepDone, stepSkipped, stepWait, type Step, type StepContext } from '../../src/controllers/session/steps/step.ts';
import { LeaseValidity } from '../../src/runtime/leadership.ts';
import { createLogger } from '../../src/telemetry/log.ts';
import { noTracer } from '../../src/telemetry/tracer.ts';
import { definitionSpec, readyDefinition, sessionObject, worldWith } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { LabletDefinitionSpec } from '../../src/api/labletdefinition.ts';
import type { LabletSession, PipelineStatus } from '../../src/api/labletsession.ts';
import type { Deps } from '../../src/controllers/deps.ts';

/** What an attempt of a step comes to. `slow` is done in time after some asking, `never` waits, `hang` does not even answer. */
const OUTCOMES = ['done', 'skip', 'checkpoint', 'fail', 'permanent', 'slow', 'never', 'hang'] as const;
type Outcome = (typeof OUTCOMES)[number];

interface Plan {
  definition: LabletDefinitionSpec;
  /** By step, then by attempt; the last one stands for all further ones. */
  outcomes: Map<string, Outcome[]>;
}

const drawnStep = fc.record({
  needs: fc.option(fc.array(fc.nat(6), { maxLength: 3 }), { nil: undefined }),
  maxAttempts: fc.integer({ min: 1, max: 3 }), delaySeconds: fc.integer({ min: 0, max: 40 }), timeoutSeconds: fc.integer({ min: 5, max: 60 }), optional: fc.boolean(),
  // Mostly well, so that whole pipelines complete often enough.
  outcomes: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom<Outcome>('done', 'skip', 'checkpoint', 'slow') }, { weight: 2, arbitrary: fc.constantFrom(...OUTCOMES) }), { minLength: 1, maxLength: 3 }),
});

/** Pipelines of any shape: every standard step is replaced by drawn ones, some of which need later ones. */
const plans: fc.Arbitrary<Plan> = fc.array(drawnStep, { minLength: 1, maxLength: 6 }).map((drawn) => {
  const name = (index: number): string => `s${index % drawn.length}`;
  const steps = drawn.map(({ needs, maxAttempts, delaySeconds, timeoutSeconds, optional }, index) => ({ name: name(index), maxAttempts, delaySeconds, timeoutSeconds, optional, ...(needs && { needs: [...new Set(needs.map(name))] }) }));
  const definition = definitionSpec({ pipelines: { teardown: { remove: ['deregister_lds', 'wipe_or_delete_lab', 'archive'], insertAfter: { stop_lab: steps }, overrides: { stop_lab: { handler: 'first' } } } } });
  return { definition, outcomes: new Map(drawn.map(({ outcomes }, index) => [name(index), outcomes])) };
}).filter(({ definition }) => {
  const specs = pipelineSteps('teardown', definition);
  return specs.every((spec) => !spec.needs.some((need) => withNeeds(specs, need).includes(spec)));
});

const outcomeOf = ({ outcomes }: Plan, step: string, attempt: number): Outcome => outcomes.get(step)?.[attempt - 1] ?? outcomes.get(step)?.at(-1) ?? 'done';

/** How a step ends when it is tried as often as it may be. */
function fate(plan: Plan, spec: StepSpec): { state: 'Completed' | 'Skipped' | 'Failed'; attempts: number } {
  for (let attempts = 1; ; attempts++) {
    const outcome = outcomeOf(plan, spec.name, attempts);
    if (outcome === 'skip') return { state: 'Skipped', attempts };
    if (outcome === 'done' || outcome === 'checkpoint' || outcome === 'slow') return { state: 'Completed', attempts };
    if (outcome === 'permanent' || attempts >= spec.maxAttempts) return { state: 'Failed', attempts };
  }
}

/** A world in which the engine runs until the pipeline is over; what `crash` says is lost is gone, as with a killed process. */
async function play(plan: Plan, crash: (pass: number) => boolean): Promise<{ end: RunState; pipeline: PipelineStatus }> {
  const clock = new FakeClock();
  const leadership = new LeaseValidity(clock);
  leadership.extend(clock.monotonic() + 1e9);
  const specs = pipelineSteps('teardown', plan.definition);
  let stored: LabletSession = { ...sessionObject(), status: { phase: 'Stopped', pipeline: startPipeline('teardown', specs, clock.now()) } };
  const definition = readyDefinition();
  const frozen = { definition: { ...definition.definition, spec: plan.definition }, topology: '', nodes: [] };
  const deps = { clock, leadership, tracer: noTracer, settings: { scale: 1 } } as unknown as Deps;
  const busySince = new Map<string, number>();

  // What a step throws is its failure: so a broken rule is kept, and told in the end.
  let broken: Error | undefined;
  const handle = (spec: StepSpec): Step => async (context: StepContext) => {
    try {
      mayRun(spec, context);
    } catch (error) {
      broken ??= error as Error;
    }
    return act(spec, context);
  };
  const mayRun = (spec: StepSpec, context: StepContext): void => {
    const states = new Map(context.status.pipeline?.steps.map((step) => [step.name, step]));
    for (const need of spec.needs) {
      const optional = specs.find(({ name }) => name === need)?.optional ?? false;
      expect(['Completed', 'Skipped', ...(optional ? ['Failed'] : [])]).toContain(states.get(need)?.state);
    }
    const own = states.get(spec.name);
    expect(own?.state).toBe('Running');
    expect(own?.attempts).toBeLessThanOrEqual(spec.maxAttempts);
    // What is stored as settled is never done again, whatever was lost.
    expect(['Pending', 'Running']).toContain(stored.status?.pipeline?.steps.find(({ name }) => name === spec.name)?.state);
  };
  const act: (spec: StepSpec, context: StepContext) => ReturnType<Step> = async (spec, context) => {
    const attempt = context.status.pipeline?.steps.find(({ name }) => name === spec.name)?.attempts ?? 0;
    switch (outcomeOf(plan, spec.name, attempt)) {
      case 'done': return stepDone();
      case 'skip': return stepSkipped('not needed');
      case 'checkpoint':
        await context.checkpoint();
        return stepDone();
      case 'fail': throw new Error('no luck');
      case 'permanent': throw new PermanentStepError('no way');
      case 'never': return stepWait(7_000, 'nothing comes');
      case 'hang': return new Promise(() => undefined);
      case 'slow': {
        const since = busySince.get(spec.name) ?? clock.monotonic();
        busySince.set(spec.name, since);
        return clock.monotonic() - since >= 3_000 ? stepDone() : stepWait(1_000, 'it is busy');
      }
    }
  };
  const steps = { ...Object.fromEntries(specs.map((spec) => [spec.name, handle(spec)])), first: async () => stepDone() };

  for (let pass = 1; pass <= 400; pass++) {
    const session = structuredClone(stored);
    const store = (changes: Progress['changes']): LabletSession => {
      const status = structuredClone(stored.status ?? {});
      for (const change of changes) change(status);
      stored = JSON.parse(JSON.stringify({ ...stored, status })) as LabletSession;
      return stored;
    };
    let progress: Progress | undefined;
    const running = runSteps(deps, session, { world: worldWith(), frozen, worker: undefined, lab: undefined }, { signal: new AbortController().signal, log: createLogger({ level: 'silent' }), reconcileId: 'r' }, async (changes) => store(changes), steps);
    void running.then((ended) => { progress = ended; });
    await clock.settle();
    while (!progress) await clock.advance(1_000);
    const { changes, waitMs } = await running;
    if (broken) throw broken;
    if (crash(pass)) {
      await clock.advance(2_000);
      continue;
    }
    store(changes);
    const { pipeline } = stored.status ?? {};
    if (!pipeline) throw new Error('the checkpoint is gone');
    const end = runState(pipeline, specs);
    if (end !== 'running') {
      expect(clock.pending).toBe(1); // the alarm of the lease
      return { end, pipeline };
    }
    if (waitMs === undefined) throw new Error(`stranded: ${JSON.stringify(pipeline)}`);
    await clock.advance(waitMs);
  }
  throw new Error('the pipeline does not end');
}

const results = (pipeline: PipelineStatus) => Object.fromEntries(pipeline.steps.filter(({ name }) => name !== 'stop_lab').map(({ name, state, attempts }) => [name, { state, attempts }]));

test('every pipeline ends, each step after its needs and as its attempts allow; only a failed step that is not optional fails it', async () => {
  let completed = 0;
  await fc.assert(fc.asyncProperty(plans, async (plan) => {
    const specs = pipelineSteps('teardown', plan.definition).filter(({ name }) => name !== 'stop_lab');
    const fates = Object.fromEntries(specs.map((spec) => [spec.name, fate(plan, spec)]));
    const doomed = specs.some((spec) => !spec.optional && fates[spec.name]?.state === 'Failed');
    const { end, pipeline } = await play(plan, () => false);
    expect(end).toBe(doomed ? 'failed' : 'completed');
    if (!doomed) {
      completed += 1;
      expect(results(pipeline)).toEqual(fates);
    }
  }), { numRuns: 150 });
  expect(completed).toBeGreaterThan(15);
});

test('lost passes change nothing about the result: what was stored is gone on from', async () => {
  await fc.assert(fc.asyncProperty(plans, fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 8 }), async (plan, lost) => {
    const undisturbed = await play(plan, () => false);
    const disturbed = await play(plan, (pass) => lost.includes(pass));
    expect(disturbed.end).toBe(undisturbed.end);
    if (undisturbed.end === 'completed') expect(results(disturbed.pipeline)).toEqual(results(undisturbed.pipeline));
  }), { numRuns: 100 });
});
