/** Workers and what is known of them, for tests of the pure functions; every part can be replaced. */
import { newWorker, stored } from './objects.ts';
import type { Worker, WorkerSpec, WorkerStatus } from '../../src/api/worker.ts';
import type { Probe, WorkerWorld } from '../../src/core/worker-world.ts';

export function staticWorker(status?: WorkerStatus, { deleted = false, forced = false, ...spec }: Partial<WorkerSpec> & { deleted?: boolean; forced?: boolean } = {}): Worker {
  const worker = stored<Worker>('Worker', newWorker('cml-1', 'onprem', 'https://cml-01.example.org', { spec }), status);
  return {
    ...worker,
    metadata: {
      ...worker.metadata,
      ...(deleted ? { deletionTimestamp: '2026-11-23T11:59:00Z' } : {}),
      ...(forced ? { annotations: { 'lablet.dev/force-terminate': 'true' } } : {}),
    },
  };
}

/** A worker on EC2. */
export function machineWorker(status?: WorkerStatus, parts: Parameters<typeof staticWorker>[1] = {}): Worker {
  const worker = staticWorker(status, { provider: 'ec2', templateName: 'metal', ...parts });
  Reflect.deleteProperty(worker.spec, 'endpoint');
  return worker;
}

export const readyProbe = (change: Partial<Probe & { state: 'ready' }> = {}): Probe => ({
  state: 'ready', version: '2.9.1+build.4', license: { registration: 'COMPLETED', authorization: 'IN_COMPLIANCE', product: 'CML_Enterprise' },
  nodeDefinitions: ['iosv', 'ubuntu'], nestedVirtualization: true, foreignPorts: [], foreignLabs: 0, ...change,
});

/** A world of `onprem`, where nothing is bound to the worker and nobody has asked its host. */
export const workerWorld = ({ limits, ...change }: Partial<Omit<WorkerWorld, 'limits'>> & { limits?: Partial<WorkerWorld['limits']> } = {}): WorkerWorld => ({
  offer: { resources: { cpu: 16, memory: 64 * 2 ** 30, storage: 500 * 2 ** 30 }, maxNodes: 200, ports: { start: 2000, end: 7999 } },
  wantedLicense: 'Enterprise', probe: undefined, registration: undefined, instance: undefined, providerKnown: true, launch: undefined, licenseReleased: true,
  sessions: [], lastSessionEnd: undefined, unknownDemands: [], labs: 0, busyLabs: 0, emit: true,
  limits: { teardown: 600_000, heartbeat: 300_000, provisioning: 1_800_000, drain: 14_400_000, drainForce: 3_600_000, stoppedTtl: undefined, settle: 5_000, ...limits },
  ...change,
});
