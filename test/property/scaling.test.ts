import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { scaleDown, downRules, type DownInput } from '../../src/core/scaling-down.ts';
import { leadTimeOf, pauseAfter } from '../../src/core/scaling-learn.ts';
import { scaleUp } from '../../src/core/scaling-up.ts';
import { nextWorkerName } from '../../src/core/scaling.ts';
import { MINUTE } from '../support/builders.ts';
import type { Fleet, Need, TemplateView, WorkerView } from '../../src/core/scaling.ts';
import type { Demand, WorkerSnapshot } from '../../src/core/scheduling.ts';

const NOW = new Date('2026-11-23T10:00:00Z');
const at = (minutes: number): Date => new Date(NOW.getTime() + minutes * MINUTE);

const demand = (cpu: number, license: string[] = []): Demand => ({
  definition: 'exams/d@1.0.0', resources: { cpu, memory: 1, storage: 1 }, nodeCount: cpu, nodeDefinitions: [], portCount: 1, images: [], licenseAffinity: license, nestedVirtualization: false, labReuse: false,
});

const snapshot = (name: string, cpu: number, used = 0): WorkerSnapshot => ({
  name, phase: 'Running', schedulable: true, draining: false, provider: 'ec2', license: 'Enterprise', nodeLimit: 500, declared: { cpu, memory: 1e6, storage: 1e6 },
  used: { cpu: used, memory: used, storage: used, nodes: used }, sessions: used > 0 ? 1 : 0, portRange: { start: 2000, end: 7999 }, takenPorts: new Set(), imageName: 'cml-2.9', cmlVersion: '2.9.1',
  nodeDefinitions: undefined, nestedVirtualization: true, reusableLabs: [],
});

const NAMES = ['large', 'medium', 'small'] as const;
const CPU = { large: 32, medium: 16, small: 8 };

const templates = fc.tuple(...NAMES.map((name) => fc.record({
  canLaunch: fc.boolean(), costPerHour: fc.integer({ min: 1, max: 5 }), minWorkers: fc.integer({ min: 0, max: 3 }), maxWorkers: fc.integer({ min: 0, max: 6 }),
  quarantined: fc.boolean(), notBefore: fc.option(fc.integer({ min: -20, max: 20 }).map(at), { nil: undefined }),
}).map((drawn): TemplateView => ({ ...drawn, name, fresh: snapshot(`a new worker of ${name}`, CPU[name]), leadTime: 20 * MINUTE, idleTimeout: 60 * MINUTE }))));

const workers = fc.array(fc.record({
  template: fc.constantFrom(...NAMES), standing: fc.constantFrom('running', 'running', 'coming', 'stopped', 'draining', 'unusable', 'gone'), busy: fc.boolean(),
  idle: fc.integer({ min: 0, max: 200 }), resumed: fc.option(fc.integer({ min: -100, max: 0 }), { nil: undefined }), keep: fc.boolean(), launched: fc.integer({ min: -40, max: 0 }),
}), { maxLength: 10 }).map((drawn) => drawn.map(({ template, standing, busy, idle, resumed, keep, launched }, index): WorkerView => {
  const used = busy && standing !== 'coming' ? CPU[template] / 2 : 0;
  return {
    standing, template, stoppable: true, snapshot: snapshot(`w-${index}`, CPU[template], used), holds: used > 0 ? [{ demand: demand(used), until: at(30) }] : [], bound: used > 0 ? 1 : 0,
    launchedAt: standing === 'coming' ? at(launched) : undefined, lastActivityAt: at(-idle), lastResumedAt: resumed === undefined ? undefined : at(resumed), keep,
  };
}));

const needs = fc.array(fc.record({ cpu: fc.constantFrom(2, 4, 8, 16, 64), from: fc.integer({ min: 0, max: 80 }), personal: fc.boolean() }), { maxLength: 20 })
  .map((drawn) => drawn.map(({ cpu, from, personal }, index): Need => ({ key: `uid-${index}`, session: `exams/s-${index}`, demand: demand(cpu, personal && cpu === 2 ? ['Personal'] : []), from: at(from), until: at(from + 90), limit: at(from + 130), gate: at(from - 20) })));

const fleets = fc.record({ needs, workers, templates, maxWorkers: fc.integer({ min: 0, max: 14 }) }).map((drawn): Fleet => ({ ...drawn, now: NOW, calendar: undefined }));
const downs = fc.record({ fleet: fleets, lastDrain: fc.option(fc.integer({ min: -30, max: 0 }), { nil: undefined }), scaledUp: fc.boolean() })
  .map(({ fleet, lastDrain, scaledUp }): DownInput => ({ ...fleet, rules: downRules(1), lastDrainAt: lastDrain === undefined ? undefined : at(lastDrain), scaledUp }));

const RUNS = { numRuns: 3_000 };
const exists = ({ standing }: WorkerView): boolean => standing !== 'gone';

test('no launch goes beyond maxWorkers of its template or MAX_WORKERS, nor against a pause or a template that may not launch', () => {
  fc.assert(fc.property(fleets, (fleet) => {
    const launches = scaleUp(fleet).decisions.flatMap((decision) => (decision.action === 'launch' ? [decision.template] : []));
    if (launches.length > 0) expect(fleet.workers.filter(exists).length + launches.length).toBeLessThanOrEqual(fleet.maxWorkers);
    for (const template of fleet.templates) {
      const made = launches.filter((name) => name === template.name).length;
      if (made === 0) continue;
      expect(fleet.workers.filter((worker) => exists(worker) && worker.template === template.name).length + made).toBeLessThanOrEqual(template.maxWorkers);
      expect(template.canLaunch && (template.notBefore === undefined || template.notBefore <= NOW)).toBe(true);
      if (template.quarantined) expect(made + fleet.workers.filter((worker) => worker.standing === 'coming' && worker.template === template.name).length).toBe(1);
    }
  }), RUNS);
});

test('a limit that is not a number refuses every launch', () => {
  fc.assert(fc.property(fleets, (fleet) => {
    expect(scaleUp({ ...fleet, maxWorkers: NaN }).decisions.filter(({ action }) => action === 'launch')).toEqual([]);
  }));
});

test('only workers that the auto-scaler itself stopped or drains come back, each once', () => {
  fc.assert(fc.property(fleets, (fleet) => {
    const back = scaleUp(fleet).decisions.flatMap((decision) => (decision.action === 'resume' || decision.action === 'keep' ? [decision] : []));
    expect(new Set(back.map(({ worker }) => worker)).size).toBe(back.length);
    for (const { worker, action } of back) expect(fleet.workers.find(({ snapshot: { name } }) => name === worker)?.standing).toBe(action === 'resume' ? 'stopped' : 'draining');
  }), RUNS);
});

test('scale-down never drains below minWorkers, nor a worker that is used, protected, started again lately, or needed within half an hour', () => {
  fc.assert(fc.property(downs, (input) => {
    const drained = scaleDown(input).decisions.flatMap((decision) => (decision.action === 'drain' ? [decision.worker] : []));
    const running = (left: readonly string[]): WorkerView[] => input.workers.filter(({ standing, snapshot: { name } }) => standing === 'running' && !left.includes(name));
    for (const { name, minWorkers } of input.templates) {
      if (input.workers.some((worker) => drained.includes(worker.snapshot.name) && worker.template === name)) expect(running(drained).filter(({ template }) => template === name).length).toBeGreaterThanOrEqual(minWorkers);
    }
    for (const worker of input.workers.filter(({ snapshot: { name } }) => drained.includes(name))) {
      expect([worker.standing, worker.bound, worker.holds.length, worker.keep]).toEqual(['running', 0, 0, false]);
      expect(worker.lastActivityAt <= at(-60) && (worker.lastResumedAt === undefined || worker.lastResumedAt <= at(-60))).toBe(true);
    }
    if (drained.length === 0) return;
    expect(input.scaledUp || (input.lastDrainAt !== undefined && input.lastDrainAt > at(-10))).toBe(false);
    // Without them, all that must be ready within 30 min still finds its place: none of it calls for a worker.
    const soon = input.needs.filter(({ from }) => from <= at(30));
    const calls = (left: readonly string[]) => scaleUp({ ...input, needs: soon, templates: input.templates.map((template) => ({ ...template, minWorkers: 0 })), workers: input.workers.filter(({ snapshot: { name } }) => !left.includes(name)) }).decisions.flatMap(({ sessions }) => sessions).length;
    expect(calls(drained)).toBe(calls([]));
  }), RUNS);
});

test('an idle fleet that nobody has booked comes to rest: after one round of decisions there are none', () => {
  fc.assert(fc.property(downs, (drawn) => {
    const input = { ...drawn, needs: [], lastDrainAt: undefined, templates: drawn.templates.map((template) => ({ ...template, notBefore: undefined, quarantined: false })) };
    const first = scaleUp(input).decisions;
    const next = settle(input, first);
    expect(scaleUp({ ...input, ...next }).decisions.filter(({ action }) => action !== 'refuse')).toEqual([]);
    const down = scaleDown({ ...input, scaledUp: false });
    const drained = new Set(down.decisions.flatMap((decision) => (decision.action === 'drain' ? [decision.worker] : [])));
    const after = { ...input, scaledUp: false, workers: input.workers.map((worker) => (drained.has(worker.snapshot.name) ? { ...worker, standing: 'stopped' as const } : worker)), lastDrainAt: undefined };
    expect(scaleDown(after).decisions.filter(({ action }) => action === 'drain')).toEqual([]);
    // What was let go is not called back for the minimum.
    const called = scaleUp(after).decisions.filter(({ action }) => action !== 'refuse').length;
    expect(called).toBeLessThanOrEqual(first.filter(({ action }) => action !== 'refuse').length);
  }), RUNS);
});

/** The fleet once the decisions are carried out and the workers have come. */
function settle(fleet: Fleet, decisions: ReturnType<typeof scaleUp>['decisions']): Pick<Fleet, 'workers'> {
  const back = new Set(decisions.flatMap((decision) => (decision.action === 'resume' || decision.action === 'keep' ? [decision.worker] : [])));
  const made = decisions.flatMap((decision, index) => (decision.action === 'launch' ? [{ template: decision.template, index }] : []));
  const comeBack = fleet.workers.map((worker) => (back.has(worker.snapshot.name) || worker.standing === 'coming' ? { ...worker, standing: 'running' as const } : worker));
  return {
    workers: [...comeBack, ...made.map(({ template, index }): WorkerView => ({
      standing: 'running', template, stoppable: true, snapshot: snapshot(`new-${index}`, CPU[template as keyof typeof CPU]), holds: [], bound: 0, launchedAt: undefined, lastActivityAt: NOW, lastResumedAt: undefined, keep: false,
    }))],
  };
}

test('the same fleet gives the same decisions, in whatever order it is told', () => {
  fc.assert(fc.property(downs, (input) => {
    const turned = { ...input, needs: input.needs.toReversed(), workers: input.workers.toReversed(), templates: input.templates.toReversed() };
    expect(scaleUp(turned)).toEqual(scaleUp(input));
    expect(scaleDown(turned)).toEqual(scaleDown(input));
  }), RUNS);
});

test('launches that keep failing are tried less and less often, at least four hours apart in the end', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 3, maxLength: 12 }), (durations) => {
    // Each launch begins when the pause after the last failure is over.
    let clock = NOW;
    const failures: { begunAt: Date; at: Date }[] = [];
    const pauses = durations.map((minutes) => {
      const begunAt = clock;
      const ended = new Date(begunAt.getTime() + minutes * MINUTE);
      failures.push({ begunAt, at: ended });
      clock = pauseAfter(failures, 1).notBefore ?? ended;
      return clock.getTime() - ended.getTime();
    });
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(pauseAfter(failures, 1).quarantined).toBe(true);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(240 * MINUTE);
    if (durations.length >= 7) expect(pauses.at(-1)).toBe(240 * MINUTE);
  }));
});

test('the lead time is that of the template until ten boots are known, then a value that nineteen of twenty boots did not exceed', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 60, max: 3_000 }), { maxLength: 20 }), (seconds) => {
    const lead = leadTimeOf({ startupTime: '20m' }, seconds.map((value) => ({ seconds: value })), 1);
    if (seconds.length < 10) expect(lead).toBe(20 * MINUTE);
    else {
      expect(seconds.map((value) => value * 1000)).toContain(lead);
      expect(seconds.filter((value) => value * 1000 <= lead).length).toBeGreaterThanOrEqual(0.95 * seconds.length);
    }
  }));
});

test('a new worker gets a name that nothing bears, the same one whoever asks, and short enough for a label', () => {
  fc.assert(fc.property(fc.stringMatching(/^[a-z0-9]{1,20}([-.]?[a-z0-9]{1,40}){0,5}$/).filter((name) => name.length <= 253), fc.integer({ min: 0, max: 9 }), (name, count) => {
    const template = { name, uid: 'e2b1' };
    const taken = new Set<string>();
    for (let index = 0; index < count; index++) taken.add(nextWorkerName(template, (candidate) => taken.has(candidate)));
    expect(taken.size).toBe(count);
    const next = nextWorkerName(template, (candidate) => taken.has(candidate));
    expect([taken.has(next), next.length <= 63, /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(next)]).toEqual([false, true, true]);
  }));
});
