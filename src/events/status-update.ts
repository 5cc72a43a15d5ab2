/** How the emitter changes the status of an object that nobody else is writing. */
import { NotFoundError } from '../kube/errors.ts';
import { decideAndWrite, writeStatus } from '../runtime/status-writer.ts';
import type { OutboxDraft } from '../core/outbox.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject, Resource } from '../kube/types.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Any object with an outbox. */
export interface OutboxObject extends KubeObject {
  status?: OutboxDraft | undefined;
}

/**
 * Decides on the object as it is stored and writes what was decided; again, on what is stored then, if somebody was faster.
 * @param decide pure; undefined: there is nothing to write
 * @returns the object as it is now stored; undefined if it is gone
 */
export type StatusUpdate = (
  resource: Resource<OutboxObject>, object: OutboxObject, decide: (object: OutboxObject) => OutboxDraft | undefined, signal: AbortSignal,
) => Promise<OutboxObject | undefined>;

/** Through the API server. Rejects with a KubeError. */
export function kubeStatusUpdate(client: KubeClient, metrics: Metrics): StatusUpdate {
  return async (resource, object, decide, signal) => {
    const { name, namespace, uid } = object.metadata;
    try {
      return await decideAndWrite<OutboxObject, OutboxDraft>({
        first: object,
        read: () => client.get(resource, name, namespace, { signal }),
        decide: (stored) => (stored.metadata.uid === uid ? decide(stored) : undefined),
        write: (stored, next) => writeStatus<OutboxDraft, OutboxObject>({ client, resource, object: stored, next, signal, metrics }),
      });
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  };
}
