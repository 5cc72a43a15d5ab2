/** The plan of the scene `fleet`: what workers there may be, who sits when, and how each candidate does. */
import { API_VERSION } from '../../src/api/group.ts';
import { parseDuration } from '../../src/core/duration.ts';
import { NAMESPACE } from './candidates.ts';
import type { ScriptInput } from '../sim/common/script.ts';

/** A minute of the domain takes a second. */
export const SCALE = 60;
export const IMAGE = 'cisco-cml2.9.1-demo';
export const MAX_WORKERS = 12;
/** Bookings, with starts a minute and a half of the domain apart for every six of them. */
const BOOKINGS = 60;
const TOGETHER = 6;
const APART = parseDuration('90s') / SCALE;
const SLOT = parseDuration('20m') / SCALE;
/** The first booking starts so long after all were made: time to find room in the calendar, and to bring the first hosts. */
const NOTICE = parseDuration('28m') / SCALE;

/** Two sizes of host, with the prices for which AWS lets such machines. Four labs fit on a metal one, nine on a large one. */
const TEMPLATES = {
  metal: { instanceType: 'm5zn.metal', cpu: '16', memory: '64Gi', costPerHour: '3.9641', maxWorkers: 9 },
  large: { instanceType: 'm5.metal', cpu: '36', memory: '128Gi', costPerHour: '4.6080', maxWorkers: 3 },
} as const;

/** USD for an hour of a worker, by template. */
export const PRICES: ReadonlyMap<string, number> = new Map(Object.entries(TEMPLATES).map(([name, { costPerHour }]) => [name, Number(costPerHour)]));

/** USD for an hour of all the workers that there may be. */
export const FULL_FLEET = Object.values(TEMPLATES).reduce((sum, { costPerHour, maxWorkers }) => sum + Number(costPerHour) * maxWorkers, 0);

/** Three of sixty never come, six fail. */
const NO_SHOWS = ['c-11', 'c-31', 'c-51'];
export const isNoShow = (session: string): boolean => NO_SHOWS.includes(session);
const isWeak = (session: string): boolean => session.endsWith('5');
export const scoreOf = (session: string): number => (isWeak(session) ? 41 : 87);

export const SCRIPT: ScriptInput = {
  lds: [
    ...NO_SHOWS.map((candidate) => ({ candidate, noShow: true })),
    { candidate: '*', startAfter: '2m', endAfter: '14m' },
  ],
  grading: [
    { candidate: '*5', score: 41, maxScore: 100, cutScore: 60, after: '1m' },
    { candidate: '*', score: 87, maxScore: 100, cutScore: 60, after: '1m' },
  ],
};

/**
 * The controller's environment. What is asked of systems by and by is asked at a pace that two cores can keep up with,
 * since a second is a minute; results stay in the archive until the scene is over.
 */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  TIME_SCALE: String(SCALE), LABLET_DEV: '1', SCALE_DOWN: 'enabled', MAX_WORKERS: String(MAX_WORKERS),
  TIMEOUTS: 'missedSlot=20m,pollLab=1m,pollLds=5m,pollGrading=5m,resync=3m,archiveTtl=24h,instantiateAttempt=1h,collection=1h,grading=2h,teardown=1h,workerUnreachable=1h,provisioning=2h',
};

/** @param cmlPort port on which each instance serves its CML */
export function templates(cmlPort: number): object[] {
  return Object.entries(TEMPLATES).map(([name, { instanceType, cpu, memory, costPerHour, maxWorkers }]) => ({
    apiVersion: API_VERSION, kind: 'WorkerTemplate', metadata: { name },
    spec: {
      provider: 'ec2', region: 'us-east-1', instanceType, imagePattern: 'cisco-cml2.9*', capacity: { cpu, memory, storage: '900Gi' }, licenseType: 'Enterprise', costPerHour, maxWorkers,
      startupTime: '10m', idleTimeout: '8m', endpoint: { scheme: 'http', port: cmlPort, address: 'Private' }, cmlCredentialsSecretRef: { name: 'cml-admin' },
    },
  }));
}

/** The lab of config/samples, for a shorter exam. */
export const DEFINITION = {
  apiVersion: API_VERSION, kind: 'LabletDefinition', metadata: { name: 'campus-edge', namespace: NAMESPACE },
  spec: {
    version: '1.2.0', formQualifiedName: 'Exam CCNP EDGE v1 LAB 1.2', topology: { configMapRef: { name: 'campus-edge-topology', key: 'campus-edge.cml.yaml' } },
    resources: { cpu: '4', memory: '6Gi', storage: '40Gi' }, images: [{ namePattern: 'cisco-cml2.9*', cmlVersionMin: '2.9.0' }],
    grading: { rulesUri: 's3://exam-ccnp-edge-v1-lab-1-2/grade.xml', cutScore: 60, onFailure: 'Stop' },
    maxDuration: '20m', bootLeadTime: '12m', noShowTimeout: '10m', labReuse: false,
  },
};

/** All bookings, made at the moment `now`. */
export function bookings(now: Date): object[] {
  return Array.from({ length: BOOKINGS }, (_, index) => {
    const name = `c-${String(index + 1).padStart(2, '0')}`;
    const start = now.getTime() + NOTICE + Math.floor(index / TOGETHER) * APART;
    return {
      apiVersion: API_VERSION, kind: 'LabletSession', metadata: { name, namespace: NAMESPACE },
      spec: { definitionRef: { name: DEFINITION.metadata.name }, owner: 'proctor-7', candidate: { id: name }, timeslot: { start: new Date(start).toISOString(), end: new Date(start + SLOT).toISOString() } },
    };
  });
}

/** How many sessions there are to be. */
export const SESSIONS = BOOKINGS;
