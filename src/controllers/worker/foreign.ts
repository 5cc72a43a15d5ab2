/** Labs on a CML host that no Lab object accounts for: counted, their ports kept off the worker's range, never touched (contract §4.1). */
import { isNotFound } from '../../clients/errors.ts';
import { isOurs } from '../../core/lab-title.ts';
import { foreignPorts } from '../../core/ports.ts';
import type { Lab } from '../../api/lab.ts';
import type { CallOptions } from '../../clients/call.ts';
import type { CmlPort } from '../../clients/cml/port.ts';
import type { PortRange } from '../../core/ports.ts';
import type { Clock } from '../../runtime/clock.ts';

/** The tags of a lab hardly ever change: it is read again after this long (real time). */
const REREAD_MS = 5 * 60_000;

/** Half of a host's slots, so that a look leaves room for the calls that sessions wait for. */
const READERS = 4;

interface Seen {
  title: string;
  ownedByUs: boolean;
  tags: readonly string[];
  at: number;
}

/** A lab on a host that bears our mark and that no Lab object accounts for. */
export interface OrphanLab {
  id: string;
  title: string;
}

export interface ForeignLabs {
  foreignPorts: number[];
  foreignLabs: number;
}

/** What was seen of the labs of one host. A look costs one call, and two more for each lab that is new. */
export class ForeignLabWatch {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly seen = new Map<string, Seen>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
  }

  /** @param own the Lab objects of the worker: their labs, known by id, or by title while the id is not stored yet, are not foreign */
  async look(cml: CmlPort, own: readonly Lab[], world: { clusterId: string; range: PortRange }, call: CallOptions): Promise<ForeignLabs> {
    const ids = new Set(own.flatMap((lab) => lab.status?.cmlLabId ?? []));
    const titles = new Set(own.map((lab) => lab.spec.title));
    const unknown = (await cml.labIds(call)).filter((id) => !ids.has(id));
    for (const id of this.seen.keys()) if (!unknown.includes(id)) this.seen.delete(id);
    const queue = unknown.values();
    const readOn = async (): Promise<void> => {
      for (const id of queue) await this.read(cml, id, call);
    };
    await Promise.all(Array.from({ length: READERS }, readOn));
    const others = [...this.seen.values()];
    return {
      // A lab of ours that lost its object opens its ports as well as any other: only what an object accounts for is left out.
      foreignPorts: foreignPorts(others, (lab) => lab.ownedByUs && titles.has(lab.title), world.range),
      foreignLabs: others.filter((lab) => !(lab.ownedByUs && isOurs(lab.title, world.clusterId))).length,
    };
  }

  /** Of the labs that were seen by the last look: those that we made and that no Lab object names, by id or by title. */
  orphans(own: readonly Lab[], clusterId: string): OrphanLab[] {
    const ids = new Set(own.flatMap((lab) => lab.status?.cmlLabId ?? []));
    const titles = new Set(own.map((lab) => lab.spec.title));
    return [...this.seen].flatMap(([id, { title, ownedByUs }]) => (ownedByUs && isOurs(title, clusterId) && !ids.has(id) && !titles.has(title) ? [{ id, title }] : []));
  }

  /** Kept at once: a look at a host with very many labs may be cut off, and the next one goes on from there. */
  private async read(cml: CmlPort, id: string, call: CallOptions): Promise<void> {
    const known = this.seen.get(id);
    if (known && this.clock.monotonic() - known.at < REREAD_MS) return;
    try {
      const { title, ownedByUs } = await cml.lab(id, call);
      const nodes = await cml.nodes(id, call);
      this.seen.set(id, { title, ownedByUs, tags: nodes.flatMap((node) => node.tags), at: this.clock.monotonic() });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.seen.delete(id);
    }
  }
}
