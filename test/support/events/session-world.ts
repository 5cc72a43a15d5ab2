import { definitionDurations } from '../../../src/core/definition.ts';
import { TIMEOUTS } from '../../../src/core/timeouts.ts';
import { labletDefinitionSpec } from '../../../src/api/labletdefinition.ts';
import type { SessionWorld } from '../../../src/core/session/world.ts';

/** What a decision knows of a graded exam with a sink, a cut score of 60, and LDS. */
export function gradedWorld(): SessionWorld {
  const spec = labletDefinitionSpec.parse({
    version: '1.2.0', formQualifiedName: 'Exam CCNP EDGE v1 LAB 1.2', topology: { inline: 'lab: {}' }, resources: { cpu: '4', memory: '6Gi', storage: '40Gi' },
    grading: { rulesUri: 's3://exam/grade.xml', cutScore: 60, onFailure: 'Stop' }, maxDuration: '2h',
  });
  const definition = { namespace: 'exams', name: 'campus-edge', uid: '5b0e9c1e-7f0f-4c3b-8a11-0c9d1e2f3a4b', version: '1.2.0', sha256: 'a'.repeat(64), spec, nodeCount: 4, nodeDefinitions: ['iosv'], ports: [] };
  return {
    definition: { state: 'ready', definition, durations: definitionDurations(spec, 1) },
    worker: { name: 'w-1', state: 'ready', message: '' }, lab: { state: 'present' },
    ldsConfigured: true, gradingConfigured: true, namespaceTerminating: false, emit: true, timeouts: TIMEOUTS, scale: 1,
  };
}
