import { randomUuid, type Random } from '../common/random.ts';
import { nodeDefinition } from './definitions.ts';
import type { Topology } from './topology.ts';

type NodeState = 'DEFINED_ON_CORE' | 'STOPPED' | 'QUEUED' | 'STARTED' | 'BOOTED';
/** A lab has no BOOTED state of its own: clients ask whether it converged. */
export type LabState = 'DEFINED_ON_CORE' | 'STOPPED' | 'STARTED';

interface SimInterface {
  readonly id: string;
  readonly label: string;
  readonly slot: number | null;
  readonly type: 'physical' | 'loopback';
  readonly mac: string | null;
}

export interface SimNode {
  readonly id: string;
  readonly definition: string;
  readonly interfaces: readonly SimInterface[];
  /** What the topology says beyond the fields that the simulator understands; handed back unchanged. */
  readonly settings: Record<string, unknown>;
  /** Simulated milliseconds from start to boot. */
  readonly bootDelayMs: number;
  label: string;
  tags: string[];
  configuration: Topology['nodes'][number]['configuration'];
  /** vCPUs and MiB that the node takes while it runs. */
  cpus: number;
  ramMiB: number;
  state: NodeState;
  /** When a STARTED node boots, and when a node told to stop is down; ms since the epoch. */
  bootsAt?: number;
  stopsAt?: number;
}

interface SimLink {
  readonly id: string;
  readonly a: string;
  readonly b: string;
  readonly label: string | null;
}

export interface SimLab {
  readonly id: string;
  readonly owner: string;
  readonly created: string;
  readonly nodes: readonly SimNode[];
  readonly links: readonly SimLink[];
  readonly annotations: readonly Record<string, unknown>[];
  readonly description: string;
  readonly notes: string;
  readonly version: string;
  title: string;
  modified: string;
  smartAnnotations: Record<string, unknown>[];
  /** Set by the fault `never-converge`: one node of the lab stays STARTED for ever. */
  neverConverges: boolean;
}

/** Boot delay of a node in simulated ms, by node definition. */
export type BootDelay = (definition: string) => number;

/** Makes a lab of a topology: every id of the file is replaced by a UUID, as CML does on import. */
export function buildLab(
  topology: Topology,
  context: { owner: string; title: string; at: string; random: Random; bootDelay: BootDelay },
): SimLab {
  const { random } = context;
  const newIds = new Map<string, string>();
  const nodes = topology.nodes.map(({ id, label, node_definition, tags, configuration, interfaces, cpus, ram, ...settings }): SimNode => {
    const definition = nodeDefinition(node_definition);
    return {
      id: randomUuid(random),
      label,
      definition: node_definition,
      tags: [...new Set(tags)],
      configuration,
      cpus: cpus ?? definition?.cpus ?? 1,
      ramMiB: ram ?? definition?.ramMiB ?? 512,
      settings: { ...settings, cpus: cpus ?? null, ram: ram ?? null },
      bootDelayMs: context.bootDelay(node_definition) * (0.75 + random() / 2),
      state: 'DEFINED_ON_CORE',
      interfaces: interfaces.map((port) => {
        const newId = randomUuid(random);
        newIds.set(`${id}/${port.id}`, newId);
        return { id: newId, label: port.label, slot: port.slot ?? null, type: port.type, mac: port.mac_address ?? null };
      }),
    };
  });
  const links = topology.links.map((link) => ({
    id: randomUuid(random),
    a: newIds.get(`${link.n1}/${link.i1}`) ?? '',
    b: newIds.get(`${link.n2}/${link.i2}`) ?? '',
    label: link.label ?? null,
  }));
  const { description, notes, version } = topology.lab;
  const lab: SimLab = {
    id: randomUuid(random), owner: context.owner, title: context.title, created: context.at, modified: context.at,
    description, notes, version, nodes, links, neverConverges: false,
    annotations: topology.annotations.map((annotation) => ({ ...annotation, id: randomUuid(random) })),
    smartAnnotations: topology.smart_annotations.map((annotation) => ({ ...DEFAULT_STYLE, ...annotation, id: randomUuid(random) })),
  };
  alignSmartAnnotations(lab, random);
  return lab;
}

const DEFAULT_STYLE = {
  is_on: true, padding: 35, label: '', tag_offset_x: 0, tag_offset_y: 0, tag_size: 14, group_distance: 400,
  thickness: 1, border_style: '', fill_color: '#00000080', border_color: '#00000080', z_index: 1,
};

/** CML keeps one smart annotation for each tag that a node carries: new tags get one, unused ones lose theirs. */
export function alignSmartAnnotations(lab: SimLab, random: Random): void {
  const tags = new Set(lab.nodes.flatMap((node) => node.tags));
  const kept = lab.smartAnnotations.filter(({ tag }) => typeof tag === 'string' && tags.has(tag));
  const missing = [...tags].filter((tag) => !kept.some((annotation) => annotation['tag'] === tag));
  const colour = (): string => `#${Math.floor(random() * 0xffffff).toString(16).padStart(6, '0').toUpperCase()}80`;
  lab.smartAnnotations = [...kept, ...missing.map((tag) => ({ ...DEFAULT_STYLE, id: randomUuid(random), tag, label: tag, fill_color: colour() }))];
}

const RUNNING: readonly NodeState[] = ['QUEUED', 'STARTED', 'BOOTED'];

/** Whether a node takes part in the simulation, also while it waits for capacity. */
export const isRunning = (node: SimNode): boolean => RUNNING.includes(node.state);

export function labState(lab: SimLab): LabState {
  if (lab.nodes.some(isRunning)) return 'STARTED';
  return lab.nodes.some(({ state }) => state === 'STOPPED') ? 'STOPPED' : 'DEFINED_ON_CORE';
}

/** Whether nothing is on its way: every node is booted, stopped or wiped, and none is being stopped. */
export function hasConverged(lab: SimLab): boolean {
  return lab.nodes.every(({ state, stopsAt }) => state !== 'QUEUED' && state !== 'STARTED' && stopsAt === undefined);
}
