/** A day of bookings in waves, and the walk-ins between them: the same for every way of running the fleet. */
import { seededRandom } from '../../hack/sim/common/random.ts';
import type { Random } from '../../hack/sim/common/random.ts';
import type { Demand } from '../../src/core/scheduling.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
/** Midnight before the day. */
export const DAY = Date.UTC(2026, 10, 23);
/** Lab start before the slot, as in the samples. */
export const BOOT_LEAD = 15 * MINUTE;

const GIB = 2 ** 30;

interface Kind {
  share: number;
  demand: Demand;
  maxDuration: number;
}

const demand = (name: string, cpu: number, memory: number, nodeCount: number): Demand => ({
  definition: `exams/${name}@1.0.0`, resources: { cpu, memory: memory * GIB, storage: 40 * GIB }, nodeCount, nodeDefinitions: ['iosv'], portCount: nodeCount,
  images: [], licenseAffinity: [], nestedVirtualization: true, labReuse: false,
});

const KINDS: readonly Kind[] = [
  { share: 0.5, demand: demand('associate', 4, 12, 6), maxDuration: 60 * MINUTE },
  { share: 0.35, demand: demand('professional', 8, 28, 12), maxDuration: 90 * MINUTE },
  { share: 0.15, demand: demand('expert', 16, 60, 24), maxDuration: 120 * MINUTE },
];

/** When the waves culminate, and how many of the day's bookings come with each. */
const WAVES = [{ at: 8.5, share: 0.18 }, { at: 11, share: 0.3 }, { at: 13.5, share: 0.17 }, { at: 16, share: 0.25 }, { at: 19.5, share: 0.1 }] as const;
const SPREAD = 18 * MINUTE;
const GRID = 5 * MINUTE;
const NO_SHOW = 0.05;
/** For each ten bookings one candidate comes without. */
const WALK_INS = 0.1;

/** A session as it will go, if the fleet lets it. */
export interface Booking {
  key: string;
  demand: Demand;
  /** When the controller learns of it. */
  created: number;
  /** Undefined: as soon as possible. */
  start: number | undefined;
  maxDuration: number;
  /** From the import to Ready. */
  instantiate: number;
  /** From the start to the end of the work; a no-show is found out after 30 min. */
  work: number;
  noShow: boolean;
  /** Collection, grading, stop and wipe. */
  teardown: number;
}

export function workload(count: number, seed: string): Booking[] {
  const random = seededRandom(`${seed}/bookings`);
  const booked = Array.from({ length: count }, (_, index) => {
    const wave = pick(WAVES, random);
    const start = DAY + Math.round((wave.at * HOUR + SPREAD * normal(random)) / GRID) * GRID;
    return booking(`exams/booked-${String(index).padStart(4, '0')}`, start, DAY, random);
  });
  const walkIns = Array.from({ length: Math.round(count * WALK_INS) }, (_, index) =>
    booking(`exams/walk-in-${String(index).padStart(4, '0')}`, undefined, DAY + Math.round((8 + 12 * random()) * HOUR), random));
  return [...booked, ...walkIns];
}

function booking(key: string, start: number | undefined, created: number, random: Random): Booking {
  const kind = pick(KINDS, random);
  return {
    key, demand: kind.demand, created, start, maxDuration: kind.maxDuration,
    instantiate: (1.5 + 4 * random()) * MINUTE,
    work: (0.5 + 0.5 * random()) * kind.maxDuration,
    noShow: random() < NO_SHOW,
    teardown: (3 + 6 * random()) * MINUTE,
  };
}

/** One of several by their shares, which add up to 1. */
function pick<T extends { readonly share: number }>(choices: readonly T[], random: Random): T {
  let left = random();
  for (const choice of choices) {
    left -= choice.share;
    if (left < 0) return choice;
  }
  return choices.at(-1) as T;
}

/** Standard normal (Box and Muller). */
export const normal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
