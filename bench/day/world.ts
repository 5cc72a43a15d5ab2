/** The day itself: sessions and hosts on a virtual clock, event by event. How the fleet is run is a policy's. */
import { Heap } from '../../src/runtime/heap.ts';
import { deaths, launch, offerNamed } from './cloud.ts';
import { BOOT_LEAD, DAY, HOUR, MINUTE, workload } from './workload.ts';
import type { HeapMember } from '../../src/runtime/heap.ts';
import type { Failure } from '../../src/core/scaling-learn.ts';
import type { WorkerSnapshot } from '../../src/core/scheduling.ts';
import type { Booking } from './workload.ts';

export interface Session extends Booking {
  phase: 'ahead' | 'waiting' | 'bound' | 'over' | 'lost';
  worker: Host | undefined;
  readyAt: number | undefined;
}

export interface Host {
  readonly name: string;
  readonly template: string;
  phase: 'starting' | 'running' | 'draining' | 'stopped' | 'gone';
  /** When its present start began. */
  launchedAt: number;
  lastActivityAt: number;
  lastResumedAt: number | undefined;
  readonly sessions: Set<Session>;
  /** Since when it is paid for, and since when nobody uses it. */
  paidFrom: number;
  idleFrom: number | undefined;
}

/** What decides: called after everything that happened at an instant, and every 30 s. */
export interface Policy {
  readonly name: string;
  begin(world: World): void;
  decide(world: World): void;
  /** Something that only a policy with a calendar cares about. */
  created?(world: World, session: Session): void;
  ended?(world: World, session: Session): void;
  died?(world: World, host: Host): void;
}

interface Entry extends HeapMember {
  at: number;
  order: number;
  run: () => void;
}

const TICK = MINUTE / 2;
const NO_SHOW = 30 * MINUTE;
const MISSED_SLOT = 5 * MINUTE;
const PENDING_ASAP = 45 * MINUTE;

export class World {
  now = DAY;
  readonly sessions: Session[];
  readonly hosts: Host[] = [];
  readonly seed: string;
  launches = 0;
  failures = 0;
  cost = 0;
  idleHours = 0;
  mostWorkers = 0;
  /** By template: boots in seconds, and failed launches since the last one that succeeded. */
  readonly boots = new Map<string, { seconds: number }[]>();
  readonly failed = new Map<string, Failure[]>();
  private readonly policy: Policy;
  private readonly agenda = new Heap<Entry>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  private readonly numbers = new Map<string, number>();
  private entries = 0;

  constructor(count: number, seed: string, policy: Policy) {
    this.seed = seed;
    this.policy = policy;
    this.sessions = workload(count, seed).map((booking): Session => ({ ...booking, phase: 'ahead', worker: undefined, readyAt: undefined }));
  }

  run(): void {
    for (const session of this.sessions) this.at(session.created, () => this.arrive(session));
    for (const { at, which } of deaths(this.seed)) this.at(at, () => this.strike(which));
    this.at(DAY, () => this.policy.begin(this));
    for (let at = DAY; at <= DAY + 24 * HOUR; at += TICK) this.at(at, () => undefined);
    for (let next = this.agenda.pop(); next && next.at <= DAY + 24 * HOUR; next = this.agenda.pop()) {
      this.now = next.at;
      next.run();
      if (this.agenda.peek()?.at !== this.now) this.policy.decide(this);
    }
    this.now = DAY + 24 * HOUR;
    for (const host of this.hosts) this.unpay(host);
  }

  /** Waiting sessions that may be bound: those without a slot, and those whose gate is open. */
  waiting(gate: number): Session[] {
    return this.sessions.filter(({ phase, start }) => phase === 'waiting' && (start === undefined || start - gate <= this.now));
  }

  live(): Host[] {
    return this.hosts.filter(({ phase }) => phase !== 'gone');
  }

  /** As the scheduler sees it; `as` what it would be. */
  snapshot(host: Host, as: 'now' | 'running' = 'now'): WorkerSnapshot {
    const used = { cpu: 0, memory: 0, storage: 0, nodes: 0 };
    for (const { demand } of host.sessions) {
      for (const name of ['cpu', 'memory', 'storage'] as const) used[name] += demand.resources[name];
      used.nodes += demand.nodeCount;
    }
    const phase = as === 'running' || host.phase === 'running' ? 'Running' : host.phase === 'draining' ? 'Draining' : 'Starting';
    return { ...offerNamed(host.template).fresh, name: host.name, phase, draining: phase === 'Draining', used, sessions: host.sessions.size };
  }

  // ---- what a policy may do

  /** A host that runs from the beginning: a fixed fleet was made the day before. */
  provide(template: string): void {
    const host = this.add(template);
    this.ready(host);
  }

  launch(template: string): Host {
    const host = this.add(template);
    this.launches += 1;
    const number = this.next(`launch/${template}`);
    const fate = launch(this.seed, template, number, this.now, false);
    this.at(this.now + fate.after, () => {
      if (host.phase !== 'starting') return;
      if (fate.kind === 'ready') {
        this.boots.set(template, [...(this.boots.get(template) ?? []), { seconds: fate.after / 1000 }].slice(-20));
        this.failed.set(template, []);
        this.ready(host);
      } else {
        this.failures += 1;
        this.failed.set(template, [...(this.failed.get(template) ?? []), { begunAt: new Date(host.launchedAt), at: new Date(this.now) }]);
        this.remove(host);
      }
    });
    return host;
  }

  resume(host: Host): void {
    Object.assign(host, { phase: 'starting', launchedAt: this.now, lastResumedAt: this.now, paidFrom: this.now });
    this.countUp();
    const fate = launch(this.seed, host.template, this.next(`restart/${host.template}`), this.now, true);
    this.at(this.now + fate.after, () => (fate.kind === 'ready' ? this.ready(host) : this.remove(host)));
  }

  drain(host: Host): void {
    host.phase = 'draining';
    this.stopIfEmpty(host);
  }

  keep(host: Host): void {
    host.phase = 'running';
  }

  bind(session: Session, host: Host): void {
    session.phase = 'bound';
    session.worker = host;
    this.use(host);
    host.sessions.add(session);
    const begins = session.start === undefined ? this.now : Math.max(this.now, session.start - BOOT_LEAD);
    this.at(begins + session.instantiate, () => session.worker === host && this.play(session));
  }

  // ---- what happens

  private arrive(session: Session): void {
    session.phase = 'waiting';
    this.policy.created?.(this, session);
    const limit = session.start === undefined ? session.created + PENDING_ASAP : session.start + MISSED_SLOT;
    this.at(limit + 1, () => session.phase === 'waiting' && this.end(session, 'lost'));
  }

  private play(session: Session): void {
    session.readyAt = this.now;
    const begin = Math.max(this.now, session.start ?? this.now);
    const slotEnd = (session.start ?? begin) + session.maxDuration;
    const over = session.noShow ? begin + NO_SHOW : Math.min(slotEnd, begin + session.work);
    this.at(Math.max(this.now, over) + session.teardown, () => session.phase === 'bound' && this.end(session, 'over'));
  }

  private end(session: Session, phase: 'over' | 'lost'): void {
    const host = session.worker;
    session.phase = phase;
    session.worker = undefined;
    this.policy.ended?.(this, session);
    if (!host) return;
    this.use(host);
    host.sessions.delete(session);
    if (host.sessions.size === 0) host.idleFrom = this.now;
    this.stopIfEmpty(host);
  }

  /** A host dies: sessions that have not begun are placed again, the others are over. */
  private strike(which: number): void {
    const up = this.hosts.filter(({ phase }) => phase === 'running' || phase === 'draining');
    const host = up[Math.floor(which * up.length)];
    if (!host) return;
    const { sessions } = host;
    this.remove(host);
    for (const session of sessions) {
      if (session.readyAt !== undefined) this.end(session, 'over');
      else {
        session.worker = undefined;
        session.phase = 'waiting';
        const limit = session.start === undefined ? this.now + PENDING_ASAP : session.start + MISSED_SLOT;
        this.at(Math.max(this.now, limit) + 1, () => session.phase === 'waiting' && this.end(session, 'lost'));
      }
    }
    this.policy.died?.(this, host);
  }

  private add(template: string): Host {
    const host: Host = { name: `${template}-${String(this.next(`name/${template}`)).padStart(4, '0')}`, template, phase: 'starting', launchedAt: this.now, lastActivityAt: this.now, lastResumedAt: undefined, sessions: new Set(), paidFrom: this.now, idleFrom: undefined };
    this.hosts.push(host);
    this.countUp();
    return host;
  }

  private countUp(): void {
    this.mostWorkers = Math.max(this.mostWorkers, this.hosts.filter(({ phase }) => phase !== 'gone' && phase !== 'stopped').length);
  }

  private ready(host: Host): void {
    if (host.phase !== 'starting') return;
    host.phase = 'running';
    host.idleFrom = this.now;
    host.lastActivityAt = this.now;
  }

  private use(host: Host): void {
    host.lastActivityAt = this.now;
    if (host.idleFrom !== undefined) this.idleHours += (this.now - host.idleFrom) / HOUR;
    host.idleFrom = undefined;
  }

  private stopIfEmpty(host: Host): void {
    if (host.phase !== 'draining' || host.sessions.size > 0) return;
    this.unpay(host);
    host.phase = 'stopped';
  }

  private remove(host: Host): void {
    this.unpay(host);
    host.phase = 'gone';
  }

  private unpay(host: Host): void {
    if (host.phase === 'gone' || host.phase === 'stopped') return;
    if (host.idleFrom !== undefined) this.idleHours += (this.now - host.idleFrom) / HOUR;
    host.idleFrom = undefined;
    this.cost += ((this.now - host.paidFrom) / HOUR) * offerNamed(host.template).costPerHour;
  }

  private at(at: number, run: () => void): void {
    this.entries += 1;
    this.agenda.push({ at, order: this.entries, run, place: -1 });
  }

  private next(of: string): number {
    const number = (this.numbers.get(of) ?? 0) + 1;
    this.numbers.set(of, number);
    return number;
  }
}
