/** Objects and worlds for tests of the core: a definition, and a session that is led through its life by the core itself. */
import { labletDefinitionSpec } from '../../src/api/labletdefinition.ts';
import { labletSessionSpec } from '../../src/api/labletsession.ts';
import { readConsumedData } from '../../src/api/events.ts';
import { definitionDurations } from '../../src/core/definition.ts';
import { beginStep, completeStep, failStep, pipelineSteps } from '../../src/core/pipelines.ts';
import { consume } from '../../src/core/session/consume.ts';
import { take } from '../../src/core/session/effects.ts';
import { judge } from '../../src/core/session/judge.ts';
import { situation } from '../../src/core/session/situation.ts';
import { TIMEOUTS } from '../../src/core/timeouts.ts';
import type { ConsumedEvent, ConsumedType } from '../../src/api/events.ts';
import type { LabletSession, SessionPhase } from '../../src/api/labletsession.ts';
import type { ObjectMeta } from '../../src/api/meta.ts';
import type { PinnedDefinition } from '../../src/core/definition.ts';
import type { Consumption } from '../../src/core/session/consume.ts';
import type { Judgement } from '../../src/core/session/judge.ts';
import type { RowId } from '../../src/core/session/table.ts';
import type { DefinitionView, SessionStatus, SessionWorld, Signal, WorkerView } from '../../src/core/session/world.ts';

export const SESSION_UID = '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50';
export const LDS_ID = '5b0e9c1e-7f0f-4c3b-8a11-0c9d1e2f3a4b';
/** A day ahead of the slot. */
const CREATED = '2026-11-22T15:00:00.000Z';
export const SLOT = { start: '2026-11-23T10:00:00.000Z', end: '2026-11-23T11:30:00.000Z' };

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** Spec of a definition: gradable, with an LDS page. What is given replaces these fields. */
export function definitionSpec(fields: Record<string, unknown> = {}): PinnedDefinition['spec'] {
  return labletDefinitionSpec.parse({
    version: '1.2.0', title: 'Campus edge', formQualifiedName: 'Exam CCNP EDGE v1 LAB 1.2', topology: { inline: 'lab: {}' },
    resources: { cpu: '4', memory: '6Gi', storage: '40Gi' }, grading: { rulesUri: 's3://rules/grade.xml', cutScore: 60 }, maxDuration: '2h', ...fields,
  });
}

export function readyDefinition(fields: Record<string, unknown> = {}): Extract<DefinitionView, { state: 'ready' }> {
  const spec = definitionSpec(fields);
  return {
    state: 'ready', durations: definitionDurations(spec, 1),
    definition: { namespace: 'exams', name: 'campus-edge', uid: 'd1', version: spec.version, sha256: 'ab'.repeat(32), spec, nodeCount: 3, nodeDefinitions: ['iosv'], ports: [] },
  };
}

const WORKER: WorkerView = { name: 'w-metal-01', state: 'ready', message: 'ready', templateName: 'metal', costPerHour: '3.9641' };

export function worldWith(fields: Partial<SessionWorld> = {}): SessionWorld {
  return { definition: readyDefinition(), ldsConfigured: true, gradingConfigured: true, namespaceTerminating: false, emit: true, timeouts: TIMEOUTS, scale: 1, ...fields };
}

export function sessionObject(spec: Record<string, unknown> = {}, metadata: Partial<ObjectMeta> = {}): LabletSession {
  return {
    apiVersion: 'lablet.dev/v1alpha1', kind: 'LabletSession',
    metadata: { name: 'cand-0042', namespace: 'exams', uid: SESSION_UID, resourceVersion: '1', generation: 1, creationTimestamp: CREATED, finalizers: ['lablet.dev/controller'], ...metadata },
    spec: labletSessionSpec.parse({ definitionRef: { name: 'campus-edge' }, owner: 'proctor-7', timeslot: SLOT, ...spec }),
  };
}

/** The spec of a session that starts as soon as possible. */
export const ASAP = { timeslot: undefined };

let events = 0;
/** An event as ingest hands it over: its data went through the reader of all accepted shapes. */
export function event(type: ConsumedType, data: Record<string, unknown> = {}, fields: { id?: string; source?: string } = {}): ConsumedEvent {
  const raw = type === 'grading.session.completed' && !('score' in data) ? { score: 71, max_score: 100, ...data } : data;
  return { type, id: fields.id ?? `evt-${++events}`, source: fields.source ?? (type.startsWith('lds.') ? 'lds' : 'grading-engine'), data: readConsumedData(type, raw) } as ConsumedEvent;
}

/** What a poll shows. */
export const polled = (type: ConsumedType, data: Record<string, unknown> = {}): Signal => ({ actor: 'poll', event: event(type, data, { id: 'poll', source: 'poll' }) });

export interface StoryOptions {
  spec?: Record<string, unknown>;
  metadata?: Partial<ObjectMeta>;
  /** Fields of the definition's spec. */
  definition?: Record<string, unknown>;
  world?: Partial<SessionWorld>;
}

/** One session and its world, moved on by the core: what it decides is what is stored. */
export class Story {
  session: LabletSession;
  world: SessionWorld;
  now: Date;
  /** Every row that was taken. */
  readonly rows: RowId[] = [];

  constructor(options: StoryOptions = {}) {
    this.session = sessionObject(options.spec, options.metadata);
    this.world = worldWith({ definition: readyDefinition(options.definition), ...options.world });
    this.now = new Date(this.session.metadata.creationTimestamp);
  }

  get status(): SessionStatus {
    return this.session.status ?? {};
  }

  get phase(): SessionPhase | undefined {
    return this.status.phase;
  }

  at(time: string | Date): this {
    this.now = new Date(time);
    return this;
  }

  advance(ms: number): this {
    this.now = new Date(this.now.getTime() + ms);
    return this;
  }

  /** What would be decided; nothing is stored. */
  look(signals: readonly Signal[] = []): Judgement {
    return judge(this.session, this.world, this.now, signals);
  }

  judge(signals: readonly Signal[] = []): Judgement {
    return this.#store(this.look(signals));
  }

  /** What an event would do; nothing is stored. */
  hear(consumed: ConsumedEvent): Consumption {
    return consume(this.session, consumed, this.world, this.now);
  }

  consume(consumed: ConsumedEvent): Consumption {
    return this.#store(this.hear(consumed));
  }

  /** T1, as the scheduler takes it. */
  place(): this {
    const s = situation(this.session, this.world, this.now);
    Object.assign(s.draft, { workerName: WORKER.name, labName: 'campus-edge-7d1f0c2a', labOrigin: 'Created', allocatedPorts: { 'r1_serial': 2002, 'r2_serial': 2003 } });
    take(s, { row: 'T1', from: 'Pending', to: 'Scheduled' }, { reason: 'BestFit', message: 'A worker and ports are reserved.', actor: 'scheduler' });
    this.session = { ...this.session, status: s.draft };
    this.world = { ...this.world, worker: WORKER, lab: { state: 'reserved' } };
    this.rows.push('T1');
    return this;
  }

  /** Every step of the current pipeline is done; what the steps would have noted is noted. */
  finishPipeline(): this {
    const status = structuredClone(this.status);
    const { pipeline } = status;
    if (!pipeline) throw new Error(`no pipeline in ${this.phase ?? 'no phase'}`);
    for (const step of pipeline.steps) completeStep(pipeline, step.name, this.now);
    if (pipeline.name === 'instantiate') {
      status.cmlLabId = '379abbfe-6f2c-4914-86ed-df6f79e75174';
      status.userSession = { id: 'a5f0c2a1-1b0f-5e0c-9d57-6b6f1f0c2a11', ldsSessionId: LDS_ID, partNum: 1, state: 'Provisioned', loginUrlSecretRef: { name: `${this.session.metadata.name}-launch` }, devices: [{ name: 'r1', protocol: 'telnet', host: '192.0.2.7', port: 2002 }] };
      this.world = { ...this.world, lab: { state: 'present' } };
    }
    if (pipeline.name === 'compute_grading') this.#askForGrade(status);
    this.session = { ...this.session, status };
    return this;
  }

  /** The grade call went out; its result is waited for. */
  requestGrade(): this {
    const status = structuredClone(this.status);
    for (const name of ['load_rubric', 'request_grade']) if (status.pipeline) completeStep(status.pipeline, name, this.now);
    if (status.pipeline) beginStep(status.pipeline, 'await_result', this.now);
    this.#askForGrade(status);
    this.session = { ...this.session, status };
    return this;
  }

  /** A step has failed for good, or (`permanent`) in a way that cannot pass. */
  failStep(name: string, error = 'it broke', permanent = false): this {
    const status = structuredClone(this.status);
    const { pipeline } = status;
    const spec = pipeline && pipelineSteps(pipeline.name, this.world.definition.state === 'ready' ? this.world.definition.definition.spec : undefined).find((step) => step.name === name);
    if (!pipeline || !spec) throw new Error(`no step ${name}`);
    for (let attempt = 0; attempt < spec.maxAttempts; attempt++) {
      beginStep(pipeline, name, this.now);
      failStep(pipeline, spec, error, !permanent, this.now);
    }
    this.session = { ...this.session, status };
    return this;
  }

  annotate(annotations: Record<string, string>): this {
    this.session = { ...this.session, metadata: { ...this.session.metadata, annotations: { ...this.session.metadata.annotations, ...annotations } } };
    return this;
  }

  delete(): this {
    this.session = { ...this.session, metadata: { ...this.session.metadata, deletionTimestamp: this.now.toISOString() } };
    return this;
  }

  /** A user's change to the spec. */
  edit(spec: Partial<LabletSession['spec']>): this {
    this.session = { ...this.session, spec: { ...this.session.spec, ...spec } };
    return this;
  }

  worker(state: WorkerView['state'], message = 'so it is'): this {
    this.world = { ...this.world, worker: { ...WORKER, state, message } };
    return this;
  }

  #askForGrade(status: SessionStatus): void {
    if (status.gradingSession) status.gradingSession = { ...status.gradingSession, state: 'Grading', requestedAt: this.now.toISOString(), gradeCalls: (status.gradingSession.gradeCalls ?? 0) + 1 };
  }

  #store<J extends Judgement>(judgement: J): J {
    this.session = { ...this.session, status: judgement.status };
    this.rows.push(...judgement.rows);
    if (judgement.rows.some((row) => row === 'T4' || row === 'T7')) this.world = { ...this.world, worker: undefined, lab: undefined };
    return judgement;
  }
}

/** The way to each phase: what happens to a session that comes from the phase before. */
const NEXT: Record<Exclude<SessionPhase, 'Terminated'>, (story: Story) => void> = {
  Pending: (story) => void story.judge(),
  Scheduled: (story) => void story.at('2026-11-23T09:30:00Z').place(),
  Instantiating: (story) => void story.at('2026-11-23T09:45:00Z').judge(),
  Ready: (story) => void story.advance(2 * MINUTE).finishPipeline().judge(),
  Running: (story) => void story.at('2026-11-23T10:01:00Z').consume(event('lds.session.started')),
  Collecting: (story) => void story.at('2026-11-23T11:00:00Z').consume(event('lds.session.ended')),
  Grading: (story) => void story.advance(MINUTE).finishPipeline().judge(),
  Stopping: (story) => void story.requestGrade().advance(MINUTE).consume(event('grading.session.completed')),
  Stopped: (story) => {
    const status = structuredClone(story.advance(MINUTE).status);
    if (status.pipeline) completeStep(status.pipeline, 'stop_lab', story.now);
    story.session = { ...story.session, status };
    story.judge();
  },
  Archived: (story) => void story.advance(MINUTE).finishPipeline().judge(),
};

/** A session that came to `phase` by the normal way, with the status it has there. Its events are still undelivered. */
export function sessionAt(phase: SessionPhase, options: StoryOptions = {}): Story {
  const story = new Story(options);
  for (const [name, go] of Object.entries(NEXT)) {
    go(story);
    if (story.phase !== name) throw new Error(`expected ${name}, the session is ${story.phase ?? 'without phase'}: ${story.status.message ?? ''}`);
    if (name === phase) return story;
  }
  story.advance(2 * HOUR).judge();
  return story;
}
