import { readFileSync } from 'node:fs';
import picomatch from 'picomatch';
import { parse } from 'yaml';
import { z } from 'zod';
import { duration } from './time.ts';
import { describeIssues } from './web.ts';

/** What a candidate does, once the launch URL of the session was fetched. */
const candidateRule = z.strictObject({
  /** Glob over candidate ids; the first rule that matches counts. */
  candidate: z.string(),
  /** From the launch URL to the start of work. */
  startAfter: duration.default(1_000),
  /** From the start of work to its end. */
  endAfter: duration.default(2_000),
  /** Never starts. */
  noShow: z.boolean().default(false),
  /** Starts but never finishes. */
  neverEnd: z.boolean().default(false),
  reason: z.string().default('user_finished'),
  endedBy: z.string().default('candidate'),
});

/** How the work of a candidate is graded. */
const gradingRule = z.strictObject({
  candidate: z.string(),
  /** From the call of `grade` to the result. */
  after: duration.default(1_000),
  score: z.int().nonnegative().default(80),
  maxScore: z.int().positive().default(100),
  /** Part of the event only if given here or in the part's rule set. */
  cutScore: z.int().nonnegative().optional(),
  /** Default: whether the score reaches the cut score, 60 % of maxScore when there is none. */
  passed: z.boolean().optional(),
  /** Default: one section that holds the whole score. */
  sections: z.array(z.strictObject({ name: z.string(), score: z.int(), maxScore: z.int() })).optional(),
  /** The grading fails with this reason. */
  fail: z.string().optional(),
  /** Only the first so many gradings fail; default all. */
  failTimes: z.int().positive().default(Number.MAX_SAFE_INTEGER),
  /** There is never a result. */
  never: z.boolean().default(false),
  /** There is a result to poll, but no event. */
  silent: z.boolean().default(false),
  /** Shape of the score in the event. */
  shape: z.enum(['flat', 'nested']).optional(),
});

const script = z.strictObject({ lds: z.array(candidateRule).default([]), grading: z.array(gradingRule).default([]) });

/** A script as a person writes it: durations are text. */
export type ScriptInput = z.input<typeof script>;
export type Script = z.output<typeof script>;
export type CandidateRule = Script['lds'][number];
export type GradingRule = Script['grading'][number];

/** Checks a script. @throws Error that names each field at fault */
export function readScript(input: unknown): Script {
  const result = script.safeParse(input);
  if (!result.success) throw new Error(`the script is not valid: ${describeIssues(result.error)}`);
  return result.data;
}

/** Reads a script file, YAML or JSON. @throws Error when it cannot be read or is not valid */
export function loadScript(path: string): Script {
  try {
    return readScript(parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** The rule for a candidate: the first that matches, else the defaults. */
export function candidateRuleFor(rules: readonly CandidateRule[], candidate: string): CandidateRule {
  return rules.find((rule) => picomatch.isMatch(candidate, rule.candidate)) ?? candidateRule.parse({ candidate: '*' });
}

/** The grading rule for a candidate: the first that matches, else the defaults. */
export function gradingRuleFor(rules: readonly GradingRule[], candidate: string): GradingRule {
  return rules.find((rule) => picomatch.isMatch(candidate, rule.candidate)) ?? gradingRule.parse({ candidate: '*' });
}
