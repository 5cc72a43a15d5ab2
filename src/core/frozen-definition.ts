/** A definition version as it was frozen in an immutable ControllerRevision (contract §1.1): its spec and its topology's text, and what follows from them. */
import { z } from 'zod';
import { labletDefinitionSpec } from '../api/labletdefinition.ts';
import { sha256 } from '../api/schema.ts';
import { summarizeTopology } from './topology/summary.ts';
import type { ControllerRevision } from '../api/resource.ts';
import type { PinnedDefinition } from './definition.ts';
import type { DeviceNode } from './topology/devices.ts';

/** `data` of a ControllerRevision of ours. */
export const revisionData = z.object({ version: z.string(), sha256: sha256(), spec: labletDefinitionSpec, topology: z.string() });
export type RevisionData = z.output<typeof revisionData>;

/** A frozen version with everything that is derived from its topology. */
export interface FrozenDefinition {
  definition: PinnedDefinition;
  /** The topology before ports are filled in. */
  topology: string;
  nodes: readonly DeviceNode[];
}

/** Name of the ControllerRevision of a version; `+build` is not allowed in names and does not order versions. */
export function revisionName(definition: string, version: string): string {
  return `${definition}-${version.replace(/\+.*$/, '').toLowerCase()}`;
}

/** @throws z.ZodError if the revision is none of ours */
export function thaw(revision: ControllerRevision, { namespace, name }: { namespace: string; name: string }): FrozenDefinition {
  const data = revisionData.parse(revision.data);
  const summary = summarizeTopology(new TextEncoder().encode(data.topology), topologyOptions(data.spec));
  const owner = revision.metadata.ownerReferences?.[0]?.uid ?? revision.metadata.uid;
  return {
    definition: {
      namespace, name, uid: owner, version: data.version, sha256: data.sha256, spec: data.spec,
      nodeCount: summary.nodeCount, nodeDefinitions: [...summary.nodeDefinitions], ports: [...summary.ports],
    },
    topology: data.topology,
    nodes: summary.nodes,
  };
}

/** What the definition itself says of ports and devices, for reading its topology. */
function topologyOptions({ ports, devices }: RevisionData['spec']): Parameters<typeof summarizeTopology>[1] {
  return { ...(ports ? { ports } : {}), ...(devices ? { devices } : {}) };
}
