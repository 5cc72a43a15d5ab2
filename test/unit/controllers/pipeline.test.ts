import { describe, expect, test } from '@jest/globals';
import { ExternalError } from '../../../src/clients/errors.ts';
import { runSteps, type Progress } from '../../../src/controllers/session/pipeline.ts';
import { stepDone, type Step } from '../../../src/controllers/session/steps/step.ts';
import { pipelineSteps } from '../../../src/core/pipeline-steps.ts';
import { startPipeline } from '../../../src/core/pipelines.ts';
import { LeaseValidity } from '../../../src/runtime/leadership.ts';
import { createLogger } from '../../../src/telemetry/log.ts';
import { noTracer } from '../../../src/telemetry/tracer.ts';
import { definitionSpec, readyDefinition, sessionObject, worldWith } from '../../support/builders.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import type { LabletDefinitionSpec } from '../../../src/api/labletdefinition.ts';
import type { SessionPhase } from '../../../src/api/labletsession.ts';
import type { Deps } from '../../../src/controllers/deps.ts';

type Teardown = NonNullable<NonNullable<LabletDefinitionSpec['pipelines']>['teardown']>;
const done: Step = async () => stepDone();
const ALL_DONE = { stop_lab: done, deregister_lds: done, wipe_or_delete_lab: done, archive: done };

/** One pass over a fresh teardown; gives the steps as they would be stored. */
async function pass(teardown: Teardown, steps: Record<string, Step>, phase: SessionPhase = 'Stopped') {
  const clock = new FakeClock();
  const leadership = new LeaseValidity(clock);
  leadership.extend(1e9);
  const { definition } = readyDefinition();
  const spec = definitionSpec({ pipelines: { teardown } });
  const status = { phase, pipeline: startPipeline('teardown', pipelineSteps('teardown', spec), clock.now()) };
  const session = { ...sessionObject(), status };
  const running = runSteps(
    { clock, leadership, tracer: noTracer, settings: { scale: 1 } } as unknown as Deps, session,
    { world: worldWith(), frozen: { definition: { ...definition, spec }, topology: '', nodes: [] }, worker: undefined, lab: undefined },
    { signal: new AbortController().signal, log: createLogger({ level: 'silent' }), reconcileId: 'r' }, async () => session, { ...ALL_DONE, ...steps },
  );
  let progress: Progress | undefined;
  void running.then((ended) => { progress = ended; });
  await clock.settle();
  while (!progress) await clock.advance(500);
  const next = structuredClone(status);
  for (const change of progress.changes) change(next);
  return { steps: Object.fromEntries(next.pipeline.steps.map((step) => [step.name, step])), progress, tookMs: clock.monotonic() };
}

describe('a pass over a pipeline', () => {
  test('skips a step whose condition holds, and says which one', async () => {
    const { steps } = await pass({ overrides: { archive: { skipWhen: 'session.spec.owner == "proctor-7" && steps.stop_lab.state == "Completed"' } } }, {});
    expect(steps['archive']).toMatchObject({ state: 'Skipped', output: expect.stringContaining('skipWhen: session.spec.owner') });
    expect(steps['archive']?.attempts).toBeUndefined();
  });

  test('fails a step whose condition asks for what is not there, without trying again', async () => {
    const { steps } = await pass({ overrides: { archive: { maxAttempts: 5, skipWhen: 'worker.status.phase == "Running"' } } }, {});
    expect(steps['archive']).toMatchObject({ state: 'Failed', error: 'No such key: status (guard fields that may be absent with has())' });
  });

  test('breaks off a step that hangs at its limit: its call is aborted, and it can record nothing any more', async () => {
    let aborted = false;
    let late: unknown;
    const { steps, tookMs } = await pass({ overrides: { wipe_or_delete_lab: { timeoutSeconds: 20 } } }, {
      wipe_or_delete_lab: async (context) => {
        const { signal } = context.call();
        await new Promise<void>((resolve) => { signal.addEventListener('abort', () => resolve(), { once: true }); });
        aborted = signal.aborted;
        try {
          context.record((draft) => { draft.message = 'too late'; });
        } catch (error) {
          late = error;
        }
        return stepDone();
      },
    });
    expect(tookMs).toBe(20_000);
    expect(steps['wipe_or_delete_lab']).toMatchObject({ state: 'Pending', attempts: 1, error: 'not done within 20 s', notBefore: '2026-11-23T10:00:25.000Z' });
    expect([aborted, String(late)]).toEqual([true, 'StepTimeoutError: not done within 20 s']);
  });

  test('waits for as long as the other side asked, where that is longer than the delay of the step', async () => {
    const busy = new ExternalError({ system: 'cml', host: 'cml-01', call: 'PUT /labs/{id}/stop', kind: 'unavailable', status: 503, retryAfterMs: 90_000 });
    const { steps, progress } = await pass({}, { stop_lab: async () => { throw busy; } });
    expect(steps['stop_lab']).toMatchObject({ state: 'Pending', notBefore: '2026-11-23T10:01:30.000Z' });
    expect(progress.waitMs).toBe(90_000);
  });

  test('while Stopping runs what the stop needs, and nothing after it', async () => {
    const { steps } = await pass({ insertBefore: { stop_lab: [{ name: 'last_look', handler: 'capture_configs' }] } }, { capture_configs: done }, 'Stopping');
    expect(Object.values(steps).map(({ name, state }) => [name, state])).toEqual([['last_look', 'Completed'], ['stop_lab', 'Completed'], ['deregister_lds', 'Pending'], ['wipe_or_delete_lab', 'Pending'], ['archive', 'Pending']]);
  });
});
