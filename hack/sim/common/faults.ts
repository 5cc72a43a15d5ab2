import { z } from 'zod';
import { seededRandom, type Random } from './random.ts';

/** How a fault is switched: from the command line (`--fault NAME=RATE`) or by `POST /sim/fault`. */
export const faultSwitch = z.strictObject({
  name: z.string(),
  /** Share of the calls that are hit, 0..1; 0 switches the fault off. */
  rate: z.number().min(0).max(1).default(1),
  /** The fault switches itself off after so many hits; absent: never. */
  times: z.int().positive().optional(),
  /** Only calls whose `METHOD /path` contains this text are hit; absent: all. */
  route: z.string().optional(),
});
export type FaultSwitch = z.input<typeof faultSwitch>;

interface Armed {
  readonly rate: number;
  readonly route: string;
  left: number;
}

/** Raised for a fault that the simulator does not know; the message lists those that it does. */
export class UnknownFault extends Error {
  constructor(name: string, known: readonly string[]) {
    super(`no fault is called "${name}"; there are: ${known.join(', ')}`);
    this.name = 'UnknownFault';
  }
}

/**
 * The faults of one simulator. Each fault draws from its own seeded sequence,
 * so that switching one on does not change when another strikes.
 */
export class Faults {
  readonly #known: readonly string[];
  readonly #seed: string;
  readonly #initial: readonly FaultSwitch[];
  readonly #armed = new Map<string, Armed>();
  readonly #random = new Map<string, Random>();
  readonly #hits = new Map<string, number>();

  /** @throws UnknownFault when `initial` names a fault that is not in `known` */
  constructor(known: readonly string[], initial: readonly FaultSwitch[], seed: string) {
    this.#known = known;
    this.#seed = seed;
    this.#initial = initial;
    this.reset();
  }

  /** Back to the faults that the simulator was started with, with fresh sequences. */
  reset(): void {
    this.#armed.clear();
    this.#random.clear();
    this.#hits.clear();
    for (const fault of this.#initial) this.set(fault);
  }

  /** @throws UnknownFault */
  set(input: FaultSwitch): void {
    const fault = faultSwitch.parse(input);
    if (!this.#known.includes(fault.name)) throw new UnknownFault(fault.name, this.#known);
    if (fault.rate === 0) this.#armed.delete(fault.name);
    else this.#armed.set(fault.name, { rate: fault.rate, route: fault.route ?? '', left: fault.times ?? Infinity });
  }

  /** Whether `name` hits this call; each question is one draw. */
  strikes(name: string, route = ''): boolean {
    const fault = this.#armed.get(name);
    if (fault === undefined || !route.includes(fault.route)) return false;
    const random = this.#random.get(name) ?? seededRandom(`${this.#seed}/fault/${name}`);
    this.#random.set(name, random);
    if (random() >= fault.rate) return false;
    this.#hits.set(name, (this.#hits.get(name) ?? 0) + 1);
    fault.left -= 1;
    if (fault.left <= 0) this.#armed.delete(name);
    return true;
  }

  /** What is armed and how often each fault struck, for `GET /sim/faults`. */
  report(): { armed: Record<string, { rate: number; route: string; left: number | null }>; hits: Record<string, number> } {
    const armed = [...this.#armed].map(([name, { rate, route, left }]) => [name, { rate, route, left: left === Infinity ? null : left }] as const);
    return { armed: Object.fromEntries(armed), hits: Object.fromEntries(this.#hits) };
  }
}
