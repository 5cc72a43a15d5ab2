/**
 * The CloudEvents that this program takes in: four types, each with the data shapes that its senders are known
 * to use and the one shape that the rest of the program sees (contract §10.2).
 */
import { z } from 'zod';
import { text } from './schema.ts';
import type { Receipt } from './archive.ts';

/** Longest id that is compared with ours; longer ones cannot be known to us. */
const id = text(256);
/** RFC 3339 with a zone: a naive time says nothing across hosts. */
const instant = z.iso.datetime({ offset: true });

/** Who the event is about. Senders name sessions differently; all that they gave is kept, correlation decides. */
const refs = {
  /** uid or name of the LabletSession. */
  labletSessionId: id.optional(),
  /** uid or name of the LabletSession, or an LDS session id: documents disagree. */
  sessionId: id.optional(),
  ldsSessionId: id.optional(),
  gradingSessionId: id.optional(),
};

const section = z.object({ name: text(256), score: z.number(), maxScore: z.number().optional() });

/** The normalised shapes; deferred events are stored in them. */
const normalised = {
  'lds.session.started': z.object({ ...refs, userId: text(256).optional(), startedAt: instant.optional() }),
  'lds.session.ended': z.object({ ...refs, reason: text(256).optional(), endedBy: text(256).optional() }),
  'grading.session.completed': z.object({
    ...refs,
    score: z.number().min(0),
    maxScore: z.number().min(0).optional(),
    cutScore: z.number().min(0).optional(),
    /** As the event says; absent if it does not. */
    passed: z.boolean().optional(),
    sections: z.array(section).max(128).optional(),
    reportUrl: text(2048).optional(),
    /** A further report was asked for, which supersedes the first. */
    regrade: z.boolean().optional(),
  }).refine((data) => data.maxScore === undefined || data.score <= data.maxScore, { path: ['score'], message: 'score must not be greater than max_score' }),
  'grading.session.failed': z.object({ ...refs, error: text(512) }),
} as const;

export type ConsumedType = keyof typeof normalised;
export type ConsumedData<T extends ConsumedType = ConsumedType> = { [K in T]: z.output<(typeof normalised)[K]> }[T];
export const CONSUMED_TYPES = Object.keys(normalised) as ConsumedType[];

/** A consumed event as decisions see it. Switch on `type`, and `data` has its shape. */
export type ConsumedEvent<T extends ConsumedType = ConsumedType> = {
  [K in T]: {
    readonly type: K;
    readonly id: string;
    readonly source: string;
    /** When the sender says it happened, RFC 3339; absent if it does not say. */
    readonly time?: string;
    readonly subject?: string;
    readonly traceParent?: string;
    /** For the archive: the event as it came. Absent on what was asked for, and on what waited in the inbox. */
    readonly receipt?: Receipt;
    readonly data: ConsumedData<K>;
  };
}[T];

/** Absent and null mean the same: CloudEvents treats null as unset, and so do the senders. */
const maybe = <S extends z.ZodType>(schema: S) => schema.nullish().transform((value) => value ?? undefined);

const rawRefs = {
  session_id: maybe(id).describe('uid or name of the LabletSession, or the id that LDS gave its session.'),
  lablet_session_id: maybe(id).describe('uid or name of the LabletSession.'),
  lds_session_id: maybe(id).describe('Id that LDS gave its session.'),
  grading_session_id: maybe(id).describe('Id of the GradingSession, ours or the one that the GradingEngine gave it.'),
};

const ids = (raw: { [K in keyof typeof rawRefs]: string | undefined }) => ({
  sessionId: raw.session_id, labletSessionId: raw.lablet_session_id, ldsSessionId: raw.lds_session_id, gradingSessionId: raw.grading_session_id,
});

const rawSection = z.object({ name: text(256).describe('Name of the section.'), score: z.number().describe('Its score.'), max_score: maybe(z.number()).describe('Highest possible score of it.') })
  .transform((raw) => given({ name: raw.name, score: raw.score, maxScore: raw.max_score }));
const rawCriterion = z.object({
  criterion: text(256).describe('Name of the criterion.'), points: z.number().describe('Its points.'),
  max: maybe(z.number()).describe('Highest possible points.'), max_points: maybe(z.number()).describe('The same by another name.'),
})
  .transform((raw) => given({ name: raw.criterion, score: raw.points, maxScore: raw.max ?? raw.max_points }));
/** `score: 71` beside `max_score`, or `score: {total, max, breakdown}`. */
const rawScore = z.union([
  z.number().transform((total) => ({ total, max: undefined, breakdown: undefined })),
  z.object({
    total: z.number().describe('The score.'), max: maybe(z.number()).describe('Highest possible score.'),
    breakdown: maybe(z.array(rawCriterion).max(128)).describe('Points by criterion.'),
  }),
], { error: 'must be a number, or an object with total and optionally max and breakdown' });

interface ConsumedEntry<S extends z.ZodType = z.ZodType> {
  readonly sender: 'LDS' | 'GradingEngine';
  readonly summary: string;
  /** Revision of the schema of data, from 1; raised with every change of it. */
  readonly revision: number;
  /** From every accepted shape to the fields of the normalised one, which is checked after that. */
  readonly data: S;
}

const entry = <S extends z.ZodType>(sender: ConsumedEntry['sender'], summary: string, data: S, revision = 1): ConsumedEntry<S> => ({ sender, summary, revision, data });

/** The consumed half of the catalogue. */
export const CONSUMED = {
  'lds.session.started': entry('LDS', 'The candidate opened the page of the lab.', z.object({
    ...rawRefs,
    user_id: maybe(text(256)).describe('Who.'),
    started_at: maybe(instant).describe('When, RFC 3339 with a zone.'),
  }).transform((raw) => given({ ...ids(raw), userId: raw.user_id, startedAt: raw.started_at }))),
  'lds.session.ended': entry('LDS', 'The candidate is done, or was made to end.', z.object({
    ...rawRefs,
    reason: maybe(text(256)).describe('Why.'),
    ended_by: maybe(text(256)).describe('Who ended it.'),
  }).transform((raw) => given({ ...ids(raw), reason: raw.reason, endedBy: raw.ended_by }))),
  'grading.session.completed': entry('GradingEngine', 'The lab is graded.', z.object({
    ...rawRefs,
    score: rawScore.describe('The score, not negative and not above the highest possible: a number, or an object with total, max and breakdown.'),
    max_score: maybe(z.number()).describe('Highest possible score.'),
    cut_score: maybe(z.number()).describe('Score from which on the candidate passes.'),
    passed: maybe(z.boolean()).describe('Passed? Absent: the score is compared with cut_score.'),
    sections: maybe(z.array(rawSection).max(128)).describe('Scores by section.'),
    report_url: maybe(text(2048)).describe('Where the full report is.'),
    regrade: maybe(z.boolean()).describe('true with a new grading_session_id: a further report, which supersedes the first.'),
  }).transform(({ score, ...raw }) => given({
    ...ids(raw),
    score: score.total,
    maxScore: raw.max_score ?? score.max,
    cutScore: raw.cut_score,
    passed: raw.passed,
    sections: raw.sections ?? score.breakdown,
    reportUrl: raw.report_url,
    regrade: raw.regrade,
  }))),
  'grading.session.failed': entry('GradingEngine', 'The lab could not be graded.', z.object({
    ...rawRefs,
    error: maybe(z.string()).describe('What went wrong; the first of error, reason and message that is given counts.'),
    reason: maybe(z.string()).describe('See error.'),
    message: maybe(z.string()).describe('See error.'),
  }).transform((raw) => given({ ...ids(raw), error: [raw.error, raw.reason, raw.message].find(Boolean)?.slice(0, 512) ?? 'no reason given' }))),
} as const satisfies Record<ConsumedType, ConsumedEntry>;

export function isConsumedType(type: string): type is ConsumedType {
  return Object.hasOwn(normalised, type);
}

/**
 * Reads the data of a consumed event in any accepted shape.
 * @throws z.ZodError naming the fields that are wrong; a missing score is never guessed
 */
export function readConsumedData<T extends ConsumedType>(type: T, data: unknown): ConsumedData<T> {
  return normalised[type].parse(CONSUMED[type].data.parse(data)) as ConsumedData<T>;
}

/**
 * Reads the data of a deferred event back from the inbox, where it stands as JSON text of the normalised shape.
 * @throws z.ZodError or SyntaxError if it is not what was stored
 */
export function readStoredData<T extends ConsumedType>(type: T, json: string): ConsumedData<T> {
  return normalised[type].parse(JSON.parse(json)) as ConsumedData<T>;
}

/** Only what was given: without the keys that are undefined, so that what is stored and read back equals what came in. */
function given(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
