/**
 * Which workers may go (contract §5, Down): by drain, never by a direct stop. The guards stand in the order of the
 * contract; the first that objects is the reason that is told. Running workers are counted down as they are decided
 * on, so that one look cannot go below minWorkers.
 */
import { formatDuration } from './duration.ts';
import { earliest, latest, plus } from './time.ts';
import { Plan, planOrder, supplyOf } from './scaling-plan.ts';
import type { Fleet, TemplateView, WorkerView } from './scaling.ts';
import type { Supply } from './scaling-plan.ts';

export type Skip = 'JustActed' | 'NotIdle' | 'NotEligible' | 'Snoozed' | 'MinWorkers' | 'CoolDown' | 'SessionsBound' | 'NeededSoon';

export type DownDecision =
  | { action: 'drain'; worker: string; reason: 'Idle'; message: string }
  | { action: 'skip'; worker: string; reason: Skip; message: string };

export interface DownRules {
  /** Between two looks that drain. */
  coolDown: number;
  /** A worker that was started again is left alone for so long. */
  snooze: number;
  /** A worker is kept if a session needs it within that time, or within the time that making another would take. */
  neededWithin: number;
}

/** The contract's: 10 min, 60 min, 30 min, in the (scaled) clock of the domain. */
export const downRules = (scale: number): DownRules => ({ coolDown: 600_000 / scale, snooze: 3_600_000 / scale, neededWithin: 1_800_000 / scale });

export interface DownInput extends Fleet {
  rules: DownRules;
  /** The last drain that the auto-scaler began. */
  lastDrainAt: Date | undefined;
  /** Has scale-up asked for workers in the same look? Then none goes. */
  scaledUp: boolean;
}

export interface DownOutcome {
  /** One for each worker that runs and is ours to stop. */
  decisions: DownDecision[];
  wakeAt: Date | undefined;
}

type Guard = (worker: WorkerView, situation: Situation) => string | undefined;

interface Situation {
  readonly input: DownInput;
  readonly templates: ReadonlyMap<string, TemplateView>;
  /** Workers that run, by template; counted down by every drain. */
  readonly running: Map<string, number>;
  /** Workers that are needed, each with a session that needs it; found when the first guard asks. */
  readonly neededSoon: () => ReadonlyMap<string, string>;
  wakeAt: Date | undefined;
}

/** Is `at` still to come? Then it is a time to look again. */
function ahead(s: Situation, at: Date): boolean {
  if (at <= s.input.now) return false;
  s.wakeAt = earliest(s.wakeAt, at);
  return true;
}

const GUARDS: readonly (readonly [Skip, Guard])[] = [
  ['JustActed', (_worker, { input }) => (input.scaledUp ? 'Workers are being added at this moment.' : undefined)],
  ['NotIdle', (worker, s) => {
    if (worker.bound > 0) return `${worker.bound} session(s) are on it.`;
    const idleTimeout = s.templates.get(worker.template)?.idleTimeout ?? Infinity;
    const idleAt = plus(latest(worker.lastActivityAt, worker.lastResumedAt) ?? worker.lastActivityAt, idleTimeout);
    return Number.isFinite(idleTimeout) && !ahead(s, idleAt) ? undefined : `It counts as idle ${formatDuration(idleTimeout)} after its last use.`;
  }],
  ['NotEligible', (worker) => (worker.keep ? 'A person forbade to stop it.' : undefined)],
  ['Snoozed', (worker, s) => (worker.lastResumedAt && ahead(s, plus(worker.lastResumedAt, s.input.rules.snooze)) ? `It was started again at ${worker.lastResumedAt.toISOString()}.` : undefined)],
  ['MinWorkers', (worker, { running, templates }) => {
    const minimum = templates.get(worker.template)?.minWorkers ?? Infinity;
    return (running.get(worker.template) ?? 0) > minimum ? undefined : `minWorkers of its template is ${minimum}.`;
  }],
  ['CoolDown', (_worker, s) => {
    const { lastDrainAt, rules } = s.input;
    return lastDrainAt && ahead(s, plus(lastDrainAt, rules.coolDown)) ? `The last drain began at ${lastDrainAt.toISOString()}.` : undefined;
  }],
  ['SessionsBound', (worker) => (worker.holds.length > 0 ? `${worker.holds.length} session(s) hold capacity on it.` : undefined)],
  ['NeededSoon', (worker, { neededSoon }) => {
    const session = neededSoon().get(worker.snapshot.name);
    return session === undefined ? undefined : `Session ${session} needs it soon.`;
  }],
];

export function scaleDown(input: DownInput): DownOutcome {
  const templates = new Map(input.templates.map((template) => [template.name, template]));
  const candidates = input.workers.filter(({ standing }) => standing === 'running');
  const running = new Map<string, number>();
  for (const { template } of candidates) running.set(template, (running.get(template) ?? 0) + 1);
  let needed: ReadonlyMap<string, string> | undefined;
  const s: Situation = { input, templates, running, neededSoon: () => (needed ??= neededSoon(input, templates)), wakeAt: undefined };
  const cost = ({ template }: WorkerView): number => templates.get(template)?.costPerHour ?? 0;
  // The dearest first, then the one that has been idle for longest.
  const order = candidates.filter(({ stoppable }) => stoppable)
    .sort((a, b) => cost(b) - cost(a) || a.lastActivityAt.getTime() - b.lastActivityAt.getTime() || (a.snapshot.name < b.snapshot.name ? -1 : 1));
  return { decisions: order.map((worker) => judge(worker, s)), wakeAt: s.wakeAt };
}

function judge(worker: WorkerView, s: Situation): DownDecision {
  for (const [reason, guard] of GUARDS) {
    const message = guard(worker, s);
    if (message !== undefined) return { action: 'skip', worker: worker.snapshot.name, reason, message };
  }
  s.running.set(worker.template, (s.running.get(worker.template) ?? 0) - 1);
  const idleFor = s.input.now.getTime() - worker.lastActivityAt.getTime();
  return { action: 'drain', worker: worker.snapshot.name, reason: 'Idle', message: `Nobody has used it for ${formatDuration(idleFor)}, and no booking needs it soon.` };
}

/** The workers that a plan of the next sessions puts something on, each with the first session that needs it. */
function neededSoon(input: DownInput, templates: ReadonlyMap<string, TemplateView>): Map<string, string> {
  const { now, needs, workers, rules } = input;
  const slowest = Math.max(rules.neededWithin, ...[...templates.values()].filter(({ canLaunch }) => canLaunch).map(({ leadTime }) => leadTime));
  const horizon = plus(now, slowest);
  const supplies = workers.filter(({ standing }) => standing === 'running').map((worker) => supplyOf(worker, now));
  const plan = new Plan(now, input.calendar?.draft());
  for (const need of needs.toSorted(planOrder)) if (need.from <= horizon) plan.put(need, supplies);
  const used = supplies.filter((supply): supply is Supply & { needs: [Supply['needs'][number]] } => supply.needs.length > 0);
  return new Map(used.map(({ snapshot, needs: [first] }) => [snapshot.name, first.session]));
}
