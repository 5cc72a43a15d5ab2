/**
 * Ways of running the fleet on the same day. All of them place with the real scheduler; the two that scale do it with
 * the real decisions of src/core, the one with the calendar, the other with what the rules say without it.
 */
import { buildCalendar, type Booking as Claim, type Calendar, type FleetWorker } from '../../src/core/calendar.ts';
import { scaleDown, type DownRules } from '../../src/core/scaling-down.ts';
import { leadTimeOf, pauseAfter } from '../../src/core/scaling-learn.ts';
import { scaleUp } from '../../src/core/scaling-up.ts';
import { placeAll, queueOrder } from '../../src/core/scheduling.ts';
import { TIMEOUTS } from '../../src/core/timeouts.ts';
import { OFFERS, offerNamed } from './cloud.ts';
import { BOOT_LEAD, DAY, HOUR, MINUTE } from './workload.ts';
import type { Fleet, Need, Standing, TemplateView, WorkerView } from '../../src/core/scaling.ts';
import type { Host, Policy, Session, World } from './world.ts';

/** Collection, grading and teardown at their limits: for so long after its end a booking holds capacity (contract §3a). */
const AFTERWARDS = 50 * MINUTE;
/** What collection, grading and teardown usually take. */
const USUAL_AFTERWARDS = 10 * MINUTE;
const STARTUP = '20m';
const REPAIR = 60 * MINUTE;
const RULES: DownRules = { coolDown: 10 * MINUTE, snooze: 60 * MINUTE, neededWithin: 30 * MINUTE };
const IDLE_TIMEOUT = 60 * MINUTE;
const MAX_WORKERS = 240;

function holdOf({ start, maxDuration }: Session, now: number): { from: number; to: number } {
  return start === undefined ? { from: now, to: now + BOOT_LEAD + maxDuration + AFTERWARDS } : { from: start - BOOT_LEAD, to: start + maxDuration + AFTERWARDS };
}

/** When a session will have given its worker back if its end is like that of most. */
function expectedEnd({ start, readyAt, maxDuration }: Session, now: number): Date {
  const begin = start ?? readyAt ?? now + BOOT_LEAD;
  return new Date(Math.max(now, begin + maxDuration) + USUAL_AFTERWARDS);
}

/** Binds what fits now: the gate, the queue, the filters and the score of the scheduler. */
function place(world: World, calendar?: Calendar): void {
  const waiting = world.waiting(TIMEOUTS.schedulingGate);
  if (waiting.length === 0) return;
  const byKey = new Map(waiting.map((session) => [session.key, session]));
  const order = waiting.map(({ key, start, created }) => ({ key, start: start === undefined ? undefined : new Date(start), created: new Date(created) })).sort(queueOrder);
  const requests = order.map(({ key }) => {
    const session = byKey.get(key) as Session;
    return { key, demand: session.demand, ports: [], hold: { from: world.now, to: holdOf(session, world.now).to } };
  });
  const hosts = new Map(world.hosts.filter(({ phase }) => phase === 'running').map((host) => [host.name, host]));
  for (const assignment of placeAll(requests, [...hosts.values()].map((host) => world.snapshot(host)), calendar)) {
    const [session, host] = [byKey.get(assignment.key), assignment.kind === 'assign' ? hosts.get(assignment.workerName) : undefined];
    if (!session || !host) continue;
    world.bind(session, host);
    calendar?.bind({ ...claim(session, world.now), hold: { from: world.now, to: holdOf(session, world.now).to } }, host.name, world.now);
  }
}

const claim = (session: Session, now: number): Claim => ({ key: session.key, demand: session.demand, hold: holdOf(session, now), lead: BOOT_LEAD, kind: session.start === undefined ? 'soon' : 'booked' });

/** So many hosts, from the night before to the next; one that dies is replaced by hand an hour later. */
export class Fixed implements Policy {
  readonly name: string;
  private readonly count: number;
  private readonly repairs: number[] = [];

  constructor(count: number, name: string) {
    this.count = count;
    this.name = name;
  }

  begin(world: World): void {
    for (let host = 0; host < this.count; host++) world.provide('metal');
  }

  died(world: World): void {
    this.repairs.push(world.now + REPAIR);
  }

  decide(world: World): void {
    while (this.repairs[0] !== undefined && this.repairs[0] <= world.now) {
      this.repairs.shift();
      world.provide('metal');
    }
    place(world);
  }
}

/** What the two that scale have in common: when they look, and how a decision is carried out. */
abstract class Scaling implements Policy {
  abstract readonly name: string;
  protected lookedAt = -Infinity;
  private lastDrainAt: Date | undefined;

  abstract begin(world: World): void;
  abstract decide(world: World): void;
  protected abstract fleet(world: World): Fleet;

  /** A look each 30 s; what happens between two is looked at together. */
  protected isTime(world: World): boolean {
    if (world.now < this.lookedAt + MINUTE / 2) return false;
    this.lookedAt = world.now;
    return true;
  }

  protected scale(world: World): void {
    const fleet = this.fleet(world);
    const byName = new Map(world.hosts.map((host) => [host.name, host]));
    const up = scaleUp(fleet).decisions.filter(({ action }) => action !== 'refuse');
    for (const decision of up) {
      if (decision.action === 'launch') world.launch(decision.template);
      else if (decision.action === 'resume') world.resume(byName.get(decision.worker) as Host);
      else if (decision.action === 'keep') world.keep(byName.get(decision.worker) as Host);
    }
    const down = scaleDown({ ...fleet, rules: RULES, lastDrainAt: this.lastDrainAt, scaledUp: up.length > 0 });
    for (const decision of down.decisions) {
      if (decision.action !== 'drain') continue;
      world.drain(byName.get(decision.worker) as Host);
      this.lastDrainAt = new Date(world.now);
    }
  }

  protected worker(world: World, host: Host, holds: WorkerView['holds'], launchedAt: Date | undefined): WorkerView {
    const standing: Record<Host['phase'], Standing> = { starting: 'coming', running: 'running', draining: 'draining', stopped: 'stopped', gone: 'gone' };
    return {
      standing: standing[host.phase], template: host.template, stoppable: true, snapshot: world.snapshot(host, 'running'), holds, bound: host.sessions.size, launchedAt,
      lastActivityAt: new Date(host.lastActivityAt), lastResumedAt: host.lastResumedAt === undefined ? undefined : new Date(host.lastResumedAt), keep: false,
    };
  }
}

const view = (template: string): Omit<TemplateView, 'leadTime' | 'notBefore' | 'quarantined'> => {
  const { costPerHour, maxWorkers, fresh } = offerNamed(template);
  return { name: template, canLaunch: true, fresh, costPerHour, minWorkers: 0, maxWorkers, idleTimeout: IDLE_TIMEOUT };
};

/**
 * The rules without a calendar: nothing is held before the gate opens 35 min ahead, a boot counts as 20 min, what is
 * coming is counted on until it fails, and a template that refused a launch is passed over for ten minutes.
 */
export class ByTheRules extends Scaling {
  readonly name = 'the rules, without the calendar';

  begin(): void {
    // Nothing runs at midnight, and nothing is known of the day.
  }

  decide(world: World): void {
    if (!this.isTime(world)) return;
    place(world);
    this.scale(world);
  }

  private cheapest(world: World): string | undefined {
    const refusedAt = (name: string): number => world.failed.get(name)?.findLast(({ begunAt, at }) => at.getTime() - begunAt.getTime() < MINUTE)?.at.getTime() ?? -Infinity;
    return OFFERS.toSorted((a, b) => a.costPerHour - b.costPerHour).find(({ name }) => refusedAt(name) + 10 * MINUTE <= world.now)?.name;
  }

  protected fleet(world: World): Fleet {
    const now = new Date(world.now);
    return {
      now, calendar: undefined, maxWorkers: MAX_WORKERS,
      needs: world.waiting(TIMEOUTS.schedulingGate).map((session): Need => ({ key: session.key, session: session.key, demand: session.demand, from: now, until: new Date(world.now + 24 * HOUR), limit: new Date(world.now + 24 * HOUR), gate: now })),
      workers: world.live().map((host) => this.worker(world, host, [], undefined)),
      // The cheapest that has not just refused, whatever waits.
      templates: OFFERS.map(({ name }): TemplateView => ({ ...view(name), canLaunch: name === this.cheapest(world), leadTime: leadTimeOf({ startupTime: STARTUP }, [], 1), notBefore: undefined, quarantined: false })),
    };
  }
}

/** This controller: every booking has its place in the calendar from the time it is known. */
export class WithCalendar extends Scaling {
  readonly name = 'lablet-controller';
  private calendar: Calendar | undefined;
  private seen = '';

  begin(world: World): void {
    const admitted = world.sessions.filter(({ start }) => start !== undefined).sort((a, b) => (a.key < b.key ? -1 : 1));
    this.calendar = buildCalendar({ now: world.now, fleet: this.known(world), bound: [], admitted: admitted.map((session) => claim(session, world.now)) });
  }

  created(world: World, session: Session): void {
    if (session.start === undefined) this.calendar?.admit(claim(session, world.now), world.now);
  }

  ended(_world: World, session: Session): void {
    this.calendar?.release(session.key);
  }

  decide(world: World): void {
    const { calendar } = this;
    if (!calendar) return;
    if (!this.isTime(world)) return;
    this.follow(world, calendar);
    place(world, calendar);
    this.scale(world);
  }

  /** Tells the calendar of the fleet, if it is another than it was. */
  private follow(world: World, calendar: Calendar): void {
    const seen = JSON.stringify([world.live().map(({ name, phase, launchedAt }) => [name, phase, launchedAt]), OFFERS.map(({ name }) => this.lead(world, name))]);
    if (seen === this.seen) return;
    this.seen = seen;
    calendar.setFleet(this.known(world), world.now);
  }

  private lead(world: World, template: string): number {
    return leadTimeOf({ startupTime: STARTUP }, world.boots.get(template) ?? [], 1);
  }

  private known(world: World): Parameters<Calendar['setFleet']>[0] {
    const hosts = world.live();
    const states: Record<Host['phase'], FleetWorker['state']> = { starting: 'coming', running: 'up', draining: 'down', stopped: 'down', gone: 'down' };
    return {
      workers: hosts.map((host): FleetWorker => ({
        facts: { ...offerNamed(host.template).fresh, name: host.name }, template: host.template, state: states[host.phase], leadTime: this.lead(world, host.template),
        readyAt: host.phase === 'starting' ? host.launchedAt + this.lead(world, host.template) : undefined, kept: { storage: 0, ports: 0 },
      })),
      templates: OFFERS.map(({ name, fresh, costPerHour, maxWorkers }) => ({ name, facts: fresh, leadTime: this.lead(world, name), costPerHour, room: maxWorkers - hosts.filter(({ template }) => template === name).length })),
    };
  }

  protected fleet(world: World): Fleet {
    const { calendar } = this;
    const horizon = world.now + 90 * MINUTE;
    const pending = world.sessions.filter(({ phase, start }) => phase === 'waiting' && (start ?? DAY) < horizon);
    return {
      now: new Date(world.now), calendar, maxWorkers: MAX_WORKERS,
      needs: pending.map((session): Need => {
        const { from, to } = holdOf(session, world.now);
        return { key: session.key, session: session.key, demand: session.demand, from: new Date(Math.max(from, world.now)), until: expectedEnd(session, world.now), limit: new Date(to), gate: new Date(session.start === undefined ? session.created : session.start - TIMEOUTS.schedulingGate) };
      }),
      workers: world.live().map((host) => this.worker(world, host,
        [...host.sessions].map((session) => ({ demand: session.demand, until: expectedEnd(session, world.now) })),
        new Date(host.launchedAt))),
      templates: OFFERS.map(({ name }): TemplateView => ({ ...view(name), leadTime: this.lead(world, name), ...pauseAfter(world.failed.get(name) ?? [], 1) })),
    };
  }
}
