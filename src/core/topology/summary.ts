/** All that a definition's status and a session's pipeline want to know about a topology (contract §1.1). */
import { sha256Hex } from '../canonical.ts';
import { portMap } from '../ports.ts';
import type { AllocatedPort, PortTemplate } from '../ports.ts';
import type { DeviceNode, DeviceOverride } from './devices.ts';
import { ldsDevices } from './devices.ts';
import { InvalidTopologyError } from './error.ts';
import { MAX_TOPOLOGY_BYTES, parseTopology } from './parse.ts';
import type { Topology } from './parse.ts';
import { extractPorts } from './ports.ts';
import type { DeclaredPort } from './ports.ts';
import { rewriteParsed } from './rewrite.ts';

export interface TopologySummary {
  /** Of the exact bytes; hexadecimal, lower case. */
  readonly sha256: string;
  /** The bytes as text; encoded again they are the same bytes. */
  readonly text: string;
  readonly nodeCount: number;
  /** Sorted, each once. */
  readonly nodeDefinitions: readonly string[];
  readonly ports: readonly PortTemplate[];
  /** With the tags as the file has them, placeholders and all. */
  readonly nodes: readonly DeviceNode[];
}

/**
 * Reads and checks a topology completely: when this returns, `rewriteTopology` succeeds for every allocation of
 * `ports`, so a fault shows when the definition is synced and not when a candidate waits.
 *
 * @param ports the definition's `spec.ports`, if it has any
 * @param devices the definition's `spec.devices`
 * @throws InvalidTopologyError
 */
export function summarizeTopology(
  bytes: Uint8Array,
  { ports: declared, devices = [] }: { ports?: readonly DeclaredPort[] | undefined; devices?: readonly DeviceOverride[] | undefined } = {},
): TopologySummary {
  const text = decode(bytes);
  const topology = parseTopology(text);
  const ports = extractPorts(topology, declared);
  // The widest numbers there are: a tag that fits with them fits with all.
  const trial = ports.map((port, index) => ({ ...port, number: 65_535 - index }));
  rewriteParsed(text, topology, portMap(trial), declared);
  const nodes = nodesOf(topology);
  checkDevices(nodes, trial, devices);
  return {
    sha256: sha256Hex(bytes),
    text,
    nodeCount: nodes.length,
    nodeDefinitions: [...new Set(nodes.map(({ nodeDefinition }) => nodeDefinition))].sort(),
    ports,
    nodes,
  };
}

function nodesOf({ nodes }: Topology): DeviceNode[] {
  return nodes.map(({ label, nodeDefinition, tags }) => ({ label, nodeDefinition, tags: tags.map(({ value }) => value) }));
}

function decode(bytes: Uint8Array): string {
  if (bytes.byteLength > MAX_TOPOLOGY_BYTES) {
    throw new InvalidTopologyError(`the topology is larger than ${MAX_TOPOLOGY_BYTES / 1024} KiB`, { reason: 'TopologyTooLarge' });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InvalidTopologyError('the file is not UTF-8 text');
  }
}

/** An override that could have no effect is a mistake in a label. */
function checkDevices(nodes: readonly DeviceNode[], ports: readonly AllocatedPort[], devices: readonly DeviceOverride[]): void {
  const shown = new Set(ldsDevices(nodes, ports, 'worker', devices).map(({ label }) => label));
  for (const { label, visible } of devices) {
    if (!nodes.some((node) => node.label === label)) {
      throw new InvalidTopologyError('spec.devices names a node that the topology does not have', { node: label });
    }
    if (visible === true && !shown.has(label)) {
      throw new InvalidTopologyError('spec.devices makes the node visible, but no port tag of it can be shown; add one, e.g. serial:5000', { node: label });
    }
  }
}
