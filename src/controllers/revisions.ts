/** Definition versions as they were frozen: immutable ControllerRevisions with the spec and the topology's text. */
import { z } from 'zod';
import { CONTROLLER_REVISIONS } from '../api/kinds.ts';
import { labletDefinitionSpec } from '../api/labletdefinition.ts';
import { sha256 } from '../api/schema.ts';
import { summarizeTopology } from '../core/topology/summary.ts';
import { NotFoundError } from '../kube/errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ControllerRevision } from '../api/resource.ts';
import type { DeviceNode } from '../core/topology/devices.ts';
import type { PinnedDefinition } from '../core/definition.ts';

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

const KEPT = 128;

/** Reads revisions by name and keeps the newest used ones: they never change, so a kept one is never stale. */
export class RevisionStore {
  private readonly client: KubeClient;
  private readonly kept = new Map<string, FrozenDefinition>();

  constructor(client: KubeClient) {
    this.client = client;
  }

  /** The frozen version of a definition; undefined if there is none. `uid` tells a definition from an earlier one of its name. */
  async get(definition: { namespace: string; name: string; uid: string }, version: string, signal: AbortSignal): Promise<FrozenDefinition | undefined> {
    const key = `${definition.uid}/${version}`;
    const kept = this.kept.get(key);
    if (kept) {
      this.kept.delete(key);
      this.kept.set(key, kept);
      return kept;
    }
    const revision = await this.read(definition.namespace, revisionName(definition.name, version), signal);
    if (!revision) return undefined;
    const frozen = thaw(revision, definition);
    this.kept.set(key, frozen);
    const oldest = this.kept.keys().next();
    if (this.kept.size > KEPT && !oldest.done) this.kept.delete(oldest.value);
    return frozen;
  }

  private async read(namespace: string, name: string, signal: AbortSignal): Promise<ControllerRevision | undefined> {
    try {
      return await this.client.get(CONTROLLER_REVISIONS, name, namespace, { signal });
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }
}

function thaw(revision: ControllerRevision, { namespace, name }: { namespace: string; name: string }): FrozenDefinition {
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
