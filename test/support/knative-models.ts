/** Knative's own types, which judge an object as its API server would. */
import { Broker, Trigger } from '@kubernetes-models/knative/eventing.knative.dev/v1';
import { EventType } from '@kubernetes-models/knative/eventing.knative.dev/v1beta3';
import { Channel } from '@kubernetes-models/knative/messaging.knative.dev/v1';
import { SinkBinding } from '@kubernetes-models/knative/sources.knative.dev/v1';

/** By kind; `validate` throws and names what is wrong. Knative's Go types make a status mandatory that only Knative writes. */
export const knativeModels: Readonly<Record<string, (object: object) => { validate(): void }>> = {
  Broker: (object) => new Broker(object),
  Trigger: (object) => new Trigger(object),
  EventType: (object) => new EventType(object),
  Channel: (object) => new Channel(object),
  SinkBinding: (object) => new SinkBinding({ ...object, status: {} } as never),
};
