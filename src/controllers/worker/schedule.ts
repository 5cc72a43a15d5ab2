/** When a CML host is asked: every second or so while somebody waits for it, now and then while all is well. */
import { ForeignLabWatch } from './foreign.ts';
import type { Worker } from '../../api/worker.ts';
import type { Probe } from '../../core/worker-world.ts';
import type { Clock } from '../../runtime/clock.ts';

/** A worker that starts, or that does not answer, is asked so often (real time). */
const IMPATIENT_MS = 1_000;
/** Something that a person must set is looked for so often (real time). */
const UNCONFIGURED_MS = 5_000;

interface Asked {
  at: number;
  /** The endpoint and credentials that were used: others are tried at once. */
  spec: string;
  state: Probe['state'];
}

/** Remembers when each host was asked; a restart asks once more, which is harmless. */
export class ProbeSchedule {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly periodMs: number;
  private readonly asks = new Map<string, Asked>();
  private readonly foreign = new Map<string, ForeignLabWatch>();

  /** @param periodMs between two looks at a host that is well */
  constructor(clock: Pick<Clock, 'monotonic'>, periodMs: number) {
    this.clock = clock;
    this.periodMs = periodMs;
  }

  /** In how many milliseconds the host is to be asked; undefined: its phase does not depend on it. */
  dueIn(worker: Worker): number | undefined {
    const { spec, status, metadata } = worker;
    const isMachine = spec.provider === 'ec2';
    // A machine has an address, and a CML to ask, only while it runs.
    if (isMachine && (status?.instanceState !== 'running' || status.endpoint === undefined)) return undefined;
    const phase = status?.phase ?? 'Pending';
    const resumes = !isMachine && phase === 'Stopped' && spec.desiredState === 'Running' && !status?.drain;
    if (!['Starting', 'Running', 'Draining'].includes(phase) && !resumes) return undefined;
    const last = this.asks.get(metadata.uid);
    if (last?.spec !== specKey(worker)) return 0;
    const wellKnown = phase !== 'Starting' && !resumes && last.state === 'ready';
    const impatient = last.state === 'unconfigured' ? UNCONFIGURED_MS : IMPATIENT_MS;
    return Math.max(0, last.at + (wellKnown ? this.periodMs : Math.min(impatient, this.periodMs)) - this.clock.monotonic());
  }

  asked(worker: Worker, { state }: Probe): void {
    this.asks.set(worker.metadata.uid, { at: this.clock.monotonic(), spec: specKey(worker), state });
  }

  /** What is remembered of the labs on the host. */
  foreignLabs(worker: Worker): ForeignLabWatch {
    const { uid } = worker.metadata;
    const watch = this.foreign.get(uid) ?? new ForeignLabWatch(this.clock);
    this.foreign.set(uid, watch);
    return watch;
  }

  forget(uid: string): void {
    this.asks.delete(uid);
    this.foreign.delete(uid);
  }
}

const specKey = ({ spec, status }: Worker): string => JSON.stringify([spec.endpoint ?? status?.endpoint, spec.overrides]);
