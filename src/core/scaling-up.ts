/**
 * Which workers are to come (contract §5, Up). A session calls for a worker when its gate opens, or so much earlier as
 * the templates that fit need. In this order: capacity that runs; capacity that is coming; a stopped worker is started
 * again; a drain of the auto-scaler is cancelled; a new worker of the template that is cheapest for the sessions that it
 * would take. Limits hold whatever else is true: a count that is not below its limit, NaN included, refuses.
 */
import { earliest, plus } from './time.ts';
import { fitsEmpty } from './scaling.ts';
import { messageOf } from './scaling-decision.ts';
import { Plan, planOrder, supplyOf } from './scaling-plan.ts';
import type { Fleet, Need, TemplateView, WorkerView } from './scaling.ts';
import type { Supply } from './scaling-plan.ts';
import type { UpDecision, UpReason, UpRefusal } from './scaling-decision.ts';
import type { Demand } from './scheduling.ts';

export interface UpOutcome {
  decisions: UpDecision[];
  /** When something could be decided otherwise without anything else changing. */
  wakeAt: Date | undefined;
}

/** Share of the lead time that is added to it: one boot in twenty takes longer than the P95, and some fail. */
const RESERVE = 0.25;

export function scaleUp(fleet: Fleet): UpOutcome {
  return new ScaleUp(fleet).decide();
}

/** One decision about a fleet, while it is being made. */
class ScaleUp {
  private readonly fleet: Fleet;
  private readonly plan: Plan;
  private readonly running: Supply[];
  private readonly coming: Supply[];
  /** Workers that were asked for here, each with the decision that makes it. */
  private readonly asked = new Map<Supply, UpDecision>();
  private readonly refused = new Map<string, UpDecision>();
  /** Workers of each template that count for its limit, decisions included. */
  private readonly counts = new Map<string, number>();
  /** Launches of each template that are on their way. */
  private readonly launching = new Map<string, number>();
  private readonly templates: readonly TemplateView[];
  private total = 0;
  private wakeAt: Date | undefined;

  constructor(fleet: Fleet) {
    this.fleet = fleet;
    this.plan = new Plan(fleet.now, fleet.calendar?.draft());
    this.templates = fleet.templates.toSorted((a, b) => a.costPerHour - b.costPerHour || (a.name < b.name ? -1 : 1));
    this.running = fleet.workers.filter(({ standing }) => standing === 'running').map((worker) => supplyOf(worker, fleet.now));
    this.coming = fleet.workers.flatMap((worker) => this.arrival(worker) ?? []);
    for (const worker of fleet.workers) {
      if (worker.standing === 'gone') continue;
      this.count(worker.template);
      if (worker.standing === 'coming') add(this.launching, worker.template);
    }
  }

  decide(): UpOutcome {
    const unplaced = this.fleet.needs.filter((need) => this.isDue(need)).sort(planOrder).filter((need) => !this.plan.put(need, this.running) && !this.plan.put(need, this.coming));
    unplaced.forEach((need, index) => this.serve(need, unplaced.slice(index)));
    for (const template of this.templates) this.keepMinimum(template);
    const decisions = [...this.asked.values(), ...this.refused.values()];
    for (const decision of decisions) decision.message = messageOf(decision, this.templates);
    return { decisions, wakeAt: this.wakeAt };
  }

  /** A worker on its way. One that takes longer than nineteen of twenty did is counted on no more: what waits for it gets another. */
  private arrival(worker: WorkerView): Supply | undefined {
    if (worker.standing !== 'coming') return undefined;
    const { now, templates } = this.fleet;
    const lead = templates.find(({ name }) => name === worker.template)?.leadTime ?? 0;
    const launchedAt = worker.launchedAt ?? now;
    const overdueAt = plus(launchedAt, lead);
    if (overdueAt < now) return undefined;
    this.wakeAt = earliest(this.wakeAt, plus(overdueAt, 1));
    return supplyOf(worker, overdueAt);
  }

  /** @param others it and those behind it in the plan that have no place either */
  private serve(need: Need, others: readonly Need[]): void {
    const shared = this.plan.put(need, [...this.asked.keys()]);
    if (shared) {
      this.asked.get(shared)?.sessions.push(need.session);
      return;
    }
    const fitting = this.fitting(need);
    if (this.bringBack('stopped', 'NoCapacity', need) || this.bringBack('draining', 'NoCapacity', need) || this.launch(this.byWorth(fitting, others), 'NoCapacity', need)) return;
    if (fitting.length === 0 && !this.fleet.workers.some((worker) => worker.standing !== 'gone' && fitsEmpty(worker.snapshot, need.demand))) this.refuse(undefined, 'Unschedulable', need);
  }

  private readonly known = new Map<Demand, TemplateView[]>();

  /** Templates of which a worker could serve it, the cheapest first. */
  private fitting({ demand }: Need): TemplateView[] {
    const known = this.known.get(demand) ?? this.templates.filter((template) => template.canLaunch && fitsEmpty(template.fresh, demand));
    this.known.set(demand, known);
    return known;
  }

  /** By the cost for each session that waits and that one worker would take, the least first. */
  private byWorth(fitting: readonly TemplateView[], waiting: readonly Need[]): TemplateView[] {
    if (fitting.length < 2) return [...fitting];
    const worth = new Map(fitting.map((template) => {
      const [plan, supply] = [new Plan(this.fleet.now, undefined), supplyOf({ snapshot: template.fresh, holds: [] }, this.fleet.now)];
      return [template, template.costPerHour / waiting.filter((need) => plan.put(need, [supply])).length];
    }));
    return fitting.toSorted((a, b) => (worth.get(a) ?? 0) - (worth.get(b) ?? 0));
  }

  /** A session calls for a worker at its gate, or so much earlier as the slowest template that fits takes, with a reserve. */
  private isDue(need: Need): boolean {
    const lead = Math.max(0, ...this.fitting(need).map(({ leadTime }) => leadTime));
    const at = earliest(need.gate, plus(need.from, -(1 + RESERVE) * lead)) ?? need.gate;
    if (at > this.fleet.now) this.wakeAt = earliest(this.wakeAt, at);
    return at <= this.fleet.now;
  }

  /** The cheapest worker of that standing on which the need fits comes back into service. */
  private bringBack(standing: 'stopped' | 'draining', reason: UpReason, need: Need | undefined, template?: string): boolean {
    const { workers, now } = this.fleet;
    const order = new Map(this.templates.map(({ name }, index) => [name, index]));
    const found = workers
      .filter((worker) => worker.standing === standing && (template === undefined || worker.template === template) && ![...this.asked.keys()].some(({ snapshot }) => snapshot === worker.snapshot))
      .sort((a, b) => (order.get(a.template) ?? Infinity) - (order.get(b.template) ?? Infinity) || (a.snapshot.name < b.snapshot.name ? -1 : 1));
    for (const worker of found) {
      const supply = supplyOf(worker, now);
      if (need && !this.plan.put(need, [supply])) continue;
      this.asked.set(supply, { action: standing === 'stopped' ? 'resume' : 'keep', worker: worker.snapshot.name, reason, sessions: need ? [need.session] : [], message: '' });
      return true;
    }
    return false;
  }

  /** A new worker of the first template that may make one; if none may, the reason of the cheapest is told. */
  private launch(fitting: readonly TemplateView[], reason: UpReason, need: Need | undefined): boolean {
    let because: { template: TemplateView; refusal: UpRefusal } | undefined;
    for (const template of fitting) {
      const refusal = this.objection(template);
      if (refusal !== undefined) {
        because ??= { template, refusal };
        continue;
      }
      const supply = supplyOf({ snapshot: template.fresh, holds: [] }, plus(this.fleet.now, template.leadTime));
      if (need) this.plan.put(need, [supply]);
      this.asked.set(supply, { action: 'launch', template: template.name, reason, sessions: need ? [need.session] : [], message: '' });
      this.count(template.name);
      add(this.launching, template.name);
      return true;
    }
    if (because) this.refuse(because.template, because.refusal, need);
    return false;
  }

  private objection(template: TemplateView): UpRefusal | undefined {
    const { now, maxWorkers } = this.fleet;
    if (template.notBefore && template.notBefore > now) {
      this.wakeAt = earliest(this.wakeAt, template.notBefore);
      return template.quarantined ? 'Quarantined' : 'BackingOff';
    }
    // After a quarantine one launch shows whether the cause is gone.
    if (template.quarantined && (this.launching.get(template.name) ?? 0) > 0) return 'Quarantined';
    if (!((this.counts.get(template.name) ?? 0) < template.maxWorkers)) return 'TemplateLimit';
    return this.total < maxWorkers ? undefined : 'InstallationLimit';
  }

  private refuse(template: TemplateView | undefined, reason: UpRefusal, need: Need | undefined): void {
    const key = `${template?.name ?? need?.key ?? ''}/${reason}`;
    const known = this.refused.get(key);
    if (known) known.sessions.push(...(need ? [need.session] : []));
    else this.refused.set(key, { action: 'refuse', template: template?.name, reason, sessions: need ? [need.session] : [], message: '' });
  }

  private keepMinimum(template: TemplateView): void {
    if (!template.canLaunch) return;
    const standing = this.fleet.workers.filter((worker) => worker.template === template.name && ['running', 'coming'].includes(worker.standing)).length;
    const decided = [...this.asked.values()].filter((decision) => this.templateOf(decision) === template.name).length;
    for (let missing = template.minWorkers - standing - decided; missing > 0; missing--) {
      if (!this.bringBack('stopped', 'MinWorkers', undefined, template.name) && !this.bringBack('draining', 'MinWorkers', undefined, template.name) && !this.launch([template], 'MinWorkers', undefined)) return;
    }
  }

  private templateOf(decision: UpDecision): string | undefined {
    if (decision.action === 'launch') return decision.template;
    return decision.action === 'refuse' ? undefined : this.fleet.workers.find(({ snapshot }) => snapshot.name === decision.worker)?.template;
  }

  private count(template: string): void {
    add(this.counts, template);
    this.total += 1;
  }
}

const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
