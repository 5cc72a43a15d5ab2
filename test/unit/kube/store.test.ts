import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isNewer } from '../../../src/kube/resource-version.ts';
import { ObjectStore } from '../../../src/kube/store.ts';
import { objectKey } from '../../../src/kube/types.ts';
import type { ConfigMap } from '../../support/kube-objects.ts';
import { configMap } from '../../support/scripted-api.ts';

const byColour = (object: ConfigMap): string[] => Object.values(object.data ?? {});

describe('indexes', () => {
  test('find exactly what a scan finds, whatever was set, deleted and replaced before', () => {
    const object = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), version: fc.nat(9), uid: fc.constantFrom('u', 'v'), colours: fc.uniqueArray(fc.constantFrom('red', 'green', 'blue')) });
    const make = ({ name, version, uid, colours }: typeof object extends fc.Arbitrary<infer O> ? O : never): ConfigMap =>
      configMap(name, version, Object.fromEntries(colours.map((colour) => [colour, colour])), uid);
    const step = fc.oneof(
      object.map((one) => ({ do: 'set' as const, object: make(one) })),
      fc.constantFrom('a', 'b', 'c').map((name) => ({ do: 'delete' as const, key: `default/${name}` })),
      fc.uniqueArray(object, { selector: (one) => one.name }).map((all) => ({ do: 'replace' as const, items: all.map(make) })),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const store = new ObjectStore<ConfigMap>();
        store.addIndex('colour', byColour);
        for (const one of steps) {
          if (one.do === 'set') store.set(one.object);
          else if (one.do === 'delete') store.delete(one.key);
          else store.replace(one.items);
        }
        for (const colour of ['red', 'green', 'blue']) {
          const keys = (objects: ConfigMap[]): string[] => objects.map(objectKey).sort();
          expect(keys(store.byIndex('colour', colour))).toEqual(keys(store.list().filter((one) => byColour(one).includes(colour))));
        }
      }),
    );
  });

  test('added later, they know what is there', () => {
    const store = new ObjectStore<ConfigMap>();
    store.set(configMap('a', 1, { x: 'red' }));
    store.addIndex('colour', byColour);
    expect(store.byIndex('colour', 'red')).toHaveLength(1);
  });

  test('a name that is not there, or there twice, is a mistake of the program', () => {
    const store = new ObjectStore<ConfigMap>();
    store.addIndex('colour', byColour);
    expect(() => store.byIndex('color', 'red')).toThrow(/no index color/);
    expect(() => store.addIndex('colour', byColour)).toThrow(/already/);
  });
});

describe('replace', () => {
  test('tells what changed, and nothing of what did not', () => {
    const store = new ObjectStore<ConfigMap>();
    for (const [name, version] of [['same', 1], ['changed', 2], ['gone', 3]] as const) store.set(configMap(name, version));
    const same = store.get('default/same');
    const changes = store.replace([configMap('same', 1), configMap('changed', 9), configMap('new', 10)]);
    expect(changes.map(({ old, next }) => [old?.metadata.name, next?.metadata.name])).toEqual([['gone', undefined], ['changed', 'changed'], [undefined, 'new']]);
    expect(store.get('default/same')).toBe(same);
  });

  test('leaves what is out of its scope', () => {
    const store = new ObjectStore<ConfigMap>();
    store.set(configMap('a', 1));
    expect(store.replace([], (key) => key.startsWith('other/'))).toEqual([]);
    expect(store.size).toBe(1);
  });
});

test('versions are compared as numbers of any length, and not at all if they are none', () => {
  expect(isNewer('10', '9')).toBe(true);
  expect(isNewer('9', '10')).toBe(false);
  expect(isNewer('7', '7')).toBe(false);
  expect(isNewer('90071992547409930', '90071992547409929')).toBe(true);
  expect(isNewer('abc', '1')).toBeUndefined();
});
