/** The life of a session under anything that may happen to it, in any order: people, clocks, events, pipelines, workers, labs. */
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { labletSessionStatus } from '../../src/api/labletsession.ts';
import { CONSUMED_TYPES } from '../../src/api/events.ts';
import { acknowledge } from '../../src/core/outbox.ts';
import { TABLE } from '../../src/core/session/table.ts';
import { event, HOUR, LDS_ID, MINUTE, polled, Story } from '../support/builders.ts';
import type { OutboxEntry } from '../../src/api/outbox.ts';
import type { ScoreReportSpec } from '../../src/api/scorereport.ts';
import type { Judgement } from '../../src/core/session/judge.ts';
import type { DefinitionView } from '../../src/core/session/world.ts';

/** `toEqual` for tens of thousands of comparisons: the words are made only where they differ. */
function same(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

/** One thing that happens; the text is what a failing case prints. */
type Happening = readonly [what: string, how: (life: Life) => void];

/** A story that watches itself: after every decision it holds what must always be true against what it has seen. */
class Life {
  readonly story: Story;
  readonly definition: DefinitionView;
  /** Every event that was ever recorded, by sequence, as it was recorded. */
  readonly #recorded = new Map<number, OutboxEntry>();
  readonly #reports = new Map<string, ScoreReportSpec>();
  #dropped = 0;

  constructor(options: ConstructorParameters<typeof Story>[0]) {
    this.story = new Story(options);
    this.definition = this.story.world.definition;
  }

  decide(act: (story: Story) => Judgement): void {
    const { story } = this;
    const { phase: from, history: before = [] } = story.status;
    const decision = act(story);
    const { status } = decision;
    labletSessionStatus.parse(status);
    // Rows: each is one of the table, they form a chain, and no phase changes beside them.
    const taken = status.history?.slice(before.length) ?? [];
    if (before.length < 40) same(taken.map(({ row }) => row), decision.rows);
    let phase: string | undefined = from;
    for (const entry of taken) {
      same(entry.from, phase);
      same(TABLE.some((row) => row.row === entry.row && (row.from ?? undefined) === entry.from && row.to === entry.to), true);
      phase = entry.to;
    }
    same(status.phase, phase);
    if (from === 'Terminated') same(decision.rows, []);
    this.#watchOutbox(decision);
    for (const { name, spec } of decision.reports) {
      same(spec, this.#reports.get(name) ?? spec);
      this.#reports.set(name, spec);
    }
    if (status.scoreReport) expect(this.#reports.get(status.scoreReport.name)).toMatchObject({ score: status.scoreReport.score, passed: status.scoreReport.passed });
  }

  /** A decision taken twice is the same, and taken again on its own result it finds nothing to do. */
  judge(): void {
    const { story } = this;
    const inputs = JSON.stringify([story.session, story.world]);
    const first = story.look();
    same(JSON.stringify([story.session, story.world]), inputs);
    same(story.look(), first);
    this.decide((each) => each.judge());
    const again = story.look();
    // A lost worker is forgotten with its row, so the world of the second look differs there.
    if (!first.rows.some((row) => row === 'T4' || row === 'T7')) {
      same([again.rows, again.reports], [[], []]);
      same(again.status, first.status);
    }
  }

  #watchOutbox({ status, dropped }: Judgement): void {
    this.#dropped += dropped.length;
    for (const entry of status.outbox ?? []) {
      same(entry, this.#recorded.get(entry.sequence ?? 0) ?? entry);
      this.#recorded.set(entry.sequence ?? 0, entry);
    }
    const sequences = [...this.#recorded.keys()].sort((a, b) => a - b);
    if (this.#dropped === 0) same(sequences, Array.from({ length: status.sequence ?? 0 }, (_, index) => index + 1));
    same(new Set([...this.#recorded.values()].map(({ id }) => id)).size, this.#recorded.size);
  }

  /** The emitter has delivered what there is. */
  deliver(): void {
    const status = structuredClone(this.story.status);
    acknowledge(status, new Set(status.outbox?.map(({ id }) => id)));
    this.story.session = { ...this.story.session, status };
  }
}

const happening = (what: string, how: (life: Life) => void): fc.Arbitrary<Happening> => fc.constant([what, how]);
const anyOf = (...all: fc.Arbitrary<Happening>[]): fc.Arbitrary<Happening> => fc.oneof(...all);

const time = anyOf(
  fc.integer({ min: 0, max: 90 }).map((minutes): Happening => [`${minutes} min pass`, ({ story }) => void story.advance(minutes * MINUTE)]),
  happening('the next deadline comes', (life) => {
    const { wakeAt } = life.story.look();
    if (wakeAt) life.story.at(wakeAt);
    life.judge();
  }),
  happening('a pass', (life) => life.judge()),
);

const consumed = fc.record({
  type: fc.constantFrom(...CONSUMED_TYPES), id: fc.integer({ min: 1, max: 6 }), score: fc.integer({ min: 0, max: 100 }), regrade: fc.boolean(),
}).map(({ type, id, score, regrade }): Happening => [`${type} ${id} (${score}${regrade ? ', regrade' : ''})`, (life) => {
  const data = type === 'grading.session.completed' ? { score, max_score: 100, ...(regrade ? { regrade, grading_session_id: LDS_ID } : {}) } : {};
  life.decide((story) => story.consume(event(type, data, { id: `${type}-${id}` })));
}]);
const seen = fc.subarray(['lds.session.started', 'lds.session.ended', 'grading.session.completed'] as const, { minLength: 1 })
  .map((types): Happening => [`a poll shows ${types.join(', ')}`, (life) => life.decide((story) => story.judge(types.map((type) => polled(type))))]);

const work = anyOf(
  happening('the pipeline is completed', ({ story }) => { if (story.status.pipeline) story.finishPipeline(); }),
  happening('the grade is asked for', ({ story }) => { if (story.status.pipeline?.name === 'compute_grading') story.requestGrade(); }),
  fc.record({ index: fc.nat(7), permanent: fc.boolean() }).map(({ index, permanent }): Happening => [`step ${index} fails${permanent ? ' for good' : ''}`, ({ story }) => {
    const step = story.status.pipeline?.steps[index];
    if (step?.state === 'Pending') story.failStep(step.name, 'it broke', permanent);
  }]),
  happening('the scheduler places it', (life) => { if (life.story.phase === 'Pending') life.decide((story) => ({ ...story.look(), rows: ['T1'], reports: [], status: story.place().status })); }),
  happening('the events are delivered', (life) => life.deliver()),
);

/** What comes next in most lives. */
const usual = happening('what usually comes next', (life) => {
  const { story } = life;
  life.judge();
  if (story.phase === 'Pending') life.decide((each) => ({ ...each.look(), rows: ['T1'], status: each.place().status }));
  else if (story.phase === 'Scheduled') story.at(story.look().wakeAt ?? story.now);
  else if (story.phase === 'Ready') life.decide((each) => each.consume(event('lds.session.started')));
  else if (story.phase === 'Running') life.decide((each) => each.consume(event('lds.session.ended')));
  else if (story.phase === 'Grading') life.decide((each) => each.requestGrade().consume(event('grading.session.completed')));
  else if (story.status.pipeline) story.finishPipeline();
  else story.advance(HOUR);
});

const people = anyOf(
  fc.constantFrom('Ended' as const, 'Terminated' as const).map((desiredState): Happening => [`desiredState ${desiredState}`, ({ story }) => { if (story.session.spec.desiredState !== 'Terminated') story.edit({ desiredState }); }]),
  happening('deleted', ({ story }) => { if (!story.session.metadata.deletionTimestamp) story.delete(); }),
  fc.constantFrom('start', 'release-hold', 'force-terminate').map((name): Happening => [`annotation ${name}`, ({ story }) => void story.annotate({ [`lablet.dev/${name}`]: '' })]),
  fc.integer({ min: 1, max: 3 }).map((value): Happening => [`annotation regrade ${value}`, ({ story }) => void story.annotate({ 'lablet.dev/regrade': String(value) })]),
  fc.integer({ min: 1, max: 60 }).map((minutes): Happening => [`the end is moved by ${minutes} min`, ({ story }) => {
    const end = story.session.spec.timeslot?.end;
    if (end) story.edit({ timeslot: { ...story.session.spec.timeslot, end: new Date(Date.parse(end) + minutes * MINUTE).toISOString() } });
  }]),
);

const surroundings = anyOf(
  fc.constantFrom('ready' as const, 'notReady' as const, 'draining' as const, 'lost' as const, 'lost' as const).map((state): Happening => [`the worker is ${state}`, ({ story }) => { if (story.world.worker) story.worker(state); }]),
  fc.constantFrom('gone' as const, 'present' as const, 'orphaned' as const).map((state): Happening => [`the lab is ${state}`, ({ story }) => { if (story.world.lab) story.world = { ...story.world, lab: { state } }; }]),
  happening('the definition cannot be read', ({ story }) => { story.world = { ...story.world, definition: { state: 'missing' } }; }),
  happening('the definition can be read', ({ story, definition }) => { story.world = { ...story.world, definition }; }),
  fc.constantFrom('cancel' as const, 'force' as const).map((overdueDrain): Happening => [`the drain is overdue: ${overdueDrain}`, ({ story }) => { if (story.world.worker) story.world = { ...story.world, worker: { ...story.world.worker, overdueDrain } }; }]),
  happening('the namespace is deleted', ({ story }) => { story.world = { ...story.world, namespaceTerminating: true }; }),
);

const booking = fc.record({
  asap: fc.boolean(), onFailure: fc.constantFrom('Stop', 'Retry', 'Hold'), gradable: fc.boolean(), noShow: fc.constantFrom('30m', '0s'), lds: fc.boolean(),
  createdAt: fc.constantFrom('2026-11-22T15:00:00.000Z', '2026-11-23T10:10:00.000Z'),
});

const lives = fc.tuple(booking, fc.array(fc.oneof({ weight: 6, arbitrary: time }, { weight: 5, arbitrary: work }, { weight: 4, arbitrary: consumed }, { weight: 1, arbitrary: seen }, { weight: 10, arbitrary: usual }, { weight: 1, arbitrary: people }, { weight: 2, arbitrary: surroundings }), { maxLength: 30, size: 'max' }));

function begun({ asap, onFailure, gradable, noShow, lds, createdAt }: { asap: boolean; onFailure: string; gradable: boolean; noShow: string; lds: boolean; createdAt: string }): Life {
  return new Life({
    ...(asap ? { spec: { timeslot: undefined } } : {}), metadata: { creationTimestamp: createdAt },
    definition: { noShowTimeout: noShow, ...(gradable ? { grading: { rulesUri: 's3://r', onFailure } } : { grading: undefined }) }, world: { ldsConfigured: lds },
  });
}

test('every decision is a path of the table, with events without a gap, results that never change, and nothing left to do at the same instant', () => {
  const taken = new Set<string>();
  fc.assert(fc.property(lives, ([booked, happenings]) => {
    const life = begun(booked);
    for (const [, how] of happenings) {
      how(life);
      life.judge();
    }
    for (const row of life.story.rows) taken.add(row);
  }), { numRuns: 100 });
  // The lives are long enough to mean something.
  expect(taken.size).toBeGreaterThan(15);
});

/** The longest of each: waiting for the slot, the slot with its extension, runs and pauses of a grading or a hold, teardown, archive. */
const SUM_OF_LIMITS = 19 * HOUR + 3 * HOUR + 4 * (45 * MINUTE) + 47 * MINUTE + 10 * MINUTE + 4 * HOUR + 3 * 31 * MINUTE + 20 * MINUTE + HOUR;

test('whatever happened before, a session reaches Terminated within the sum of its limits once nothing answers any more', () => {
  fc.assert(fc.property(lives, ([booked, happenings]) => {
    const life = begun(booked);
    for (const [, how] of happenings) how(life);
    const { story } = life;
    const silentFrom = story.now.getTime();
    life.judge();
    for (let deadlines = 0; story.phase !== 'Terminated'; deadlines++) {
      const { wakeAt, rows } = story.look();
      if (rows.length === 0) {
        expect([story.phase, wakeAt]).toEqual([story.phase, expect.any(Date)]);
        story.at(wakeAt ?? story.now);
      }
      life.judge();
      expect(deadlines).toBeLessThan(50);
    }
    expect(story.now.getTime() - silentFrom).toBeLessThanOrEqual(SUM_OF_LIMITS);
  }), { numRuns: 100 });
});

test('a deadline that is told is the first one: nothing changes before it', () => {
  fc.assert(fc.property(lives, fc.double({ min: 0, max: 1, noNaN: true }), ([booked, happenings], part) => {
    const life = begun(booked);
    for (const [, how] of happenings) how(life);
    life.judge();
    const { story } = life;
    const { wakeAt, rows } = story.look();
    if (rows.length > 0) return;
    const room = wakeAt ? wakeAt.getTime() - story.now.getTime() - 1 : 1000 * HOUR;
    expect(story.advance(Math.floor(room * part)).look()).toMatchObject({ rows: [], wakeAt });
  }), { numRuns: 100 });
});
