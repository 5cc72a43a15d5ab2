/**
 * The six kinds, each on one page: names, schemas, what `kubectl get` shows and what can be selected on the server.
 * The CRDs, the RBAC rules and the reference are generated from this list.
 */
import type { z } from 'zod';
import { GROUP, VERSION } from './group.ts';
import { labSpec, labStatus } from './lab.ts';
import type { Lab } from './lab.ts';
import { labletDefinitionRules, labletDefinitionSpec, labletDefinitionStatus } from './labletdefinition.ts';
import type { LabletDefinition } from './labletdefinition.ts';
import { labletSessionRules, labletSessionSpec, labletSessionStatus } from './labletsession.ts';
import type { LabletSession } from './labletsession.ts';
import type { KubeObject } from './meta.ts';
import type { ResourceOf } from './resource.ts';
import type { CelRule } from './schema.ts';
import { scoreReportSpec } from './scorereport.ts';
import type { ScoreReport } from './scorereport.ts';
import { workerSpec, workerStatus, workerTemplateSpec, workerTemplateStatus } from './worker.ts';
import type { Worker, WorkerTemplate } from './worker.ts';

export { CONTROLLER_REVISIONS, NAMESPACES, SECRETS } from './resource.ts';

/** A column of `kubectl get`, shown in the given order; `wide` ones only with `-o wide`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  readonly wide?: true;
}

/** Everything that makes a CRD of a pair of schemas. */
export interface Kind {
  readonly resource: ResourceOf<KubeObject>;
  readonly singular: string;
  readonly shortName: string;
  readonly description: string;
  readonly spec: z.ZodType;
  /** Absent: the kind has no status subresource, since nothing about it ever changes. */
  readonly status?: z.ZodType;
  /** CEL rules at the root, where spec, status and metadata.name can be compared. */
  readonly rules: readonly CelRule[];
  readonly columns: readonly PrinterColumn[];
  /** Fields for `--field-selector`, filtered by the API server. */
  readonly selectableFields: readonly string[];
}

const ours = (kind: string, plural: string, namespaced: boolean) => ({ group: GROUP, version: VERSION, plural, kind, namespaced });

export const LABLET_DEFINITIONS: ResourceOf<LabletDefinition> = ours('LabletDefinition', 'labletdefinitions', true);
export const LABLET_SESSIONS: ResourceOf<LabletSession> = ours('LabletSession', 'labletsessions', true);
export const LABS: ResourceOf<Lab> = ours('Lab', 'labs', false);
export const WORKERS: ResourceOf<Worker> = ours('Worker', 'workers', false);
export const WORKER_TEMPLATES: ResourceOf<WorkerTemplate> = ours('WorkerTemplate', 'workertemplates', false);
export const SCORE_REPORTS: ResourceOf<ScoreReport> = ours('ScoreReport', 'scorereports', true);

const column = (name: string, type: PrinterColumn['type'], jsonPath: string, description: string): PrinterColumn => ({ name, type, jsonPath, description });
const wide = (...args: Parameters<typeof column>): PrinterColumn => ({ ...column(...args), wide: true });
const AGE = column('Age', 'date', '.metadata.creationTimestamp', 'Time since it was created.');
const REASON = wide('Reason', 'string', '.status.reason', 'Why it is in this phase.');

/** Names that we put into label values, which hold 63 characters. */
const labelSized: CelRule = {
  rule: 'self.metadata.name.size() <= 63',
  message: 'metadata.name must be at most 63 characters long, since it is used as a label value',
};

export const KINDS: readonly Kind[] = [
  {
    resource: LABLET_DEFINITIONS,
    singular: 'labletdefinition',
    shortName: 'ldef',
    description: 'A versioned template of a timed, graded lab: its topology, what it needs of a host, how long it may take and how it is graded. Every version is kept unchanged for the sessions that use it.',
    spec: labletDefinitionSpec,
    status: labletDefinitionStatus,
    rules: [labelSized, ...labletDefinitionRules],
    columns: [
      column('Version', 'string', '.spec.version', 'Version as written.'),
      column('Active', 'string', '.status.currentVersion', 'Version that new sessions get.'),
      column('Ready', 'string', '.status.conditions[?(@.type=="Ready")].status', 'Can sessions use it?'),
      column('Nodes', 'integer', '.status.nodeCount', 'Nodes of the topology.'),
      column('Duration', 'string', '.spec.maxDuration', 'Longest time a candidate may work.'),
      column('Warm', 'integer', '.status.warmPool.ready', 'Labs of the warm pool that are ready to be used.'),
      wide('Title', 'string', '.spec.title', 'Name for people.'),
      wide('Reason', 'string', '.status.conditions[?(@.type=="Synced")].reason', 'How the last reading of the topology went.'),
      AGE,
    ],
    selectableFields: ['.spec.version', '.status.currentVersion'],
  },
  {
    resource: LABLET_SESSIONS,
    singular: 'labletsession',
    shortName: 'lses',
    description: "One candidate's reservation of a lab, from booking to result.",
    spec: labletSessionSpec,
    status: labletSessionStatus,
    rules: [labelSized, ...labletSessionRules],
    columns: [
      column('Phase', 'string', '.status.phase', 'Where the session is in its life.'),
      column('Definition', 'string', '.spec.definitionRef.name', 'The lab template.'),
      column('Version', 'string', '.status.definitionVersion', 'Version that the session is pinned to.'),
      column('Owner', 'string', '.spec.owner', 'Who booked it.'),
      column('Worker', 'string', '.status.workerName', 'Host of the lab.'),
      wide('Lab', 'string', '.status.labName', 'Lab bound to the session.'),
      // A start lies in the future for most of the time; the type date would show it as <invalid>.
      column('Start', 'string', '.status.timeslot.start', 'Start of the slot; empty: as soon as possible.'),
      wide('End', 'string', '.status.timeslot.end', 'End of the slot, extension included.'),
      wide('Admitted', 'string', '.status.conditions[?(@.type=="Admitted")].status', 'Does the calendar hold its capacity?'),
      column('Score', 'number', '.status.scoreReport.score', 'Score, once graded.'),
      column('Passed', 'boolean', '.status.scoreReport.passed', 'Passed, once graded.'),
      REASON,
      AGE,
    ],
    selectableFields: ['.status.phase', '.status.workerName', '.status.labName', '.spec.definitionRef.name', '.spec.owner', '.spec.reservationId'],
  },
  {
    resource: LABS,
    singular: 'lab',
    shortName: 'lab',
    description: 'One topology on the CML of one Worker, bound to at most one session at a time. Written by the controller.',
    spec: labSpec,
    status: labStatus,
    rules: [labelSized],
    columns: [
      column('State', 'string', '.status.state', 'Where the lab is in its life; empty: Reserved.'),
      column('Worker', 'string', '.spec.workerName', 'Host of the lab.'),
      column('Definition', 'string', '.spec.definitionRef.name', 'What it was made from.'),
      column('Version', 'string', '.spec.definitionRef.version', 'Version that it was made from.'),
      column('Session', 'string', '.spec.sessionRef.name', 'Session that has claimed it; empty: free.'),
      wide('Namespace', 'string', '.spec.sessionRef.namespace', 'Namespace of that session.'),
      wide('CML-ID', 'string', '.status.cmlLabId', 'Id on the CML host.'),
      AGE,
    ],
    selectableFields: ['.spec.workerName', '.status.state', '.spec.sessionRef.uid'],
  },
  {
    resource: WORKERS,
    singular: 'worker',
    shortName: 'wrk',
    description: 'One CML host, on which labs are placed.',
    spec: workerSpec,
    status: workerStatus,
    rules: [labelSized],
    columns: [
      column('Phase', 'string', '.status.phase', 'Where the worker is in its life.'),
      column('Template', 'string', '.spec.templateName', 'WorkerTemplate of the worker.'),
      column('CML', 'string', '.status.cmlVersion', 'Version of CML.'),
      column('License', 'string', '.status.license.product', 'Licence read from CML.'),
      column('Sessions', 'integer', '.status.sessions', 'Sessions bound to it.'),
      column('Free-CPU', 'string', '.status.capacity.available.cpu', 'CPUs that are left.'),
      column('Free-Memory', 'string', '.status.capacity.available.memory', 'Memory that is left.'),
      wide('Free-Ports', 'integer', '.status.capacity.available.ports', 'Ports that are left.'),
      wide('Endpoint', 'string', '.status.endpoint', 'URL of the CML host.'),
      wide('Instance', 'string', '.status.instanceId', 'EC2 instance.'),
      REASON,
      AGE,
    ],
    selectableFields: ['.status.phase', '.spec.templateName', '.spec.provider'],
  },
  {
    resource: WORKER_TEMPLATES,
    singular: 'workertemplate',
    shortName: 'wtpl',
    description: 'How to make Workers, what one offers, and how many there may be.',
    spec: workerTemplateSpec,
    status: workerTemplateStatus,
    rules: [labelSized],
    columns: [
      column('Provider', 'string', '.spec.provider', 'static or ec2.'),
      column('Type', 'string', '.spec.instanceType', 'EC2 instance type.'),
      column('CPU', 'string', '.spec.capacity.cpu', 'CPUs of one worker.'),
      column('Memory', 'string', '.spec.capacity.memory', 'Memory of one worker.'),
      column('Workers', 'integer', '.status.workers', 'Workers that exist.'),
      column('Max', 'integer', '.spec.maxWorkers', 'Most workers.'),
      column('Enabled', 'boolean', '.spec.enabled', 'May new workers be made?'),
      wide('Region', 'string', '.spec.region', 'EC2 region.'),
      AGE,
    ],
    selectableFields: ['.spec.provider'],
  },
  {
    resource: SCORE_REPORTS,
    singular: 'scorereport',
    shortName: 'score',
    description: 'The immutable result of a graded session. It outlives the session; a re-grade makes a further report.',
    spec: scoreReportSpec,
    rules: [],
    columns: [
      column('Session', 'string', '.spec.sessionRef.name', 'Session that was graded.'),
      column('Candidate', 'string', '.spec.candidate', 'Who sat the lab.'),
      column('Score', 'number', '.spec.score', 'Score.'),
      column('Max', 'number', '.spec.maxScore', 'Highest possible score.'),
      column('Passed', 'boolean', '.spec.passed', 'Passed?'),
      column('Definition', 'string', '.spec.definition.name', 'What was graded.'),
      wide('Version', 'string', '.spec.definition.version', 'Version that was graded.'),
      wide('Submitted', 'string', '.spec.submittedAt', 'When the result came.'),
      AGE,
    ],
    selectableFields: ['.spec.sessionRef.name', '.spec.sessionRef.uid', '.spec.candidate', '.spec.passed'],
  },
];
