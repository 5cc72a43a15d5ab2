import type { Faults } from '../common/faults.ts';
import { seededRandom, type Random } from '../common/random.ts';
import { HttpProblem } from '../common/web.ts';
import { alignSmartAnnotations, buildLab, isRunning, labState, type BootDelay, type SimLab, type SimNode } from './lab.ts';
import { InvalidTopology, parseTopology, title as titleSchema, type Topology } from './topology.ts';

/** What `GET /telemetry/events` lists. */
export interface TelemetryEvent {
  readonly category: string;
  readonly timestamp: string;
  readonly data: Record<string, unknown>;
}

export interface HostOptions {
  seed: string;
  now: () => number;
  /** Simulated milliseconds are divided by this. */
  timeScale: number;
  bootDelay: BootDelay;
  /** Simulated ms from the order to stop until the nodes are down. */
  stopDelayMs: number;
  capacity: { cpus: number; memoryMiB: number };
  /** How many nodes may run under the licence; Infinity for no limit, 0 without a licence. */
  nodeLimit: () => number;
  faults: Faults;
}

const refuse = (message: string): never => {
  throw new HttpProblem(400, message);
};

/** The labs of one CML host. Time passes when somebody asks: `advance` brings every lab to the present. */
export class CmlHost {
  readonly #options: HostOptions;
  readonly #labs = new Map<string, SimLab>();
  #events: TelemetryEvent[] = [];
  #random: Random;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#random = seededRandom(`${options.seed}/cml`);
  }

  reset(): void {
    this.#labs.clear();
    this.#events = [];
    this.#random = seededRandom(`${this.#options.seed}/cml`);
  }

  /** All labs, oldest first, as they are now. */
  labs(): SimLab[] {
    this.advance();
    return [...this.#labs.values()];
  }

  /** @throws HttpProblem 404 with the very words by which clients recognise a lost lab */
  lab(id: string): SimLab {
    this.advance();
    return this.#labs.get(id) ?? refuseUnknown('Lab', id);
  }

  node(labId: string, nodeId: string): SimNode {
    return this.lab(labId).nodes.find(({ id }) => id === nodeId) ?? refuseUnknown('Node', nodeId);
  }

  telemetry(): readonly TelemetryEvent[] {
    return this.#events;
  }

  /** Creates a lab of a lab file; `title` overrides the one in the file. @throws HttpProblem 400 */
  import(text: string, owner: string, title: string | undefined): SimLab {
    if (this.#options.faults.strikes('import-400')) refuse('injected fault: import-400');
    const topology = readTopology(text);
    const chosen = titleSchema.safeParse(title ?? topology.lab.title ?? 'Imported lab');
    if (!chosen.success) return refuse('Invalid lab title: 1 to 64 characters are allowed');
    const at = new Date(this.#options.now()).toISOString();
    const lab = buildLab(topology, { owner, title: chosen.data, at, random: this.#random, bootDelay: this.#options.bootDelay });
    this.#labs.set(lab.id, lab);
    this.note('import_lab', { lab_id: lab.id });
    return lab;
  }

  /** Starts the nodes that do not run yet. @throws HttpProblem 400 when the licence does not allow for them */
  start(id: string): void {
    const lab = this.lab(id);
    if (this.#options.faults.strikes('start-400')) refuse('injected fault: start-400');
    if (this.#options.faults.strikes('never-converge')) lab.neverConverges = true;
    const idle = lab.nodes.filter((node) => !isRunning(node));
    const running = this.#runningNodes().length;
    const limit = this.#options.nodeLimit();
    if (running + idle.length > limit) {
      refuse(`Licensing issue: ${running + idle.length} nodes would run, the license allows ${limit}`);
    }
    for (const node of lab.nodes) delete node.stopsAt;
    for (const node of idle) node.state = 'QUEUED';
    this.note('start_lab', { lab_id: id });
    this.advance();
  }

  /** Orders the running nodes to stop; they are down a little later. */
  stop(id: string): void {
    const { now, stopDelayMs, timeScale } = this.#options;
    for (const node of this.lab(id).nodes) {
      if (isRunning(node)) node.stopsAt ??= node.state === 'QUEUED' ? now() : now() + stopDelayMs / timeScale;
    }
    this.note('stop_lab', { lab_id: id });
    this.advance();
  }

  /** @throws HttpProblem 400 while a node runs */
  wipe(id: string): void {
    const lab = this.lab(id);
    if (labState(lab) === 'STARTED') refuse(`Lab ${id} must be stopped before it can be wiped`);
    for (const node of lab.nodes) {
      node.state = 'DEFINED_ON_CORE';
      this.note('wipe_node', { lab_id: id, node_id: node.id });
    }
    lab.neverConverges = false;
  }

  /** @throws HttpProblem 400 unless the lab is stopped and wiped */
  remove(id: string): void {
    const state = labState(this.lab(id));
    if (state !== 'DEFINED_ON_CORE') refuse(`Lab ${id} is ${state}: it must be stopped and wiped before it can be deleted`);
    this.#labs.delete(id);
  }

  /** Takes a lab away without a trace, as a crash of the host's disk would. */
  lose(id: string): void {
    this.#labs.delete(id);
  }

  /** Replaces the tags of a node; its smart annotations follow. */
  retag(labId: string, nodeId: string, tags: readonly string[]): void {
    this.node(labId, nodeId).tags = [...new Set(tags)];
    alignSmartAnnotations(this.lab(labId), this.#random);
    this.touch(labId);
  }

  touch(labId: string): void {
    this.lab(labId).modified = new Date(this.#options.now()).toISOString();
  }

  note(category: string, data: Record<string, unknown>): void {
    this.#events = [...this.#events.slice(-999), { category, timestamp: new Date(this.#options.now()).toISOString(), data }];
  }

  /** What the running nodes take. */
  usage(): { cpus: number; memoryMiB: number; nodes: number } {
    const nodes = this.#runningNodes().filter(({ state }) => state !== 'QUEUED');
    const sum = (of: (node: SimNode) => number): number => nodes.reduce((total, node) => total + of(node), 0);
    return { cpus: sum(({ cpus }) => cpus), memoryMiB: sum(({ ramMiB }) => ramMiB), nodes: nodes.length };
  }

  /** Lets time pass up to now: nodes stop, queued ones start as far as there is room, started ones boot. */
  advance(): void {
    const now = this.#options.now();
    const everyNode = [...this.#labs.values()].flatMap((lab) => lab.nodes.map((node) => ({ lab, node })));
    const note = (category: string, lab: SimLab, node: SimNode): void => this.note(category, { lab_id: lab.id, node_id: node.id });
    for (const { lab, node } of everyNode) {
      if (node.stopsAt === undefined || node.stopsAt > now) continue;
      node.state = 'STOPPED';
      delete node.stopsAt;
      delete node.bootsAt;
      note('stop_node', lab, node);
    }
    for (const { lab, node } of everyNode) {
      if (node.state === 'QUEUED' && this.#hasRoomFor(node)) {
        node.state = 'STARTED';
        node.bootsAt = lab.neverConverges && node === lab.nodes.at(-1) ? Infinity : now + node.bootDelayMs / this.#options.timeScale;
        note('start_node', lab, node);
      }
      if (node.state === 'STARTED' && (node.bootsAt ?? 0) <= now) {
        node.state = 'BOOTED';
        note('boot_node', lab, node);
      }
    }
  }

  #runningNodes(): SimNode[] {
    return [...this.#labs.values()].flatMap((lab) => lab.nodes.filter(isRunning));
  }

  #hasRoomFor(node: SimNode): boolean {
    const used = this.usage();
    const { cpus, memoryMiB } = this.#options.capacity;
    return used.cpus + node.cpus <= cpus && used.memoryMiB + node.ramMiB <= memoryMiB;
  }
}

function refuseUnknown(kind: 'Lab' | 'Node', id: string): never {
  throw new HttpProblem(404, `${kind} not found: ${id}`);
}

function readTopology(text: string): Topology {
  try {
    return parseTopology(text);
  } catch (error) {
    if (error instanceof InvalidTopology) return refuse(error.message);
    throw error;
  }
}
