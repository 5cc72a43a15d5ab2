/** A valid object of each kind, to be changed in one place by each test. */

/** Fields that replace those of the base; undefined removes one. */
export type Changes = Record<string, unknown>;

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  spec: Record<string, unknown>;
}

const SHA256 = 'a'.repeat(64);
const SESSION_UID = '1b0f6d9e-0d7a-4e0c-9d57-6b6f1f0c2a11';

const builder =
  (kind: string, base: Record<string, unknown>) =>
  (changes: Changes = {}, name = 'sample'): Manifest => ({ apiVersion: 'lablet.dev/v1alpha1', kind, metadata: { name }, spec: { ...base, ...changes } });

export const definition = builder('LabletDefinition', {
  version: '1.2.0',
  topology: { inline: 'lab: {}' },
  resources: { cpu: '4', memory: '6Gi', storage: '40Gi' },
  maxDuration: '2h',
});

export const session = builder('LabletSession', { definitionRef: { name: 'campus-edge' }, owner: 'proctor-7' });

export const lab = builder('Lab', {
  workerName: 'onprem-cml-01',
  definitionRef: { namespace: 'exams', name: 'campus-edge', version: '1.2.0' },
  topologySha256: SHA256,
  ports: [{ name: 'edge-r1_serial', node: 'edge-r1', protocol: 'serial', number: 2002 }],
  title: 'campus-edge-7d1f0c2a-3e9b',
  source: 'Import',
  sessionRef: { namespace: 'exams', name: 'ada', uid: SESSION_UID },
});

export const template = builder('WorkerTemplate', { provider: 'static', capacity: { cpu: '16', memory: '64Gi', storage: '500Gi' } });

export const worker = builder('Worker', { provider: 'static', templateName: 'onprem', endpoint: 'https://cml-01.example.org' });

export const report = builder('ScoreReport', {
  sessionRef: { namespace: 'exams', name: 'ada', uid: SESSION_UID },
  definition: { name: 'campus-edge', version: '1.2.0', sha256: SHA256 },
  candidate: 'ada',
  score: 82,
  maxScore: 100,
  passed: true,
  submittedAt: '2026-11-23T11:31:00Z',
  gradingSessionId: SESSION_UID,
  attempt: 1,
});
