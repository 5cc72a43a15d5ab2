/** Stores versions as immutable ControllerRevisions, so that a running session never sees a later edit (contract §1.1). */
import { API_VERSION, LABELS, MANAGER } from '../../api/group.ts';
import { LABLET_DEFINITIONS } from '../../api/kinds.ts';
import { CONTROLLER_REVISIONS } from '../../api/resource.ts';
import { AlreadyExistsError, ConflictError, NotFoundError, isNamespaceTerminating } from '../../kube/errors.ts';
import { RetryableError, TerminalError } from '../../runtime/result.ts';
import { revisionData, revisionName } from '../../core/frozen-definition.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { FrozenVersion } from '../../core/definition-lifecycle.ts';
import type { KubeClient } from '../../kube/client.ts';

/** The name under which a version would be stored belongs to something else, which is not ours to remove. */
export class RevisionTakenError extends Error {
  override readonly name = 'RevisionTakenError';
}

/**
 * Creates the revision, or finds it: a crash between it and the status write leaves one behind, and what is stored then
 * is the version, whatever the source says by now. A revision of another owner is what is left of an earlier definition
 * of this name: it goes first.
 * @returns what is stored
 * @throws RetryableError while a left-over goes, RevisionTakenError if the name is not ours, TerminalError if the namespace goes
 */
export async function freeze(client: KubeClient, definition: LabletDefinition, frozen: FrozenVersion, signal: AbortSignal): Promise<FrozenVersion> {
  const { name: definitionName, namespace = '', uid } = definition.metadata;
  const name = revisionName(definitionName, frozen.version);
  // Blocking the deletion of the owner would need a right on its finalizers where the cluster checks that.
  const owner = { apiVersion: API_VERSION, kind: LABLET_DEFINITIONS.kind, name: definitionName, uid, controller: true };
  try {
    await client.create(CONTROLLER_REVISIONS, {
      metadata: {
        name, namespace, ownerReferences: [owner],
        labels: { [LABELS.definition]: definitionName, [LABELS.version]: frozen.version, [LABELS.managedBy]: MANAGER },
      },
      revision: (definition.status?.versions?.length ?? 0) + 1,
      data: frozen,
    }, { signal });
    return frozen;
  } catch (error) {
    if (isNamespaceTerminating(error)) throw new TerminalError(`namespace ${namespace} is being deleted: no version can be stored in it`, { cause: error });
    if (!(error instanceof AlreadyExistsError)) throw error;
  }
  const existing = await client.get(CONTROLLER_REVISIONS, name, namespace, { signal });
  const taken = (): RevisionTakenError => new RevisionTakenError(`ControllerRevision ${namespace}/${name} exists and is not a stored version of ${definitionName}. Raise spec.version, or remove it.`);
  const owners = existing.metadata.ownerReferences ?? [];
  if (!owners.some((reference) => reference.uid === uid)) {
    // Only what an earlier definition of this very name has left: "edge" at 1.0.0-2.0.0 and "edge-1.0.0" at 2.0.0 want the same name.
    if (!owners.some((reference) => reference.kind === owner.kind && reference.name === definitionName)) throw taken();
    await remove(client, namespace, name, existing.metadata.uid, signal);
    throw new RetryableError(`ControllerRevision ${namespace}/${name} was left behind by an earlier definition and is being removed`);
  }
  const stored = revisionData.safeParse(existing.data);
  if (stored.success && stored.data.version === frozen.version) return stored.data;
  throw taken();
}

/** Removes the stored copies of versions that nobody uses any more. */
export async function forget(client: KubeClient, definition: LabletDefinition, versions: readonly string[], signal: AbortSignal): Promise<void> {
  const { name, namespace = '' } = definition.metadata;
  for (const version of versions) await remove(client, namespace, revisionName(name, version), undefined, signal);
}

async function remove(client: KubeClient, namespace: string, name: string, uid: string | undefined, signal: AbortSignal): Promise<void> {
  try {
    await client.delete(CONTROLLER_REVISIONS, name, namespace, { signal, ...(uid === undefined ? {} : { preconditions: { uid } }) });
  } catch (error) {
    if (!(error instanceof NotFoundError) && !(error instanceof ConflictError)) throw error;
  }
}
