/**
 * The columns of the calendar: each is a worker, or one that a template may still make, with what is promised on it.
 */
import { CapacityProfile } from './capacity-profile.ts';
import { bitsFor, setBit } from './slot-index.ts';
import type { Amounts, Interval } from './capacity-profile.ts';
import type { Demand, WorkerSnapshot } from './scheduling.ts';
import type { Bits } from './slot-index.ts';

/** What is asked of the calendar: room for a demand through `hold`. */
export interface Booking {
  /** uid of the session. */
  readonly key: string;
  readonly demand: Demand;
  /** From bootLeadTime before the start to 50 min after the end. */
  readonly hold: Interval;
  /** From the beginning of the hold to the start of the slot. */
  readonly lead: number;
  /** booked: the host must be up when the hold begins. soon: as soon as possible, be it once a host has booted. */
  readonly kind: 'booked' | 'soon';
}

/** A worker that serves sessions, or could again without anybody's leave: running, coming, stopped or drained by the autoscaler. */
export interface FleetWorker {
  readonly facts: WorkerSnapshot;
  readonly template: string | undefined;
  /** up: it can take sessions now. coming: expected at `readyAt`. down: it needs its lead time from when it is called. */
  readonly state: 'up' | 'coming' | 'down';
  readonly readyAt?: number | undefined;
  /** Milliseconds. */
  readonly leadTime: number;
  /** Held by Labs that no session has claimed, and by labs that are not ours. */
  readonly kept: { readonly storage: number; readonly ports: number };
}

export interface FleetTemplate {
  readonly name: string;
  /** A worker as it would be made; its name is that of the template. */
  readonly facts: WorkerSnapshot;
  readonly leadTime: number;
  readonly costPerHour: number;
  /** How many more workers may be made of it. */
  readonly room: number;
}

export interface Fleet {
  readonly workers: readonly FleetWorker[];
  readonly templates: readonly FleetTemplate[];
}

/** Where an admitted booking has its room: on a worker, or on one that is yet to be made from the template. */
export interface Fit {
  readonly worker: string | undefined;
  readonly template: string | undefined;
}

export interface Held {
  booking: Booking;
  amounts: Amounts;
  column: Column;
  /** A session holds it on the worker itself: it cannot be moved. */
  bound: boolean;
}

export interface Column {
  /** Its place in the index. */
  at: number;
  worker: string | undefined;
  template: string | undefined;
  facts: WorkerSnapshot;
  capacity: Amounts;
  profile: CapacityProfile;
  held: Map<string, Held>;
  state: FleetWorker['state'];
  readyAt: number;
  leadTime: number;
}

/**
 * The columns for a fleet as it is now. A new worker takes over from a column of its template that was to be made, the
 * one that is needed first; a worker that is gone leaves its promises to one that its template may make.
 */
export function successors(columns: readonly Column[], { workers, templates }: Fleet): Column[] {
  const byWorker = new Map(columns.flatMap((column) => (column.worker === undefined ? [] : [[column.worker, column]])));
  const kept = new Set(workers.map(({ facts }) => facts.name));
  const spare = new Map<string, Column[]>();
  for (const column of columns) if (column.worker === undefined || !kept.has(column.worker)) push(spare, column.template ?? '', column);
  for (const those of spare.values()) those.sort((a, b) => firstHold(a) - firstHold(b));
  return [
    ...workers.toSorted((a, b) => (a.facts.name < b.facts.name ? -1 : 1)).map((worker) => columnOf(worker, byWorker.get(worker.facts.name) ?? takeNeeded(spare, worker.template))),
    ...templates.toSorted((a, b) => a.costPerHour - b.costPerHour || (a.name < b.name ? -1 : 1)).flatMap((template) =>
      Array.from({ length: template.room }, () => virtualColumn(template, spare.get(template.name)?.shift()))),
  ];
}

/** From then on these columns are in service. */
interface Step {
  from: number;
  bits: Bits;
}

/** Which columns are in service from an instant on, or can be. */
export class ServiceOrder {
  private readonly columns: readonly Column[];
  private known: { now: number; steps: Step[] } | undefined;

  constructor(columns: readonly Column[]) {
    this.columns = columns;
  }

  /** The same set for instants between which nothing comes into service. For what starts as soon as possible every column will do. */
  from(instant: number, kind: Booking['kind'], now: number): Bits {
    if (this.known?.now !== now) this.known = { now, steps: this.stepsAt(now) };
    const { steps } = this.known;
    let found = (steps[0] as Step).bits;
    for (const { from, bits } of steps) if (kind === 'soon' || from <= instant) found = bits;
    return found;
  }

  private stepsAt(now: number): Step[] {
    const order = this.columns.map((column, at) => ({ at, ready: readyFrom(column, now) })).sort((a, b) => a.ready - b.ready);
    let last: Step = { from: -Infinity, bits: bitsFor(this.columns.length) };
    const steps = [last];
    for (const { at, ready } of order) {
      if (last.from !== ready) steps.push(last = { from: ready, bits: last.bits.slice() });
      setBit(last.bits, at);
    }
    return steps;
  }
}

export const fitOf = ({ worker, template }: Column): Fit => ({ worker, template });
export const byTime = (a: Booking, b: Booking): number => a.hold.from - b.hold.from || a.hold.to - b.hold.to || (a.key < b.key ? -1 : 1);
const firstHold = ({ held }: Column): number => Math.min(...[...held.values()].map(({ booking }) => booking.hold.from));

/** From when on the column can serve. */
export function readyFrom({ state, readyAt, leadTime }: Column, now: number): number {
  if (state === 'up') return -Infinity;
  return state === 'coming' ? Math.max(now, readyAt) : now + leadTime;
}

const amountsKept = new WeakMap<Demand, Amounts>();

export function amountsOf(demand: Demand): Amounts {
  const known = amountsKept.get(demand);
  if (known) return known;
  const { resources: { cpu, memory, storage }, nodeCount, portCount } = demand;
  const made: Amounts = [Math.round(cpu * 1000), Math.ceil(memory), Math.ceil(storage), nodeCount, portCount];
  amountsKept.set(demand, made);
  return made;
}

const classKeys = new WeakMap<Demand, string>();

/** Definitions that need the same are one class. */
export function classKey(demand: Demand): string {
  const known = classKeys.get(demand);
  if (known !== undefined) return known;
  const { resources, nodeCount, portCount, nodeDefinitions, images, licenseAffinity, nestedVirtualization } = demand;
  const made = JSON.stringify([resources, nodeCount, portCount, nodeDefinitions, images, licenseAffinity, nestedVirtualization]);
  classKeys.set(demand, made);
  return made;
}

export function capacityOf({ declared, nodeLimit, portRange }: WorkerSnapshot, kept: FleetWorker['kept']): Amounts {
  return [Math.round(declared.cpu * 1000), Math.floor(declared.memory), Math.floor(declared.storage - kept.storage), nodeLimit, portRange.end - portRange.start + 1 - kept.ports];
}

function columnOf({ facts, template, state, readyAt, leadTime, kept }: FleetWorker, before: Column | undefined): Column {
  return { at: 0, worker: facts.name, template, facts, capacity: capacityOf(facts, kept), profile: before?.profile ?? new CapacityProfile(), held: before?.held ?? new Map<string, Held>(), state, readyAt: readyAt ?? 0, leadTime };
}

function virtualColumn({ name, facts, leadTime }: FleetTemplate, before: Column | undefined): Column {
  return { at: 0, worker: undefined, template: name, facts, capacity: capacityOf(facts, { storage: 0, ports: 0 }), profile: before?.profile ?? new CapacityProfile(), held: before?.held ?? new Map<string, Held>(), state: 'down', readyAt: 0, leadTime };
}

function takeNeeded(spare: Map<string, Column[]>, template: string | undefined): Column | undefined {
  return template === undefined ? undefined : spare.get(template)?.shift();
}

function push(map: Map<string, Column[]>, key: string, column: Column): void {
  const list = map.get(key);
  if (list) list.push(column);
  else map.set(key, [column]);
}

const view = ({ worker, template, capacity, state, readyAt, leadTime, facts }: Column): string =>
  JSON.stringify([worker, template, capacity, state, readyAt, leadTime, facts.license, facts.imageName, facts.cmlVersion, [...(facts.nodeDefinitions ?? [])], facts.nestedVirtualization, facts.provider]);

export const isSame = (a: Column, b: Column | undefined): boolean => b !== undefined && a.held === b.held && view(a) === view(b);
