/**
 * The event catalogue: every CloudEvents type that leaves this program, with the schema of its data (contract §10.1).
 * Keys of data are a contract with others: mandatory ones are never optional, and none is ever renamed.
 * What comes in is in `consumed.ts`.
 */
import { z } from 'zod';
import { SESSION_PHASES } from './labletsession.ts';
import type { SessionPhase } from './labletsession.ts';
import { portNumber, semver, sha256, text, time, uuid } from './schema.ts';

export * from './consumed.ts';

/** Default of CLOUDEVENTS_SOURCE: the base of the `source` of everything that we emit. */
export const SOURCE = '/ccm/lablet-controller';

/** The kinds that have an outbox. Events about UserSession, GradingSession and ScoreReport are emitted by the LabletSession. */
export type EmitterKind = 'LabletDefinition' | 'LabletSession' | 'Worker';

interface CatalogueEntry<S extends z.ZodType = z.ZodType> {
  readonly emitter: EmitterKind;
  readonly summary: string;
  /** Revision of the schema of data, from 1; raised with every change of it, so that `dataschema` names what is in the event. */
  readonly revision: number;
  readonly data: S;
}

const entry = <S extends z.ZodType>(emitter: EmitterKind, summary: string, data: S, revision = 1): CatalogueEntry<S> => ({ emitter, summary, revision, data });

const phases = SESSION_PHASES.map((phase) => phase.toLowerCase()) as Lowercase<SessionPhase>[];

const definitionId = uuid().describe('uid of the LabletDefinition.');
const sessionId = uuid().describe('uid of the LabletSession.');
const workerId = text(253).describe('Name of the Worker.');
const ports = z.record(text(253), portNumber()).describe('Ports on the worker by name; empty only if the lab exposes none.');
const reason = text(256).optional().describe('Why, one word in CamelCase.');
const score = z.number().min(0).describe('Score of the candidate.');
const passed = z.boolean().describe('Did the candidate pass?');

export const EMITTED = {
  'ccm.lablet.definition.created': entry('LabletDefinition', 'The first version of a definition became Active.', z.object({
    definition_id: definitionId,
    name: text(253).describe('Name of the LabletDefinition.'),
    version: semver().describe('Its version.'),
    form_qualified_name: text(256).optional().describe('Content id in LDS and GradingEngine.'),
  })),
  'ccm.lablet.definition.version.created': entry('LabletDefinition', 'A further version became Active; the older one is Deprecated.', z.object({
    definition_id: definitionId,
    old_version: semver().describe('Version that it replaces.'),
    new_version: semver().describe('Version that is Active now.'),
    lab_yaml_hash: sha256().optional().describe('SHA-256 of the topology.'),
  })),
  'ccm.lablet.session.pending': entry('LabletSession', 'A session was admitted, or lost its worker and waits for another.', z.object({
    session_id: sessionId,
    definition_id: definitionId,
    owner_id: text(256).describe('Who booked the session.'),
    definition_version: semver().optional().describe('Version that is pinned.'),
    reservation_id: text(256).optional().describe('Reference of the booking system.'),
    timeslot_start: time().optional().describe('Start of the slot; absent: as soon as possible.'),
    timeslot_end: time().optional().describe('End of the slot.'),
    created_at: time().optional().describe('When the session was created.'),
  })),
  'ccm.lablet.session.scheduled': entry('LabletSession', 'A worker and ports are bound to the session.', z.object({
    session_id: sessionId, worker_id: workerId, allocated_ports: ports,
  })),
  'ccm.lablet.session.instantiating': entry('LabletSession', 'The lab is being imported and started.', z.object({
    session_id: sessionId,
    worker_id: workerId,
    lab_yaml_hash: sha256().optional().describe('SHA-256 of the topology.'),
  })),
  'ccm.lablet.session.ready': entry('LabletSession', 'The candidate can start.', z.object({
    session_id: sessionId,
    login_url: text(2048).nullable().describe('Launch URL, a bearer secret; null without LDS.'),
    allocated_ports: ports.optional(),
    pod_assigned: z.boolean().optional().describe('Does the GradingEngine have the pod already?'),
  })),
  'ccm.lablet.session.running': entry('LabletSession', 'The candidate started.', z.object({
    session_id: sessionId,
    user_session_id: uuid().describe('Id of the UserSession.'),
    started_at: time().optional().describe('When.'),
    cml_lab_id: uuid().optional().describe('Id of the lab on the CML host.'),
  })),
  'ccm.lablet.session.collecting': entry('LabletSession', 'The candidate is done; evidence is being collected.', z.object({
    session_id: sessionId,
    grading_session_id: uuid().describe('Id of the GradingSession.'),
    triggered_by: text(256).optional().describe('Who ended the session.'),
    collection_reason: z.enum(['manual', 'timeslot_end', 'max_duration', 'lds_session_ended']).optional().describe('What ended it.'),
  })),
  'ccm.lablet.session.grading': entry('LabletSession', 'The GradingEngine grades the lab.', z.object({
    session_id: sessionId, grading_session_id: uuid().describe('Id of the GradingSession.'),
  })),
  'ccm.lablet.session.graded': entry('LabletSession', 'The result is there.', z.object({
    session_id: sessionId,
    score_report_id: uuid().describe('Id of the ScoreReport.'),
    score, passed,
    max_score: z.number().min(0).optional().describe('Highest possible score.'),
  })),
  'ccm.lablet.session.stopping': entry('LabletSession', 'The lab is being torn down.', z.object({ session_id: sessionId, reason })),
  'ccm.lablet.session.stopped': entry('LabletSession', 'The capacity is free again.', z.object({
    session_id: sessionId,
    duration_seconds: z.number().int().min(0).optional().describe('Seconds from start to end for the candidate; absent if never started.'),
    worker_seconds: z.number().int().min(0).optional().describe('Seconds for which the worker was held.'),
    template_name: text(253).optional().describe('WorkerTemplate of the worker.'),
    cost_estimate: z.string().max(32).optional().describe('worker_seconds at the price of the template, a decimal number.'),
  })),
  'ccm.lablet.session.terminated': entry('LabletSession', 'The session is over.', z.object({
    session_id: sessionId,
    final_state: z.enum(phases).describe('Last phase before the end, in lower case.'),
    reason,
    score_report_id: uuid().optional().describe('Id of the ScoreReport, if there is one.'),
  })),
  'ccm.lablet.user_session.created': entry('LabletSession', 'The candidate access was provisioned.', z.object({
    user_session_id: uuid().describe('Id of the UserSession.'), lablet_session_id: sessionId,
  })),
  'ccm.lablet.grading_session.created': entry('LabletSession', 'A grading began.', z.object({
    grading_session_id: uuid().describe('Id of the GradingSession.'), lablet_session_id: sessionId,
  })),
  'ccm.lablet.score_report.created': entry('LabletSession', 'An immutable result was stored.', z.object({
    score_report_id: uuid().describe('Id of the ScoreReport.'), lablet_session_id: sessionId, score, passed,
  })),
  'ccm.worker.scaling.up': entry('Worker', 'A worker is being started.', z.object({
    worker_id: workerId, template_name: text(253).describe('Its WorkerTemplate.'), reason,
  })),
  'ccm.worker.scaling.down': entry('Worker', 'A worker is being stopped.', z.object({
    worker_id: workerId, reason: text(256).describe('Why, one word in CamelCase.'),
  })),
  'ccm.worker.draining': entry('Worker', 'A worker takes no new sessions.', z.object({
    worker_id: workerId,
    reason,
    running_sessions_count: z.number().int().min(0).optional().describe('Sessions that it still serves.'),
  })),
} as const satisfies Record<string, CatalogueEntry>;

export type EmittedType = keyof typeof EMITTED;
/** Data of an emitted type. `login_url` is null when it is recorded; the value is filled in from its Secret when it is sent. */
export type EmittedData<T extends EmittedType> = z.output<(typeof EMITTED)[T]['data']>;

export const EMITTED_TYPES = Object.keys(EMITTED) as EmittedType[];

/** May an overflowing outbox never lose this one? True of `*.terminated` alone (contract §10.1). */
export function isTerminalType(type: string): boolean {
  return type.endsWith('.terminated');
}
