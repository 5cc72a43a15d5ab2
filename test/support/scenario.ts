/**
 * The whole program for an acceptance scenario: the controller as a process of its own on a real API server, with simulated
 * CML, LDS and GradingEngine over HTTP, and the verbs of those around it (people, LDS, GradingEngine).
 */
import { randomUUID } from 'node:crypto';
import { CloudEvent, HTTP } from 'cloudevents';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, SCORE_REPORTS, WORKERS, WORKER_TEMPLATES } from '../../src/api/kinds.ts';
import { getCondition } from '../../src/core/conditions.ts';
import { NotFoundError } from '../../src/kube/errors.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { eventually } from './eventually.ts';
import { newDefinition, newSession, newTemplate, newWorker } from './objects.ts';
import { startTestStack, type TestStack } from './stack.ts';
import type { Delivery } from '../../hack/demo/sink.ts';
import type { WorldOptions } from '../../hack/sim/world.ts';
import type { ConsumedType } from '../../src/api/consumed.ts';
import type { LabletDefinition } from '../../src/api/labletdefinition.ts';
import type { LabletSession, SessionPhase } from '../../src/api/labletsession.ts';
import type { Lab } from '../../src/api/lab.ts';
import type { ScoreReport } from '../../src/api/scorereport.ts';
import type { Stack } from '../../hack/demo/stack.ts';

/** Where sessions and definitions are. */
export const NAMESPACE = 'exams';
export const WORKER = 'cml-1';

/** Longest wait for anything; it is there so that a test fails with what it saw, and says nothing about speed. */
const LIMIT_MS = 60_000;

type DefinitionSpec = Partial<LabletDefinition['spec']>;
type SessionSpec = Partial<LabletSession['spec']>;

/** A definition that is graded and has a page in LDS. */
const EXAM: DefinitionSpec = { formQualifiedName: 'Exam EDGE v1', grading: { rulesUri: 's3://rules/edge.xml', cutScore: 60, onFailure: 'Stop' }, labReuse: false, maxDuration: '4h', noShowTimeout: '0s' };

/** What a sender of events writes. */
export interface Outgoing {
  readonly type: ConsumedType;
  readonly id?: string;
  readonly source?: string;
  readonly subject?: string;
  /** Default: now. */
  readonly time?: string;
  readonly data: Record<string, unknown>;
}

export interface Scenario {
  readonly stack: Stack;
  /** With the administrator's rights, beside the controller. */
  readonly client: KubeClient;
  /** Creates a definition like `EXAM` and waits until it is Active. */
  define(name: string, spec?: DefinitionSpec): Promise<void>;
  book(name: string, definition: string, spec?: SessionSpec, annotations?: Record<string, string>): Promise<LabletSession>;
  session(name: string): Promise<LabletSession>;
  /** Waits until the session was in the phase; it may have gone on. Fails with where it is, and why. */
  reaches(name: string, phase: SessionPhase): Promise<LabletSession>;
  /** By kubectl, as people do. @throws KubectlError with the words of the API server */
  patch(name: string, change: object): Promise<void>;
  /** The same for annotations; null takes one away. */
  annotate(name: string, annotations: Record<string, string | null>): Promise<void>;
  /** As `kubectl delete lses NAME --wait=false`. */
  remove(name: string): Promise<void>;
  /** Waits until the object of the session is gone, and resolves with the time at which that was seen. */
  gone(name: string): Promise<Date>;
  /** Posts a CloudEvent to the ingest endpoint, and resolves with status and headers of the answer. */
  post(event: Outgoing): Promise<Pick<Response, 'status' | 'headers'>>;
  labs(): Promise<Lab[]>;
  reports(session: string): Promise<ScoreReport[]>;
  /** Reasons of the Kubernetes Events about a session. */
  told(name: string): Promise<string[]>;
  stop(): Promise<void>;
}

export interface ScenarioOptions {
  /** Durations of the domain are divided by this. */
  readonly scale: number;
  readonly world?: Omit<WorldOptions, 'scale'>;
  readonly environment?: Readonly<Record<string, string>>;
  /** A static host in service, default true; without it the world has no worker and no template. */
  readonly host?: boolean;
}

/** Starts it, with one host in service unless told otherwise. */
export async function startScenario({ scale, world = {}, environment = {}, host = true }: ScenarioOptions): Promise<Scenario> {
  const started: TestStack = await startTestStack({ world: { ...world, ...(host ? {} : { cml: 0 }), scale }, environment: { ...clock(scale), ...environment } });
  const { stack, controlPlane } = started;
  const client = new KubeClient(await loadConnection({ kubeconfig: controlPlane.kubeconfigPath }));
  const stop = async (): Promise<void> => {
    await client.close();
    await started.stop();
  };
  const session = (name: string): Promise<LabletSession> => client.get(LABLET_SESSIONS, name, NAMESPACE);
  const patch = async (name: string, change: object): Promise<void> => {
    await controlPlane.kubectl(['patch', 'lses', name, `--namespace=${NAMESPACE}`, '--type=merge', `--patch=${JSON.stringify(change)}`]);
  };
  try {
    await stack.applySamples('{10,20}-*.yaml');
    if (host) {
      await client.create(WORKER_TEMPLATES, newTemplate('onprem', { spec: { capacity: { cpu: '48', memory: '192Gi', storage: '900Gi' } } }));
      await client.create(WORKERS, newWorker(WORKER, 'onprem', stack.world.cml[0]?.url ?? ''));
      await controlPlane.kubectl(['wait', 'worker', WORKER, '--for=jsonpath={.status.phase}=Running', '--timeout=60s']);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    stack, client, session, patch, stop,
    define: async (name, spec = {}) => {
      await client.create(LABLET_DEFINITIONS, newDefinition(NAMESPACE, name, { spec: { ...EXAM, ...spec } }));
      await controlPlane.kubectl(['wait', 'labletdefinition', name, `--namespace=${NAMESPACE}`, '--for=condition=Ready', '--timeout=60s']);
    },
    book: (name, definition, spec = {}, annotations = {}) => client.create(LABLET_SESSIONS, newSession(NAMESPACE, name, definition, { annotations, spec: { ...spec, candidate: { id: name } } })),
    reaches: (name, phase) =>
      eventually(async () => {
        const found = await session(name);
        if (!found.status?.history?.some(({ to }) => to === phase)) throw new Error(`session ${name} was never ${phase}: ${whereabouts(found)}`);
        return found;
      }, LIMIT_MS),
    annotate: (name, annotations) => patch(name, { metadata: { annotations } }),
    remove: (name) => client.delete(LABLET_SESSIONS, name, NAMESPACE),
    gone: (name) =>
      eventually(async () => {
        try {
          throw new Error(`session ${name} is still there: ${whereabouts(await session(name))}`);
        } catch (error) {
          if (!(error instanceof NotFoundError)) throw error;
          return new Date();
        }
      }, LIMIT_MS),
    post: async ({ id = randomUUID(), source = '/test/broker', time = new Date().toISOString(), ...event }) => {
      const { headers, body } = HTTP.structured(new CloudEvent({ ...event, id, source, time }));
      const response = await fetch(stack.controller.ingestUrl, { method: 'POST', headers: headers as Record<string, string>, body: body as string });
      // Read to its end, so that the connection is free again.
      await response.arrayBuffer();
      return response;
    },
    labs: async () => (await client.list<Lab>(LABS)).items,
    reports: async (name) => (await client.list<ScoreReport>(SCORE_REPORTS)).items.filter(({ spec }) => spec.sessionRef.name === name),
    told: async (name) => {
      const { items } = JSON.parse(await controlPlane.kubectl(['get', 'events.events.k8s.io', `--namespace=${NAMESPACE}`, '--output=json'])) as { items: { reason: string; regarding: { name: string } }[] };
      return items.filter(({ regarding }) => regarding.name === name).map(({ reason }) => reason);
    },
  };
}

/** The environment of a controller whose clock of the domain runs `scale` times as fast. */
export const clock = (scale: number): Record<string, string> => ({ TIME_SCALE: String(scale), LABLET_DEV: '1' });

/** The rows of the table that a session has taken, such as `T0 T1 T3`. */
export const rowsOf = ({ status }: LabletSession): string => (status?.history ?? []).map(({ row }) => row).join(' ');

/** The entry of a row in the history. @throws Error if the session has not taken it */
export function entryOf(session: LabletSession, row: string): NonNullable<NonNullable<LabletSession['status']>['history']>[number] {
  const entry = session.status?.history?.find((candidate) => candidate.row === row);
  if (!entry) throw new Error(`session ${session.metadata.name} has not taken ${row}: ${whereabouts(session)}`);
  return entry;
}

/** The events of an object in the order of their first arrival, without `ccm.lablet.`; each with its place in the sequence. */
export function eventsOf(deliveries: readonly Delivery[], uid: string): { type: string; sequence: number }[] {
  const own = deliveries.filter(({ source }) => source.endsWith(`/${uid}`));
  return [...new Map(own.map((one) => [one.id, { type: one.type.replace('ccm.lablet.', ''), sequence: one.sequence }])).values()];
}

function whereabouts(session: LabletSession): string {
  const { phase = 'new', reason, message, pipeline } = session.status ?? {};
  const waiting = getCondition(session.status, 'Scheduled')?.message;
  return JSON.stringify({ phase, reason, message, rows: rowsOf(session), waiting, steps: pipeline?.steps.filter(({ error, state }) => error !== undefined || state === 'Running') });
}
