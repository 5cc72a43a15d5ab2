/** The calendar by the hour: what is booked against what there is, by the same calendar that admits bookings (contract §3a). Pure. */
import { buildCalendar } from '../../core/calendar.ts';
import { amountsOf } from '../../core/calendar-columns.ts';
import { CapacityProfile, NOTHING } from '../../core/capacity-profile.ts';
import type { Booking, Fleet } from '../../core/calendar.ts';
import type { Amounts, Interval } from '../../core/capacity-profile.ts';

const HOUR = 3_600_000;
const RESOURCES = ['cpu', 'memory', 'storage', 'nodes', 'ports'] as const;
export type ScarceResource = (typeof RESOURCES)[number];

/** Bookings as the calendar knows them. */
export interface Booked {
  /** On a worker already. */
  bound: readonly { booking: Booking; worker: string }[];
  /** Promised their capacity. */
  admitted: readonly Booking[];
  /** Ask for capacity that the calendar does not have. */
  waiting: readonly Booking[];
}

export interface LoadHour {
  at: string;
  /** Sessions that hold capacity at some time of the hour. */
  sessions: number;
  /** Sessions without a promise that ask for this hour. */
  waiting: number;
  /** Of the scarcest resource, shares of all that may exist: on workers that exist, on those that templates will have to make. */
  existing?: number;
  toBeMade?: number;
  scarcest?: ScarceResource;
  /** Hosts with a promise in this hour. */
  hosts?: number;
}

export interface Load {
  hours: LoadHour[];
  /** Absent: the reader may not see Workers. */
  capacity?: { workers: number; mayBeMade: number; existingShare: Partial<Record<ScarceResource, number>> };
  /** Bookings that were promised capacity which is gone. */
  lost: number;
  notes: string[];
}

/** @param fleet undefined: nobody knows, then only the sessions are counted */
export function loadByHour(booked: Booked, fleet: Fleet | undefined, { now, from, hours }: { now: Date; from: Date; hours: number }, notes: readonly string[]): Load {
  const first = Math.floor(from.getTime() / HOUR) * HOUR;
  const each = Array.from({ length: hours }, (_, index): Interval => ({ from: first + index * HOUR, to: first + (index + 1) * HOUR }));
  const holding = [...booked.bound.map(({ booking }) => booking), ...booked.admitted];
  const counted = (bookings: readonly Booking[], { from: begin, to }: Interval): number => bookings.filter(({ hold }) => hold.from < to && hold.to > begin).length;
  const counts = each.map((hour) => ({ at: new Date(hour.from).toISOString(), sessions: counted(holding, hour), waiting: counted(booked.waiting, hour) }));
  if (!fleet) return { hours: counts, lost: 0, notes: [...notes] };

  const calendar = buildCalendar({ now: now.getTime(), fleet, bound: booked.bound, admitted: booked.admitted });
  const hosts = calendar.promises().map(({ worker, capacity, bookings }) => ({ exists: worker !== undefined, capacity, profile: profileOf(bookings) }));
  const [existing, toBeMade] = [hosts.filter(({ exists }) => exists), hosts.filter(({ exists }) => !exists)];
  const [have, could] = [total(existing), total(toBeMade)];
  const all = plus(have, could);
  return {
    hours: counts.map((count, index): LoadHour => {
      const hour = each[index] as Interval;
      const [on, off] = [peaks(existing, hour), peaks(toBeMade, hour)];
      const scarce = RESOURCES.reduce((most, _, at) => (share(on, off, all, at) > share(on, off, all, most) ? at : most), 0);
      return {
        ...count, existing: ratio(on, all, scarce), toBeMade: ratio(off, all, scarce), scarcest: RESOURCES[scarce] ?? 'cpu',
        hosts: hosts.filter(({ profile }) => profile.peak(hour).some((amount) => amount > 0)).length,
      };
    }),
    capacity: { workers: existing.length, mayBeMade: toBeMade.length, existingShare: Object.fromEntries(RESOURCES.map((name, at) => [name, ratio(have, all, at)])) },
    lost: calendar.lost().length,
    notes: [...notes],
  };
}

function profileOf(bookings: readonly Booking[]): CapacityProfile {
  const profile = new CapacityProfile();
  for (const { hold, demand } of bookings) profile.add(hold, amountsOf(demand));
  return profile;
}

const plus = (a: Amounts, b: Amounts): Amounts => [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4]];
const total = (hosts: readonly { capacity: Amounts }[]): Amounts => hosts.reduce((sum, { capacity }) => plus(sum, capacity), NOTHING);
/** Each host at its fullest: whoever books must find room on one host, not spread over all. */
const peaks = (hosts: readonly { profile: CapacityProfile }[], hour: Interval): Amounts => hosts.reduce((sum, { profile }) => plus(sum, profile.peak(hour)), NOTHING);
const ratio = (part: Amounts, all: Amounts, at: number): number => ((all[at] ?? 0) > 0 ? Math.round(((part[at] ?? 0) / (all[at] ?? 1)) * 1000) / 1000 : 0);
const share = (on: Amounts, off: Amounts, all: Amounts, at: number): number => ratio(on, all, at) + ratio(off, all, at);
