/** Objects for tests, as a user would write them; every field can be replaced. */
import { createHash } from 'node:crypto';
import type { LabletDefinition } from '../../src/api/labletdefinition.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import type { Lab } from '../../src/api/lab.ts';
import type { Worker, WorkerTemplate } from '../../src/api/worker.ts';
import type { NewObject } from '../../src/kube/types.ts';

/** Name of the Secret with the login of the simulators, in the controller's namespace. */
export const CML_SECRET = 'cml-admin';

/** Two routers, of which one has a serial console on the host. */
export const TOPOLOGY = `lab:
  title: two routers
  version: 0.3.0
nodes:
  - {id: n0, label: r1, node_definition: iosv, tags: ['serial:\${PORT_R1_SERIAL}'], interfaces: [{id: i0, label: e0, type: physical}]}
  - {id: n1, label: r2, node_definition: iosv, tags: [], interfaces: [{id: i0, label: e0, type: physical}]}
links:
  - {id: l0, n1: n0, i1: i0, n2: n1, i2: i0}
`;

type Parts<T extends KubeObject & { spec: object }> = Partial<NewObject<T>['metadata']> & { spec?: Partial<T['spec']> };

/** What the API server would fill in, where the schema's type has it. */
const DEFINITION_DEFAULTS = {
  nestedVirtualization: true, maxExtension: '30m', warmPool: { size: 0 }, labReuse: true, bootLeadTime: '15m', noShowTimeout: '30m', ldsOptional: false, extractOnStop: true,
};

export const newDefinition = (namespace: string, name: string, { spec, ...metadata }: Parts<LabletDefinition> = {}): NewObject<LabletDefinition> => ({
  metadata: { name, namespace, ...metadata },
  spec: { ...DEFINITION_DEFAULTS, version: '1.0.0', topology: { inline: TOPOLOGY }, resources: { cpu: '2', memory: '4Gi', storage: '10Gi' }, maxDuration: '1h', ...spec },
});

export const newSession = (namespace: string, name: string, definition: string, { spec, ...metadata }: Parts<LabletSession> = {}): NewObject<LabletSession> => ({
  metadata: { name, namespace, ...metadata },
  spec: { definitionRef: { name: definition }, owner: 'proctor-7', admission: 'Queue', desiredState: 'Active', ...spec },
});

export const newTemplate = (name: string, { spec, ...metadata }: Parts<WorkerTemplate> = {}): NewObject<WorkerTemplate> => ({
  metadata: { name, ...metadata },
  spec: {
    provider: 'static', capacity: { cpu: '16', memory: '64Gi', storage: '500Gi' }, maxNodes: 200, licenseType: 'Enterprise', portRange: { start: 2000, end: 7999 },
    startupTime: '20m', drainTimeout: '4h', idleTimeout: '60m', costPerHour: '3.9641', enabled: true, minWorkers: 0, maxWorkers: 10,
    cmlCredentialsSecretRef: { name: CML_SECRET }, ...spec,
  },
});

export const newWorker = (name: string, templateName: string, endpoint: string, { spec, ...metadata }: Parts<Worker> = {}): NewObject<Worker> => ({
  metadata: { name, ...metadata },
  spec: { provider: 'static', templateName, endpoint, desiredState: 'Running', ...spec },
});

export const newLab = (name: string, workerName: string, { spec, ...metadata }: Parts<Lab> & { spec: Pick<Lab['spec'], 'definitionRef' | 'topologySha256'> & Partial<Lab['spec']> }): NewObject<Lab> => ({
  metadata: { name, finalizers: ['lablet.dev/controller'], ...metadata },
  spec: { workerName, ports: [], title: name, source: 'Import', ...spec },
});

/** The object as the API server would store it, for tests of pure functions. */
export function stored<T extends KubeObject>(kind: string, object: NewObject<T>, status?: (T & { status?: unknown })['status']): T {
  const { name = kind.toLowerCase(), ...metadata } = object.metadata;
  return {
    apiVersion: 'lablet.dev/v1alpha1', kind, ...object,
    metadata: { name, uid: `11111111-1111-4111-8111-${createHash('sha256').update(`${kind}/${name}`).digest('hex').slice(0, 12)}`, resourceVersion: '1', generation: 1, creationTimestamp: '2026-11-23T10:00:00Z', ...metadata },
    ...(status === undefined ? {} : { status }),
  } as unknown as T;
}
