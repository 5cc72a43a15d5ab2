import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { SubscriptionsAPIFilter } from '@kubernetes-models/knative/eventing.knative.dev/v1';
import { parseAllDocuments } from 'yaml';
import { EVENT_TYPES } from '../../../src/api/event-schemas.ts';
import { CONSUMED_TYPES, SOURCE } from '../../../src/api/events.ts';
import { knativeModels as models } from '../../support/knative-models.ts';

const FOLDER = resolve(import.meta.dirname, '../../../config/knative');

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string };
  spec: Record<string, unknown>;
}

const manifests = readdirSync(FOLDER).flatMap((file) => parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((document) => ({ file, object: document.toJS() as Manifest })));
const ofKind = (kind: string): Manifest[] => manifests.map(({ object }) => object).filter((object) => object.kind === kind);

const knative = manifests.filter(({ object }) => object.apiVersion.includes('knative.dev/'));

describe('what is applied to a cluster with Knative', () => {
  test.each(knative.map(({ file, object }) => [`${file}: ${object.kind} ${object.metadata.name}`, object] as const))('%s is what Knative takes', (_, object) => {
    expect(Object.keys(models)).toContain(object.kind);
    models[object.kind]?.(object).validate();
    // DNS-1123, which the models do not check.
    expect(object.metadata.name).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
    expect(object.metadata.namespace).toBe('lablet-system');
  });

  test('what Knative would not take is refused by the same check', () => {
    const [trigger] = ofKind('Trigger');
    expect(() => models['Trigger']?.({ ...(trigger as Manifest), spec: { broker: 'lablet' } }).validate()).toThrow(/subscriber/);
    expect(() => models['Trigger']?.({ ...(trigger as Manifest), spec: { ...trigger?.spec, delivery: { retry: 'often' } } }).validate()).toThrow(/retry/);
  });

  test('names no object twice', () => {
    const names = manifests.map(({ object }) => `${object.kind} ${object.metadata.name}`);
    expect(names).toEqual([...new Set(names)]);
  });
});

describe('an event type', () => {
  const typeOf = (object: Manifest): unknown => (object.spec['attributes'] as { name: string; value?: string }[]).find(({ name }) => name === 'type')?.value;

  test('is there for each type of the catalogue, and for no other', () => {
    expect(ofKind('EventType').map(typeOf).sort()).toEqual([...EVENT_TYPES].sort());
  });
});

describe('the triggers', () => {
  test('bring each type that we consume to the ingest, and nothing that we sent ourselves', () => {
    const filters = ofKind('Trigger').map((trigger) => {
      const list = trigger.spec['filters'] as object[];
      list.forEach((filter) => new SubscriptionsAPIFilter(filter).validate());
      return list;
    });
    expect(filters).toEqual(CONSUMED_TYPES.map((type) => [{ exact: { type } }, { not: { prefix: { source: `${SOURCE}/` } } }]));
  });

  test('call the Service at its port 80, retry, and keep what cannot be delivered', () => {
    const ports = ofKind('Service').flatMap((service) => service.spec['ports'] as { port: number; targetPort?: number }[]);
    expect(ports.find(({ port }) => port === 80)).toMatchObject({ targetPort: 8080 });
    for (const { spec } of ofKind('Trigger')) {
      expect(spec['subscriber']).toMatchObject({ ref: { kind: 'Service', name: ofKind('Service')[0]?.metadata.name }, uri: '/events' });
      expect(spec['delivery']).toMatchObject({ retry: expect.any(Number), backoffPolicy: 'exponential', deadLetterSink: { ref: { kind: 'Channel', name: ofKind('Channel')[0]?.metadata.name } } });
    }
  });
});
