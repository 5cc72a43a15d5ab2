/** The objects of a soak, beside those of config/samples: hosts, a definition, sessions. */
import type { Planned } from './plan.ts';

export const NAMESPACE = 'exams';
export const DEFINITION = 'campus-edge-soak';
const TEMPLATE = 'soak';
const API = 'lablet.dev/v1alpha1';

/** Sessions that one host can hold at a time. */
export const SESSIONS_PER_WORKER = 4;

export const workerName = (index: number): string => `soak-${String(index + 1).padStart(2, '0')}`;

/** Hosts at these URLs and the definition that all sessions use: labs are not kept, so that none may be left. */
export function worldManifests(urls: readonly string[], noShowTimeout = '4m'): object[] {
  return [
    {
      apiVersion: API, kind: 'WorkerTemplate', metadata: { name: TEMPLATE },
      spec: {
        provider: 'static', maxNodes: 100, licenseType: 'Enterprise', cmlCredentialsSecretRef: { name: 'cml-admin' },
        capacity: { cpu: String(4 * SESSIONS_PER_WORKER), memory: '64Gi', storage: '500Gi' },
      },
    },
    ...urls.map((endpoint, index) => ({ apiVersion: API, kind: 'Worker', metadata: { name: workerName(index) }, spec: { provider: 'static', templateName: TEMPLATE, endpoint } })),
    {
      apiVersion: API, kind: 'LabletDefinition', metadata: { name: DEFINITION, namespace: NAMESPACE },
      spec: {
        version: '1.0.0', formQualifiedName: 'Exam CCNP EDGE v1 LAB 1.2', maxDuration: '2h', noShowTimeout, labReuse: false,
        topology: { configMapRef: { name: 'campus-edge-topology', key: 'campus-edge.cml.yaml' } },
        resources: { cpu: '4', memory: '6Gi', storage: '40Gi' },
        grading: { rulesUri: 's3://exam-ccnp-edge-v1-lab-1-2/grade.xml', cutScore: 60, onFailure: 'Stop' },
        devices: [{ label: 'workstation', visible: true, credentialsSecretRef: { name: 'campus-edge-devices', key: 'workstation' } }],
      },
    },
  ];
}

export function sessionManifest({ name }: Planned): { metadata: { name: string; namespace: string }; spec: { definitionRef: { name: string }; owner: string; candidate: { id: string }; desiredState: 'Active'; admission: 'Queue' } } {
  return { metadata: { name, namespace: NAMESPACE }, spec: { definitionRef: { name: DEFINITION }, owner: 'soak', candidate: { id: name }, desiredState: 'Active', admission: 'Queue' } };
}
