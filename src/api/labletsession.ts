/** LabletSession: one candidate's reservation, from booking to result (contract §1.2). */
import { z } from 'zod';
import { emitterStatus, historyEntry, HISTORY_MAX } from './outbox.ts';
import { conditions, listMap, objectName, portNumber, rules, semver, sha256, text, time, uuid } from './schema.ts';
import type { KubeObject } from './meta.ts';
import type { CelRule } from './schema.ts';

/** Phases of a session in the order of its life (contract §2.1). Terminated is the only terminal one. */
export const SESSION_PHASES = [
  'Pending', 'Scheduled', 'Instantiating', 'Ready', 'Running', 'Collecting', 'Grading', 'Stopping', 'Stopped', 'Archived', 'Terminated',
] as const;
export type SessionPhase = (typeof SESSION_PHASES)[number];

const USER_SESSION_STATES = ['Provisioning', 'Provisioned', 'Active', 'Paused', 'Ended', 'Expired', 'Faulted'] as const;
const GRADING_SESSION_STATES = ['Pending', 'Collecting', 'Grading', 'Reviewing', 'Submitted', 'Faulted'] as const;
export const PIPELINE_NAMES = ['instantiate', 'collect_evidence', 'compute_grading', 'teardown'] as const;
const STEP_STATES = ['Pending', 'Running', 'Completed', 'Failed', 'Skipped'] as const;
/** How a session came to its end; Normal leads to Archived (T18), all else to Terminated (T19). */
export const ENDINGS = ['Normal', 'Cancelled', 'Failed', 'NoShow', 'SlotEnded'] as const;
const DESIRED_STATES = ['Active', 'Ended', 'Terminated'] as const;

/** Newest consumed events that a session remembers for de-duplication. */
export const INBOX_MAX = 64;
/** Bytes of deferred event data that a session keeps. */
export const INBOX_MAX_DEFERRED_BYTES = 24 * 1024;

const immutable = (field: string) => ({ rule: 'self == oldSelf', message: `${field} cannot be changed; create a new session instead` });

export const labletSessionSpec = rules(
  z.object({
    definitionRef: rules(
      z.object({
        name: objectName().describe('Name of the LabletDefinition in this namespace.'),
        version: semver().optional().describe('Version to use. Absent: the newest Active one when the session is admitted.'),
      }),
      immutable('definitionRef'),
    ).describe('The lab template. The version is pinned in status.definitionVersion and never changes.'),
    owner: rules(text(256), immutable('owner')).describe('Who booked the session; `owner_id` in events.'),
    candidate: rules(
      z.object({
        id: text(256).optional().describe('Id of the candidate in LDS and GradingEngine. Default: the owner.'),
        firstName: text(128).optional().describe('First name, shown in LDS.'),
        lastName: text(128).optional().describe('Last name, shown in LDS.'),
      }),
      immutable('candidate'),
    )
      .optional()
      .describe('Who sits the lab.'),
    reservationId: rules(text(256), immutable('reservationId')).optional().describe('Reference of the booking system, unique among the live sessions of a namespace: a repeated booking is refused instead of doubled.'),
    admission: z.enum(['Queue', 'Strict']).default('Queue').describe('Queue: wait when the calendar is full. Strict: refuse.'),
    timeslot: rules(
      z.object({
        start: time().optional().describe('When the candidate may start, such as 2026-11-23T10:00:00Z. It cannot be changed. Absent: as soon as possible.'),
        end: time().optional().describe('When the slot is over, at most maxDuration of the definition after the start. Absent: start + maxDuration. To ask for an extension, move it later before the session is Stopping; it is granted up to maxExtension of the definition if the calendar has room, else the condition Admitted tells why not.'),
      }),
      { rule: '!has(self.start) || !has(self.end) || self.start < self.end', message: 'timeslot.start must be before timeslot.end' },
      { rule: '!has(self.start) || !has(oldSelf.start) || self.start == oldSelf.start', message: 'timeslot.start cannot be changed; create a new session instead' },
      { rule: '!has(oldSelf.end) || (has(self.end) && self.end >= oldSelf.end)', message: 'timeslot.end can only be moved later (an extension); set desiredState: Ended to finish earlier' },
    )
      .optional()
      .describe('The booked interval. Leave it out to start as soon as possible: the slot then begins when the lab is ready and lasts maxDuration of the definition. The lab is started bootLeadTime before a booked start. When the slot is over, the work is collected and graded.'),
    desiredState: rules(z.enum(DESIRED_STATES), {
      rule: "self == oldSelf || (oldSelf == 'Active') || (oldSelf == 'Ended' && self == 'Terminated')",
      message: 'desiredState moves only from Active to Ended to Terminated; create a new session to start again',
    })
      .default('Active')
      .describe('Active; Ended: finish gracefully, collect and grade; Terminated: stop now, no grading.'),
  }),
  {
    rule: '!has(self.timeslot) || !has(self.timeslot.end) || has(self.timeslot.start) || oldSelf.hasValue()',
    message: 'timeslot.end needs timeslot.start; leave the timeslot out to start as soon as possible',
    optionalOldSelf: true,
  },
  {
    // An end alone may be added: it extends a session that started as soon as possible.
    rule: '!oldSelf.hasValue() || !has(self.timeslot) || has(self.timeslot.start) == (has(oldSelf.value().timeslot) && has(oldSelf.value().timeslot.start))',
    message: 'timeslot.start cannot be added or removed; create a new session instead',
    optionalOldSelf: true,
  },
  {
    rule: '!oldSelf.hasValue() || has(self.timeslot) || !has(oldSelf.value().timeslot)',
    message: 'timeslot cannot be removed; create a new session instead',
    optionalOldSelf: true,
  },
  {
    rule: '!oldSelf.hasValue() || has(self.reservationId) == has(oldSelf.value().reservationId)',
    message: 'reservationId cannot be added or removed; create a new session instead',
    optionalOldSelf: true,
  },
  {
    rule: '!oldSelf.hasValue() || has(self.candidate) == has(oldSelf.value().candidate)',
    message: 'candidate cannot be added or removed; create a new session instead',
    optionalOldSelf: true,
  },
).describe('What was booked.');

/** Phases in which the capacity is being given back, or is: an extension comes too late (contract §2.1 "Extension"). */
const ENDED = "['Stopping', 'Stopped', 'Archived', 'Terminated']";
const END_UNCHANGED =
  'has(self.spec.timeslot) == has(oldSelf.spec.timeslot) && (!has(self.spec.timeslot) || (has(self.spec.timeslot.end) == has(oldSelf.spec.timeslot.end) && (!has(self.spec.timeslot.end) || self.spec.timeslot.end == oldSelf.spec.timeslot.end)))';

export const labletSessionRules: readonly CelRule[] = [
  {
    rule: `!has(self.status) || !has(self.status.phase) || !(self.status.phase in ${ENDED}) || (${END_UNCHANGED})`,
    message: 'timeslot.end cannot be moved any more: the session has ended; create a new session',
    fieldPath: '.spec.timeslot.end',
  },
];

const device = z.object({
  name: text(128).describe('Label of the device.'),
  protocol: text(16).describe('telnet, ssh, vnc or web.'),
  host: text(253).describe('Address of the worker.'),
  port: portNumber().describe('Port on the worker.'),
  uri: text(512).optional().describe('The same as a URI.'),
  username: text(128).optional().describe('User name; the password stays in its Secret.'),
});

const pipelineStep = z.object({
  name: text(63).describe('Name of the step.'),
  state: z.enum(STEP_STATES).describe('Pending, Running, Completed, Failed or Skipped.'),
  attempts: z.number().int().min(0).optional().describe('Attempts so far.'),
  startedAt: time().optional().describe('Start of the current attempt.'),
  completedAt: time().optional().describe('When it was completed, failed for good or skipped.'),
  notBefore: time().optional().describe('The next attempt starts then.'),
  error: z.string().max(512).optional().describe('What went wrong last.'),
  output: z.string().max(512).optional().describe('What later steps need from it.'),
});

export const labletSessionStatus = z
  .object({
    observedGeneration: z.number().int().min(0).optional().describe('metadata.generation that this status speaks of.'),
    phase: z.enum(SESSION_PHASES).optional().describe('Where the session is in its life.'),
    definitionVersion: semver().optional().describe('The version that this session uses, pinned.'),
    timeslot: z
      .object({
        start: time().optional().describe('Start in force.'),
        end: time().optional().describe('End in force, extension included.'),
        bookedEnd: time().optional().describe('End as it was booked.'),
      })
      .optional()
      .describe('The slot in force. As soon as possible: empty until Ready.'),
    workerName: objectName().optional().describe('Worker on which the lab runs.'),
    labName: objectName().optional().describe('Lab that is bound to the session.'),
    labOrigin: z.enum(['Created', 'Reused']).optional().describe('Was the lab made for this session or found on the worker?'),
    cmlLabId: uuid().optional().describe('Id of the lab on the CML host.'),
    allocatedPorts: z.record(z.string(), portNumber()).optional().meta({ maxProperties: 50 }).describe('Ports on the worker by name.'),
    userSession: z
      .object({
        id: uuid().describe('Id in our events.'),
        ldsSessionId: uuid().optional().describe('Id in LDS; absent without LDS.'),
        partNum: z.number().int().min(1).default(1).describe('Part of the LDS session.'),
        formQualifiedName: text(256).optional().describe('Content id.'),
        devices: z.array(device).max(64).optional().describe('How the candidate reaches the devices.'),
        state: z.enum(USER_SESSION_STATES).describe('State of the candidate access.'),
        loginUrlSecretRef: z.object({ name: objectName().describe('Name of the Secret.') }).optional().describe('Secret of this namespace with the launch URL (key login_url), a bearer secret.'),
        loginUrlSha256: sha256().optional().describe('SHA-256 of the launch URL: what the archive keeps of it.'),
        startedAt: time().optional().describe('When the candidate started.'),
        endedAt: time().optional().describe('When the candidate ended.'),
        releasedAt: time().optional().describe('When LDS was told to let the page go.'),
      })
      .optional()
      .describe('The candidate access through LDS.'),
    gradingSession: z
      .object({
        id: uuid().describe('Id in our events.'),
        gradingSessionId: uuid().optional().describe('Id in the GradingEngine.'),
        partId: text(256).optional().describe('Part, the content id.'),
        podId: uuid().optional().describe('Pod in the GradingEngine.'),
        state: z.enum(GRADING_SESSION_STATES).describe('State of the grading.'),
        attempt: z.number().int().min(1).describe('Number of the grading, from 1.'),
        gradeCalls: z.number().int().min(0).optional().describe('How often grading was asked for in this attempt.'),
        startedAt: time().optional().describe('When collecting began.'),
        requestedAt: time().optional().describe('When grading was last asked for.'),
        completedAt: time().optional().describe('When a result or a failure came.'),
        error: z.string().max(512).optional().describe('Why it failed.'),
      })
      .optional()
      .describe('The current grading.'),
    scoreReport: z
      .object({
        name: objectName().describe('Name of the ScoreReport.'),
        id: uuid().describe('Id in our events.'),
        score: z.number().describe('Score.'),
        maxScore: z.number().optional().describe('Highest possible score.'),
        cutScore: z.number().optional().describe('Score needed to pass.'),
        passed: z.boolean().describe('Passed?'),
        submittedAt: time().describe('When the result came.'),
      })
      .optional()
      .describe('Summary of the result; the ScoreReport has the rest.'),
    evidence: z
      .object({
        uri: text(1024).describe('Where the evidence is.'),
        digest: sha256().describe('SHA-256 of the evidence manifest.'),
      })
      .optional()
      .describe('The evidence that was collected.'),
    pipeline: z
      .object({
        name: z.enum(PIPELINE_NAMES).describe('Pipeline of the current phase.'),
        attempt: z.number().int().min(1).describe('Run of the pipeline, from 1.'),
        startedAt: time().describe('Start of this run.'),
        firstStartedAt: time().describe('Start of the first run.'),
        completedAt: time().optional().describe('When all steps were done.'),
        notBefore: time().optional().describe('The next run starts then.'),
        error: z.string().max(512).optional().describe('Why the last run failed.'),
        permanent: z.boolean().optional().describe('The failure cannot pass by trying again.'),
        steps: listMap(z.array(pipelineStep).max(32), 'name').describe('Steps in order.'),
      })
      .optional()
      .describe('Checkpoint of the work of the current phase.'),
    scheduledAt: time().optional().describe('When a worker was bound.'),
    readyAt: time().optional().describe('When the lab was ready.'),
    startedAt: time().optional().describe('When the candidate started.'),
    endedAt: time().optional().describe('When the candidate ended.'),
    stoppedAt: time().optional().describe('When the capacity was given back.'),
    archivedAt: time().optional().describe('When the result became final.'),
    terminatedAt: time().optional().describe('When the session was over.'),
    durationSeconds: z.number().int().min(0).optional().describe('endedAt − startedAt in seconds; absent if never Running.'),
    ending: z.enum(ENDINGS).optional().describe('How the session came to its end; Normal is archived, all else terminated.'),
    attempts: z.number().int().min(0).optional().describe('Runs of the instantiate pipeline.'),
    reschedules: z.number().int().min(0).optional().describe('How often a worker was given up before the start.'),
    regrade: text(64).optional().describe('Value of the annotation lablet.dev/regrade that was acted on, or refused, last.'),
    reason: text(256).optional().describe('Why the session is where it is, one word in CamelCase.'),
    message: z.string().max(1024).optional().describe('The same for people, with what would help.'),
    inbox: z
      .array(
        z.object({
          source: text(512).describe('CloudEvents source.'),
          id: text(512).describe('CloudEvents id.'),
          type: text(256).describe('CloudEvents type.'),
          time: time().describe('When it was received.'),
          result: z.enum(['Applied', 'Ignored', 'Deferred', 'Duplicate']).describe('What became of it.'),
          data: z.string().max(INBOX_MAX_DEFERRED_BYTES).optional().describe('Data of a deferred event, JSON text.'),
          traceParent: z.string().max(128).optional().describe('W3C trace context that it carried.'),
        }),
      )
      .max(INBOX_MAX)
      .optional()
      .describe('Newest consumed events: to recognise repeats, and to apply early ones later.'),
    ...emitterStatus,
    history: z.array(historyEntry).max(HISTORY_MAX).optional().describe('Newest transitions.'),
    conditions: conditions(),
  })
  .describe('Where the session is and why.');

export type LabletSessionSpec = z.output<typeof labletSessionSpec>;
export type LabletSessionStatus = z.output<typeof labletSessionStatus>;
export type PipelineName = (typeof PIPELINE_NAMES)[number];
export type PipelineStatus = NonNullable<LabletSessionStatus['pipeline']>;
export type PipelineStep = PipelineStatus['steps'][number];
export type UserSession = NonNullable<LabletSessionStatus['userSession']>;
export type InboxEntry = NonNullable<LabletSessionStatus['inbox']>[number];
export type Ending = (typeof ENDINGS)[number];
export interface LabletSession extends KubeObject {
  spec: LabletSessionSpec;
  status?: LabletSessionStatus;
}
