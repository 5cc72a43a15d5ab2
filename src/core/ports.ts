/**
 * Ports of a worker: which numbers a Lab gets. A Lab owns its ports from its creation until it is deleted from the
 * host, through every run (contract §4.1).
 */
import { outsidePort } from './tags.ts';

/** A port that a topology asks for. `name` is unique in the topology. */
export interface PortTemplate {
  readonly name: string;
  /** Label of the node. */
  readonly node: string;
  /** What speaks on the port: that of the tag, or what the definition says. */
  readonly protocol: string;
  /** Port of the node itself, where a `pat` tag names it. */
  readonly inside?: number | undefined;
  /** Console line; only `serial` has one, absent means the node's first. */
  readonly line?: number | undefined;
}

export interface AllocatedPort extends PortTemplate {
  /** Port on the worker. */
  readonly number: number;
}

/** Both ends belong to the range. */
export interface PortRange {
  readonly start: number;
  readonly end: number;
}

export const DEFAULT_PORT_RANGE: PortRange = { start: 2000, end: 7999 };

/** More ports in one lab are refused. */
export const MAX_PORTS_PER_LAB = 50;

export type Allocation =
  | { readonly ok: true; readonly ports: readonly AllocatedPort[] }
  | { readonly ok: false; readonly reason: 'NoPorts'; readonly message: string };

/**
 * Gives every template the lowest free number, in the order of the templates; neighbours follow from that where the
 * range has no holes. All or nothing. A Lab that has ports already (`existing`) keeps them, whatever is taken.
 */
export function allocatePorts(request: {
  readonly range: PortRange;
  readonly taken: ReadonlySet<number>;
  readonly templates: readonly PortTemplate[];
  readonly existing?: readonly AllocatedPort[];
}): Allocation {
  const { range, taken, templates, existing = [] } = request;
  if (existing.length > 0) return { ok: true, ports: existing };
  if (templates.length > MAX_PORTS_PER_LAB) {
    return refused(`the lab asks for ${templates.length} ports; at most ${MAX_PORTS_PER_LAB} are allowed`);
  }
  const ports: AllocatedPort[] = [];
  let candidate = range.start;
  for (const template of templates) {
    while (taken.has(candidate)) candidate += 1;
    if (candidate > range.end) {
      const free = freeCount(range, taken);
      return refused(`the lab needs ${templates.length} ports; ${free} of ${range.start}-${range.end} are free`);
    }
    ports.push({ ...template, number: candidate });
    candidate += 1;
  }
  return { ok: true, ports };
}

function refused(message: string): Allocation {
  return { ok: false, reason: 'NoPorts', message };
}

/** How many numbers of the range are free. */
export function freeCount(range: PortRange, taken: ReadonlySet<number>): number {
  const inRange = [...taken].filter((port) => port >= range.start && port <= range.end).length;
  return Math.max(0, range.end - range.start + 1 - inRange);
}

/** Are `count` numbers of the range free? */
export function hasFree(range: PortRange, taken: ReadonlySet<number>, count: number): boolean {
  // All taken ones in the range: the worst that can be, and mostly enough to know.
  return range.end - range.start + 1 - taken.size >= count || freeCount(range, taken) >= count;
}

/** Every port of a worker that is in use: those of its Labs, in any state, and those of labs that are not ours. */
export function takenPorts(
  labs: Iterable<{ readonly ports: readonly { readonly number: number }[] }>,
  foreign: Iterable<number> = [],
): Set<number> {
  const taken = new Set(foreign);
  for (const lab of labs) for (const { number } of lab.ports) taken.add(number);
  return taken;
}

/**
 * Ports of the range that labs on the host open and that no Lab of ours accounts for: sorted, each once.
 * `isOurs` decides by whatever the host shows of a lab; the rest of the host's labs is only ever counted.
 */
export function foreignPorts<L extends { readonly tags: Iterable<string> }>(
  labsOnHost: Iterable<L>,
  isOurs: (lab: L) => boolean,
  range: PortRange,
): number[] {
  const found = new Set<number>();
  for (const lab of labsOnHost) {
    if (isOurs(lab)) continue;
    for (const tag of lab.tags) {
      const port = outsidePort(tag);
      if (port !== undefined && port >= range.start && port <= range.end) found.add(port);
    }
  }
  return [...found].sort((a, b) => a - b);
}

/** The map name → port that a session shows and events carry. */
export function portMap(ports: readonly Pick<AllocatedPort, 'name' | 'number'>[]): Record<string, number> {
  return Object.fromEntries(ports.map(({ name, number }) => [name, number]));
}
