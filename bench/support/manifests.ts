/** The objects of the benches, beside those of config/samples. */
import { API_VERSION } from '../../src/api/group.ts';

/** Sessions that one worker can hold at a time. */
export const SESSIONS_PER_WORKER = 10;
const TEMPLATE = 'bench';
const DEFINITION = 'campus-edge';

export function template(): object {
  const capacity = { cpu: String(4 * SESSIONS_PER_WORKER), memory: '1Ti', storage: '5Ti' };
  return { apiVersion: API_VERSION, kind: 'WorkerTemplate', metadata: { name: TEMPLATE }, spec: { provider: 'static', capacity, licenseType: 'Enterprise', cmlCredentialsSecretRef: { name: 'cml-admin' } } };
}

export function worker(name: string, endpoint: string): { apiVersion: string; kind: string; metadata: { name: string }; spec: { provider: 'static'; templateName: string; endpoint: string; desiredState: 'Running' } } {
  return { apiVersion: API_VERSION, kind: 'Worker', metadata: { name }, spec: { provider: 'static', templateName: TEMPLATE, endpoint, desiredState: 'Running' } };
}

/** The whole way, graded; labs are not kept, so that every session imports and deletes its own. */
export function definition(): object {
  return {
    apiVersion: API_VERSION, kind: 'LabletDefinition', metadata: { name: DEFINITION, namespace: 'exams' },
    spec: {
      version: '1.0.0', formQualifiedName: 'Exam CCNP EDGE v1 LAB 1.2', maxDuration: '4h', noShowTimeout: '0s', labReuse: false,
      topology: { configMapRef: { name: 'campus-edge-topology', key: 'campus-edge.cml.yaml' } },
      resources: { cpu: '4', memory: '6Gi', storage: '40Gi' },
      grading: { rulesUri: 's3://exam-ccnp-edge-v1-lab-1-2/grade.xml', cutScore: 60, onFailure: 'Stop' },
      devices: [{ label: 'workstation', visible: true, credentialsSecretRef: { name: 'campus-edge-devices', key: 'workstation' } }],
    },
  };
}

/** As soon as possible. A name that begins with `idle-` is that of a candidate who never comes. */
export function sessionSpec(candidate: string): { definitionRef: { name: string }; owner: string; candidate: { id: string }; desiredState: 'Active'; admission: 'Queue' } {
  return { definitionRef: { name: DEFINITION }, owner: 'bench', candidate: { id: candidate }, desiredState: 'Active', admission: 'Queue' };
}
