/** What wakes a controller: where the keys to work on come from. */
import type { Informer } from '../kube/informer.ts';
import { objectKey } from '../kube/types.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Cancel, Clock } from './clock.ts';
import { Priority } from './queue.ts';
import type { AddOptions } from './queue.ts';

export type Wake = (key: string, options?: AddOptions) => void;

export interface Source {
  /** Begins to wake keys. @returns what ends it */
  start(wake: Wake): () => void;
}

/** The keys that a change concerns. `old` undefined: added; `next` undefined: deleted. */
export type KeysOf<T> = (old: T | undefined, next: T | undefined) => Iterable<string>;

/** The object's own key. */
function ownKey<T extends KubeObject>(old: T | undefined, next: T | undefined): string[] {
  const object = next ?? old;
  return object ? [objectKey(object)] : [];
}

/**
 * Wakes the keys that the objects of a cache concern: at the start those of every object, with low
 * priority, since nobody waits for them; then those of each change.
 */
export function informerSource<T extends KubeObject>(
  informer: Pick<Informer<T>, 'list' | 'onChange'>, keysOf: KeysOf<T> = ownKey,
): Source {
  let wake: Wake | undefined;
  let subscribed = false;
  const listed = (): void => {
    for (const object of informer.list()) {
      for (const key of keysOf(undefined, object)) wake?.(key, { priority: Priority.low });
    }
  };
  const changed = (old: T | undefined, next: T | undefined): void => {
    const priority = changePriority(old, next);
    for (const key of keysOf(old, next)) wake?.(key, { priority });
  };
  return {
    start(newWake) {
      wake = undefined;
      // Handlers stay for ever and are told of what is cached when they are added: once for all terms, and before we listen.
      if (!subscribed) informer.onChange(changed);
      subscribed = true;
      wake = newWake;
      listed();
      return () => {
        wake = undefined;
      };
    },
  };
}

/** Wakes every object of a cache each `everyMs` milliseconds: the net under lost wake-ups, should there ever be one. */
export function resyncSource<T extends KubeObject>(informer: Pick<Informer<T>, 'list'>, clock: Clock, everyMs = 36_000_000): Source {
  return {
    start(wake) {
      let cancel: Cancel;
      const arm = (): void => {
        cancel = clock.setTimeout(() => {
          for (const object of informer.list()) wake(objectKey(object), { priority: Priority.low });
          arm();
        }, everyMs);
      };
      arm();
      return () => cancel();
    },
  };
}

/**
 * High for what people do (a new object, another spec, a deletion, an annotation), normal for what
 * controllers do (status, labels, finalizers).
 */
export function changePriority(old: KubeObject | undefined, next: KubeObject | undefined): Priority {
  if (!old || !next) return next ? Priority.high : Priority.normal;
  const before = old.metadata;
  const after = next.metadata;
  const byPeople = before.generation !== after.generation
    || before.deletionTimestamp !== after.deletionTimestamp
    || JSON.stringify(before.annotations ?? {}) !== JSON.stringify(after.annotations ?? {});
  return byPeople ? Priority.high : Priority.normal;
}
