/** Definition versions as they were frozen: immutable ControllerRevisions with the spec and the topology's text. */
import { CONTROLLER_REVISIONS } from '../api/kinds.ts';
import { revisionName, thaw } from '../core/frozen-definition.ts';
import { NotFoundError } from '../kube/errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ControllerRevision } from '../api/resource.ts';
import type { FrozenDefinition } from '../core/frozen-definition.ts';

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
