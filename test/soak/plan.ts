/** Who sits in a soak and what becomes of each: drawn from a seed, so that a run can be played again. */
import { SESSION_PHASES, type SessionPhase } from '../../src/api/labletsession.ts';
import { seededRandom, type Random } from '../../hack/sim/common/random.ts';
import type { ScriptInput } from '../../hack/sim/common/script.ts';

/** What a session meets, with its share of all sessions in percent. */
const SHARES = {
  'pass': 36,
  'fail-score': 12,
  'no-show': 10,
  /** desiredState: Terminated, at any moment. */
  'cancel': 12,
  /** desiredState: Ended, at any moment. */
  'end': 6,
  /** The object is deleted, at any moment. */
  'delete': 10,
  /** Its lab vanishes from the CML host. */
  'lost-lab': 8,
  'grading-failure': 6,
} as const;

export type Fate = keyof typeof SHARES;
export const FATES = Object.keys(SHARES) as Fate[];

/** What is done to a session from outside, once it has come to a phase. */
export interface Blow {
  readonly phase: SessionPhase;
  /** After so many milliseconds in it; it may be elsewhere by then. */
  readonly afterMs: number;
}

export interface Planned {
  /** Of the session and of its candidate; begins with the fate. */
  readonly name: string;
  readonly fate: Fate;
  readonly blow: Blow | undefined;
}

/** Where a blow of each kind may hit. */
const HITS: Partial<Record<Fate, readonly SessionPhase[]>> = {
  'cancel': SESSION_PHASES.filter((phase) => phase !== 'Terminated'),
  'end': SESSION_PHASES.filter((phase) => phase !== 'Terminated'),
  'delete': SESSION_PHASES.filter((phase) => phase !== 'Terminated'),
  'lost-lab': ['Instantiating', 'Ready', 'Running', 'Collecting', 'Grading', 'Stopping'],
};
/** Longest pause before a blow: about as long as a session stays in a phase. */
const PAUSE_MS = 1_500;

/** As many sessions as asked for, every fate among them in its share, in random order. */
export function plan(sessions: number, seed: string): Planned[] {
  const random = seededRandom(`soak/${seed}`);
  const fates = FATES.flatMap((fate) => Array.from({ length: Math.max(1, Math.round((sessions * SHARES[fate]) / 100)) }, () => fate));
  while (fates.length < sessions) fates.push('pass');
  return shuffled(fates, random).slice(0, Math.max(sessions, FATES.length)).map((fate, index) => ({ name: `${fate}-${String(index + 1).padStart(4, '0')}`, fate, blow: blow(HITS[fate], random) }));
}

function blow(phases: readonly SessionPhase[] | undefined, random: Random): Blow | undefined {
  const phase = phases?.[Math.floor(random() * phases.length)];
  return phase && { phase, afterMs: Math.floor(random() * random() * PAUSE_MS) };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items.map((item) => ({ item, at: random() })).sort((a, b) => a.at - b.at).map(({ item }) => item);
}

/** How the simulators play candidates and grader; durations are those of the domain, before TIME_SCALE. */
export const SCRIPT: ScriptInput = {
  lds: [
    { candidate: 'no-show-*', noShow: true },
    { candidate: '*', startAfter: '20s', endAfter: '40s' },
  ],
  grading: [
    { candidate: 'fail-score-*', score: 41, maxScore: 100, cutScore: 60, after: '20s' },
    { candidate: 'grading-failure-*', fail: 'the devices could not be read', after: '10s' },
    { candidate: '*', score: 87, maxScore: 100, cutScore: 60, after: '20s' },
  ],
};
