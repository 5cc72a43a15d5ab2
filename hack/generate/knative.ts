/** config/knative: the EventTypes of the catalogue, and a Trigger for each type that we take in. The Broker beside them is written by hand. */
import { dataSchemaUri } from '../../src/api/event-schemas.ts';
import { CONSUMED, CONSUMED_TYPES, EMITTED, EMITTED_TYPES, SOURCE } from '../../src/api/events.ts';
import { MANAGER } from '../../src/api/group.ts';
import { KINDS } from '../../src/api/kinds.ts';
import { SYSTEM_NAMESPACE } from '../../src/api/rbac.ts';
import type { ConsumedType, EmitterKind, EmittedType } from '../../src/api/events.ts';
import type { Generator } from './output.ts';
import { manifest } from './yaml.ts';

export const knative: Generator = {
  name: 'Knative manifests',
  files: () =>
    new Map([
      ['config/knative/event-types.yaml', manifest('src/api/events.ts', eventTypes(SOURCE).map(eventType))],
      ['config/knative/triggers.yaml', manifest('src/api/consumed.ts', triggers().map(trigger))],
    ]),
};

/** Every type of the catalogue. @param source base of the `source` of what is emitted */
export const eventTypes = (source: string): EventTypeFacts[] => [...EMITTED_TYPES.map((type) => emittedType(type, source)), ...CONSUMED_TYPES.map(consumedType)];

/** What each Trigger has of its own, and what all of them have. */
export const triggers = (): { name: string; type: ConsumedType }[] => CONSUMED_TYPES.map((type) => ({ name: `lablet-${type.replaceAll('.', '-')}`, type }));
/** Retries for 17 minutes, which outlasts a restart of the API server; what is given up then goes to the dead letters. */
export const DELIVERY = { retry: 10, backoffPolicy: 'exponential', backoffDelay: 'PT1S', timeout: 'PT30S' };
/** The Kafka broker keeps the order of a partition key where it is asked to; other brokers pass over the annotation. */
export const TRIGGER_ANNOTATIONS = { 'kafka.eventing.knative.dev/delivery.order': 'ordered' };

const BROKER = 'lablet';
const labels = { 'app.kubernetes.io/name': MANAGER };
const metadata = (name: string) => ({ name, namespace: SYSTEM_NAMESPACE, labels });
/** An event type as part of the name of an object, which may have no underscore. */
const named = (type: string): string => type.replaceAll('_', '-');

interface EventTypeFacts {
  readonly name: string;
  readonly description: string;
  readonly attributes: readonly object[];
}

/** v1beta3, since v1beta2 has no place for the extension attributes that consumers filter and order by. */
function eventType({ name, ...spec }: EventTypeFacts): object {
  return {
    apiVersion: 'eventing.knative.dev/v1beta3',
    kind: 'EventType',
    metadata: metadata(name),
    spec: { reference: { apiVersion: 'eventing.knative.dev/v1', kind: 'Broker', name: BROKER }, ...spec },
  };
}

const must = (name: string, value?: string) => ({ name, required: true, ...(value === undefined ? {} : { value }) });
const may = (name: string) => ({ name, required: false });

function emittedType(type: EmittedType, source: string): EventTypeFacts {
  const { emitter, summary } = EMITTED[type];
  const { plural, namespaced } = resourceOf(emitter);
  return { name: named(type), description: summary, attributes: [
    must('specversion', '1.0'), must('type', type), must('id'),
    must('source', `${source}/${plural}/{uid}`), must('subject', namespaced ? '{namespace}/{name}' : '{name}'), must('time'),
    must('datacontenttype', 'application/json'), must('dataschema', dataSchemaUri(type)),
    must('sequence'), must('partitionkey'), must('traceparent'),
    emitter === 'LabletSession' ? must('correlationid') : undefined,
    may('causationid'),
  ].filter((attribute) => attribute !== undefined) };
}

function consumedType(type: ConsumedType): EventTypeFacts {
  const { sender, summary } = CONSUMED[type];
  const attributes = [must('specversion', '1.0'), must('type', type), must('id'), must('source'), ...['subject', 'time', 'datacontenttype', 'dataschema', 'traceparent'].map(may)];
  return { name: named(type), description: `${summary} Sent by ${sender}.`, attributes };
}

function resourceOf(emitter: EmitterKind): { plural: string; namespaced: boolean } {
  const kind = KINDS.find(({ resource }) => resource.kind === emitter);
  if (!kind) throw new Error(`the catalogue names an emitter that is no kind: ${emitter}`);
  return kind.resource;
}

function trigger({ name, type }: ReturnType<typeof triggers>[number]): object {
  return {
    apiVersion: 'eventing.knative.dev/v1',
    kind: 'Trigger',
    metadata: { ...metadata(name), annotations: TRIGGER_ANNOTATIONS },
    spec: {
      broker: BROKER,
      filters: [
        { exact: { type } },
        { why: 'Nothing that we sent ourselves comes back; the controller drops it too.', not: { prefix: { source: `${SOURCE}/` } } },
      ],
      subscriber: { ref: { apiVersion: 'v1', kind: 'Service', name: MANAGER, namespace: SYSTEM_NAMESPACE }, uri: '/events' },
      delivery: {
        ...DELIVERY,
        deadLetterSink: { ref: { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel', name: 'lablet-dead-letters', namespace: SYSTEM_NAMESPACE } },
      },
    },
  };
}
