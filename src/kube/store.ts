/** Objects in memory, by key and by named indexes. Everything here is synchronous, so a reader never sees half of a change. */
import { objectKey, type KubeObject } from './types.ts';

/** What happened to one object: added (no `old`), changed, or gone (no `next`). */
export interface Change<T> {
  readonly old: T | undefined;
  readonly next: T | undefined;
}

/** The values under which an object is found in an index: none, one or several. */
export type IndexFunction<T> = (object: T) => readonly string[];

interface Index<T> {
  valuesOf: IndexFunction<T>;
  keysByValue: Map<string, Set<string>>;
}

/** The objects are shared with all readers: read-only by contract. Who changes one copies it first. */
export class ObjectStore<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #onIndexError: (index: string, key: string, error: unknown) => void;

  /** @param onIndexError an index function threw: the object is stored, but not found by that index. */
  constructor(onIndexError: (index: string, key: string, error: unknown) => void = () => undefined) {
    this.#onIndexError = onIndexError;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  /** @throws RangeError if there is no such index. */
  byIndex(index: string, value: string): T[] {
    const found = this.#indexes.get(index);
    if (found === undefined) throw new RangeError(`There is no index ${index}: add it before the start`);
    const objects: T[] = [];
    for (const key of found.keysByValue.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) objects.push(object);
    }
    return objects;
  }

  /** @throws RangeError if an index of that name is there. */
  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    if (this.#indexes.has(name)) throw new RangeError(`There is an index ${name} already`);
    const index: Index<T> = { valuesOf, keysByValue: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) this.#enter(name, index, key, object);
  }

  /** Adds or replaces one object. */
  set(object: T): Change<T> {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    if (old !== undefined) this.#unindex(key, old);
    this.#objects.set(key, object);
    for (const [name, index] of this.#indexes) this.#enter(name, index, key, object);
    return { old, next: object };
  }

  /** Removes one object; undefined if it is not there. */
  delete(key: string): Change<T> | undefined {
    const old = this.#objects.get(key);
    if (old === undefined) return undefined;
    this.#unindex(key, old);
    this.#objects.delete(key);
    return { old, next: undefined };
  }

  /**
   * Makes `items` the whole content of a scope and tells what that changed. An object that was deleted and made again under the same
   * name counts as gone and added, so nobody takes the new one for the old.
   * @param inScope which keys the items speak for. @param keep keys to leave as they are, whatever the items say.
   */
  replace(items: readonly T[], inScope: (key: string) => boolean = () => true, keep: (key: string, item: T | undefined) => boolean = () => false): Change<T>[] {
    const incoming = new Map(items.map((item) => [objectKey(item), item]));
    const changes: Change<T>[] = [];
    const note = (change: Change<T> | undefined): void => {
      if (change !== undefined) changes.push(change);
    };
    for (const key of [...this.#objects.keys()]) {
      if (inScope(key) && !incoming.has(key) && !keep(key, undefined)) note(this.delete(key));
    }
    for (const [key, item] of incoming) {
      const old = this.#objects.get(key);
      if (keep(key, item)) continue;
      if (old?.metadata.uid === item.metadata.uid && old.metadata.resourceVersion === item.metadata.resourceVersion) continue;
      if (old !== undefined && old.metadata.uid !== item.metadata.uid) note(this.delete(key));
      note(this.set(item));
    }
    return changes;
  }

  #enter(name: string, index: Index<T>, key: string, object: T): void {
    for (const value of this.#valuesOf(name, index, key, object)) {
      const keys = index.keysByValue.get(value);
      if (keys === undefined) index.keysByValue.set(value, new Set([key]));
      else keys.add(key);
    }
  }

  #unindex(key: string, old: T): void {
    for (const [name, index] of this.#indexes) {
      for (const value of this.#valuesOf(name, index, key, old)) {
        const keys = index.keysByValue.get(value);
        keys?.delete(key);
        if (keys?.size === 0) index.keysByValue.delete(value);
      }
    }
  }

  #valuesOf(name: string, index: Index<T>, key: string, object: T): readonly string[] {
    try {
      return index.valuesOf(object);
    } catch (error) {
      this.#onIndexError(name, key, error);
      return [];
    }
  }
}
