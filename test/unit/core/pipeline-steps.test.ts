import { describe, expect, test } from '@jest/globals';
import { pipelineSteps, withNeeds } from '../../../src/core/pipeline-steps.ts';
import { pipelineProblem } from '../../../src/core/pipeline-validation.ts';
import { definitionSpec } from '../../support/builders.ts';
import type { LabletDefinitionSpec } from '../../../src/api/labletdefinition.ts';

type Pipelines = NonNullable<LabletDefinitionSpec['pipelines']>;
const withPipelines = (pipelines: Pipelines): LabletDefinitionSpec => definitionSpec({ pipelines });
const names = (steps: readonly { name: string }[]): string[] => steps.map(({ name }) => name);

describe('the steps of a pipeline', () => {
  test('are the standard ones, each after the one before', () => {
    const steps = pipelineSteps('teardown', definitionSpec());
    expect(names(steps)).toEqual(['stop_lab', 'deregister_lds', 'wipe_or_delete_lab', 'archive']);
    expect(steps.map(({ needs }) => needs)).toEqual([[], ['stop_lab'], ['deregister_lds'], ['wipe_or_delete_lab']]);
  });

  test('removed, inserted and overridden by the definition', () => {
    const spec = withPipelines({
      collectEvidence: {
        remove: ['export_pcaps'],
        insertBefore: { package_evidence: [{ name: 'configs_again', handler: 'capture_configs', timeoutSeconds: 90, maxAttempts: 2, delaySeconds: 1, optional: true, skipWhen: 'has(steps.x)' }] },
        insertAfter: { package_evidence: [{ name: 'consoles_again', handler: 'capture_screenshots', needs: ['capture_configs'] }] },
        overrides: { capture_configs: { timeoutSeconds: 600, maxAttempts: 5 } },
      },
    });
    expect(pipelineProblem(spec)).toBeUndefined();
    const steps = pipelineSteps('collect_evidence', spec);
    expect(names(steps)).toEqual(['capture_configs', 'capture_screenshots', 'configs_again', 'package_evidence', 'consoles_again', 'ge_session_pod']);
    expect(steps[0]).toEqual({ name: 'capture_configs', handler: 'capture_configs', needs: [], timeoutSeconds: 600, maxAttempts: 5, delaySeconds: 0, optional: false });
    expect(steps[2]).toEqual({ name: 'configs_again', handler: 'capture_configs', needs: ['capture_screenshots'], skipWhen: 'has(steps.x)', timeoutSeconds: 90, maxAttempts: 2, delaySeconds: 1, optional: true });
    expect(steps[3]?.needs).toEqual(['configs_again']);
    expect(steps[4]).toMatchObject({ needs: ['capture_configs'], timeoutSeconds: 60, maxAttempts: 1, optional: false });
    // A step with needs of its own runs beside the others; what does not say its needs waits for it all the same.
    expect(steps[5]?.needs).toEqual(['package_evidence', 'consoles_again']);
  });

  test('of one pipeline are left alone by changes to another', () => {
    const spec = withPipelines({ teardown: { remove: ['archive'] } });
    expect(pipelineSteps('instantiate', spec)).toEqual(pipelineSteps('instantiate', definitionSpec()));
    expect(names(pipelineSteps('teardown', spec))).not.toContain('archive');
  });

  test('that one step needs are found through others', () => {
    const steps = pipelineSteps('teardown', withPipelines({ teardown: { insertBefore: { stop_lab: [{ name: 'last_consoles', handler: 'capture_screenshots', optional: true }] } } }));
    expect(names(withNeeds(steps, 'stop_lab'))).toEqual(['last_consoles', 'stop_lab']);
  });
});

describe('changes to pipelines are refused with field and step where', () => {
  const refused: [what: string, pipelines: Pipelines, message: string][] = [
    ['a handler is unknown', { teardown: { insertBefore: { stop_lab: [{ name: 'mail_proctor' }] } } }, 'spec.pipelines.teardown: step mail_proctor: unknown handler mail_proctor; there are capture_configs,'],
    ['a destroying handler is inserted', { collectEvidence: { insertBefore: { capture_configs: [{ name: 'early', handler: 'wipe_or_delete_lab' }] } } }, 'spec.pipelines.collectEvidence: step early: handler wipe_or_delete_lab cannot be used here; there are'],
    ['a destroying handler is inserted under its own name', { collectEvidence: { insertBefore: { capture_configs: [{ name: 'stop_lab' }] } } }, 'step stop_lab: handler stop_lab cannot be used here'],
    ['another handler is put under a protected step', { teardown: { overrides: { stop_lab: { handler: 'archive' } } } }, 'overrides: step stop_lab keeps its handler'],
    ['an unknown step is removed', { teardown: { remove: ['stop'] } }, 'remove: there is no step stop; the pipeline has stop_lab,'],
    ['a step of another pipeline is removed', { teardown: { remove: ['capture_screenshots'] } }, 'remove: there is no step capture_screenshots'],
    ['the evidence is left out', { collectEvidence: { remove: ['capture_configs'] } }, 'remove: step capture_configs cannot be left out'],
    ['the stop is left out', { teardown: { remove: ['stop_lab'] } }, 'remove: step stop_lab cannot be left out'],
    ['the evidence is skipped', { collectEvidence: { overrides: { capture_configs: { skipWhen: 'true' } } } }, 'overrides: step capture_configs cannot be skipped'],
    ['the evidence is optional', { collectEvidence: { overrides: { capture_configs: { optional: true } } } }, 'overrides: step capture_configs cannot be optional'],
    ['the removal does not need the stop', { teardown: { overrides: { wipe_or_delete_lab: { needs: [] } } } }, 'step wipe_or_delete_lab: it must need deregister_lds, directly or through others'],
    ['steps go before an unknown one', { instantiate: { insertBefore: { start: [] } } }, 'insertBefore: there is no step start'],
    ['steps go after a removed one', { instantiate: { remove: ['content_sync'], insertAfter: { content_sync: [{ name: 'content_sync' }] } } }, 'insertAfter: there is no step content_sync'],
    ['an unknown step is overridden', { computeGrading: { overrides: { evaluate: { timeoutSeconds: 5 } } } }, 'spec.pipelines.computeGrading: overrides: there is no step evaluate'],
    ['a step needs an unknown one', { instantiate: { overrides: { lds_provision: { needs: ['lab_up'] } } } }, 'step lds_provision: needs: there is no step lab_up'],
    ['two steps have one name', { instantiate: { insertAfter: { lab_start: [{ name: 'content_sync' }] } } }, 'there are two steps content_sync'],
    ['needs form a cycle', { collectEvidence: { overrides: { capture_screenshots: { needs: ['export_pcaps'] } } } }, 'step capture_screenshots: its needs lead back to itself'],
    ['a step needs itself', { collectEvidence: { overrides: { export_pcaps: { needs: ['export_pcaps'] } } } }, 'step export_pcaps: its needs lead back to itself'],
    ['a condition does not parse', { instantiate: { overrides: { lds_provision: { skipWhen: 'session.spec.owner ==' } } } }, 'spec.pipelines.instantiate: step lds_provision: skipWhen: Unexpected token: EOF'],
    ['a condition names what is not there', { instantiate: { overrides: { lds_provision: { skipWhen: 'process.env == null' } } } }, 'step lds_provision: skipWhen: Unknown variable: process'],
    ['a name has other characters', { teardown: { insertBefore: { archive: [{ name: 'Last Look', handler: 'capture_configs' }] } } }, 'step "Last Look": a name is made of lower case letters'],
    ['there are too many steps', { teardown: { insertBefore: Object.fromEntries(['stop_lab', 'archive', 'wipe_or_delete_lab', 'deregister_lds'].map((step) => [step, Array.from({ length: 8 }, (_, index) => ({ name: `${step}_${index}`, handler: 'capture_configs' }))])) } }, 'it has 36 steps; at most 32 are possible'],
  ];
  test.each(refused)('%s', (_what, pipelines, message) => {
    expect(pipelineProblem(withPipelines(pipelines))).toContain(message);
  });

  test('and what is free may be changed', () => {
    expect(pipelineProblem(definitionSpec())).toBeUndefined();
    expect(pipelineProblem(withPipelines({
      instantiate: { remove: ['content_sync', 'lds_provision'], overrides: { lab_start: { timeoutSeconds: 1200, maxAttempts: 2 } } },
      teardown: { insertBefore: { stop_lab: [{ name: 'last_configs', handler: 'capture_configs', optional: true }] }, overrides: { deregister_lds: { optional: true } } },
      computeGrading: { remove: ['load_rubric'] },
    }))).toBeUndefined();
  });
});
