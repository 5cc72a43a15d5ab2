/** From a recorded outbox entry to the CloudEvent that is sent (contract §10.1, "Envelope"). The same entry gives the same bytes. */
import { schemaUri } from '../api/event-schemas.ts';
import { objectKey } from '../api/meta.ts';
import { sourceOf } from '../core/chain.ts';
import { eventSpan, traceParent } from '../telemetry/trace-context.ts';
import type { Emission } from '../api/outbox.ts';
import type { KubeObject, Resource } from '../kube/types.ts';
import type { CloudEvent, ExtensionValue } from './cloudevent.ts';

/** Reads a value of a Secret; null if the Secret or the key is gone. Rejects if the API server cannot say. */
export type SecretReader = (namespace: string, name: string, key: string) => Promise<string | null>;

/** Digits of `sequence`, so that it sorts as text. */
const SEQUENCE_DIGITS = 10;
/**
 * Longest value of a Secret that is told, in bytes of JSON. With an entry's 2 KiB, and its attributes percent-encoded, the
 * event stays within the 64 KiB that every consumer and every broker must take.
 */
const SECRET_MAX_BYTES = 32 * 1024;

/**
 * @param base CLOUDEVENTS_SOURCE; the source of an object is `<base>/<plural>/<uid>`, so that its sequence is that of one source
 * @param secret the value for the entry's secretRef; null if it is gone. One of more than 32 KiB is told as null
 */
export function envelope(entry: Emission, object: Pick<KubeObject, 'metadata'>, resource: Pick<Resource, 'plural' | 'kind'>, base: string, secret: string | null): CloudEvent {
  const { uid } = object.metadata;
  const extensions: [string, ExtensionValue | undefined][] = [
    ['sequence', String(entry.sequence).padStart(SEQUENCE_DIGITS, '0')],
    ['partitionkey', uid],
    ['correlationid', resource.kind === 'LabletSession' ? uid : undefined],
    ['causationid', entry.causationId === undefined ? undefined : ascii(entry.causationId)],
    // Of what caused it, where that brought one; else the trace of the object itself, so that all that happens to a session is one.
    ['traceparent', entry.traceParent ?? traceParent(eventSpan(uid, entry.id))],
  ];
  const data = JSON.parse(entry.data) as Record<string, unknown>;
  return {
    id: entry.id,
    source: sourceOf(base, resource.plural, uid),
    type: entry.type,
    subject: objectKey(object),
    time: entry.time,
    datacontenttype: 'application/json',
    dataschema: schemaUri(entry.type, entry.revision),
    extensions: new Map(extensions.filter((pair): pair is [string, ExtensionValue] => pair[1] !== undefined)),
    data: { kind: 'json', value: entry.secretRef === undefined ? data : { ...data, [entry.secretRef.field]: secret !== null && Buffer.byteLength(JSON.stringify(secret)) <= SECRET_MAX_BYTES ? secret : null } },
  };
}

/**
 * An id that somebody else chose, as our attributes are: printable ASCII without spaces, since the SDKs do not agree on how
 * anything else goes through a header. What is not is percent-encoded.
 */
const ascii = (id: string): string => id.toWellFormed().replace(/[^\u0021-\u007e]/gu, (character) => encodeURIComponent(character));
