/** The instances behind the proxy: transitions that take their time, an address for each, and a CML on those that run. */
import { createCmlSimulator, type CmlOptions, type CmlSimulator } from '../cml/simulator.ts';
import { Timers } from '../common/time.ts';
import type { InstanceState, Shown } from './xml.ts';

export interface FleetOptions {
  readonly seed: string;
  readonly timeScale: number;
  /** Simulated ms from a launch or a start to running, from a stop to stopped, from a termination to terminated. */
  readonly transitionMs: number;
  /** First address that instances get; each one after it the next. */
  readonly firstAddress: string;
  /** Port on which each running instance serves a CML; undefined: none does. */
  readonly cmlPort: number | undefined;
  readonly cml: Omit<CmlOptions, 'seed' | 'host' | 'port'>;
  readonly log: (message: string, fields?: Record<string, unknown>) => void;
}

interface Machine {
  readonly address: string;
  /** Where its last transition leads. */
  target: keyof typeof BETWEEN | undefined;
  /** What is shown until the transition is over; undefined: what the upstream says. */
  shown: InstanceState | undefined;
  cml: CmlSimulator | undefined;
  /** Starts and stops of its CML, one after the other. */
  power: Promise<void>;
}

const BETWEEN = { running: 'pending', stopped: 'stopping', terminated: 'shutting-down' } as const;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #timers: Timers;
  readonly #machines = new Map<string, Machine>();
  #made = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#timers = new Timers(options.timeScale);
  }

  /** What is shown of an instance; nothing of one that was made past the proxy. */
  shown(id: string): Shown {
    const machine = this.#machines.get(id);
    return machine ? { state: machine.shown, address: machine.address } : {};
  }

  /** The upstream has the instance in this state from now on; the world sees it a little later. */
  moves(id: string, to: keyof typeof BETWEEN): void {
    const machine = this.#machines.get(id) ?? this.#add(id);
    if (machine.target === to) return;
    machine.target = to;
    machine.shown = BETWEEN[to];
    // The host goes down when its instance begins to, and comes up when it runs.
    if (to !== 'running') this.#power(id, machine, to === 'terminated' ? 'destroy' : 'off');
    this.#timers.after(this.#options.transitionMs, () => {
      if (machine.target !== to) return;
      // For good: moto itself would say of a terminated instance that it is ending, each time it is asked to end it.
      machine.shown = to === 'terminated' ? to : undefined;
      if (to === 'running') this.#power(id, machine, 'on');
    });
  }

  async close(): Promise<void> {
    this.#timers.clear();
    for (const [id, machine] of this.#machines) this.#power(id, machine, 'destroy');
    await Promise.all([...this.#machines.values()].map(({ power }) => power));
    this.#machines.clear();
  }

  #add(id: string): Machine {
    const machine: Machine = { address: addressAfter(this.#options.firstAddress, this.#made++), target: undefined, shown: undefined, cml: undefined, power: Promise.resolve() };
    this.#machines.set(id, machine);
    return machine;
  }

  #power(id: string, machine: Machine, what: 'on' | 'off' | 'destroy'): void {
    const { cmlPort, seed, cml, log, timeScale } = this.#options;
    if (cmlPort === undefined) return;
    machine.power = machine.power.then(async () => {
      if (what === 'on') {
        machine.cml ??= createCmlSimulator({ ...cml, timeScale, seed: `${seed}/${id}`, host: machine.address, port: cmlPort });
        await machine.cml.listen();
      } else {
        await machine.cml?.close();
        if (what === 'destroy') machine.cml = undefined;
      }
    }).catch((error: unknown) => log('the CML of an instance could not be switched', { id, what, error: String(error) }));
  }
}

/** The n-th address after `first`, without .0 and .255 at the end. */
function addressAfter(first: string, n: number): string {
  const [a = 127, b = 0, c = 0, d = 1] = first.split('.').map(Number);
  const index = d - 1 + n;
  const third = c + Math.floor(index / 254);
  return [a, b + Math.floor(third / 256), third % 256, 1 + (index % 254)].join('.');
}
