import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mergePatchBetween, statusMergePatch } from '../../../src/kube/patch.ts';

/** RFC 7386, section 2, word for word: the judge of our patches. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, name);
    else result[name] = mergePatch(result[name], value);
  }
  return result;
}

/** As the API server stores it: without keys that have no value. */
function stored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stored);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined && inner !== null).map(([key, inner]) => [key, stored(inner)]));
}

// Few keys, so that two statuses share many of them; '__proto__' is no name of a status field.
const key = fc.constantFrom('phase', 'conditions', 'outbox', 'a', 'b');
type Status = Record<string, unknown>;
const status = fc.letrec<{ object: Status; value: unknown }>((tie) => ({
  object: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  value: fc.oneof({ maxDepth: 3 }, fc.string(), fc.integer(), fc.boolean(), fc.constant(undefined), fc.constant(null), fc.array(fc.oneof(fc.string(), tie('object')), { maxLength: 3 }), tie('object')),
})).object;

describe('a merge patch between two statuses', () => {
  test('turns the old into the next', () => {
    fc.assert(
      fc.property(status, status, (old, next) => {
        const patch = mergePatchBetween(old, next);
        expect(stored(mergePatch(stored(old), patch ?? {}))).toEqual(stored(next));
      }),
      { numRuns: 2000 },
    );
  });

  test('is not there exactly when the stored statuses are the same', () => {
    fc.assert(
      fc.property(status, status, (old, next) => {
        const same = mergePatchBetween(stored(old) as object, stored(next) as object) === undefined;
        try {
          expect(stored(old)).toEqual(stored(next));
        } catch {
          expect(same).toBe(false);
          return;
        }
        expect(same).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('says nothing of what did not change', () => {
    fc.assert(
      fc.property(status, status, (old, next) => {
        const patch = mergePatchBetween(old, next) ?? {};
        for (const name of Object.keys(patch)) expect(mergePatchBetween({ v: old[name] }, { v: next[name] })).toBeDefined();
      }),
    );
  });
});

describe('the body of a status write', () => {
  const object = { metadata: { resourceVersion: '42' }, status: { phase: 'Pending', worker: 'w1', history: [1] } };

  test('carries the version that it was made from, and only what changed', () => {
    expect(statusMergePatch(object, { phase: 'Scheduled', worker: undefined as unknown as string, history: [1] })).toEqual({
      metadata: { resourceVersion: '42' },
      status: { phase: 'Scheduled', worker: null },
    });
  });

  test('gives arrays as a whole', () => {
    expect(statusMergePatch(object, { ...object.status, history: [1, 2] })?.status).toEqual({ history: [1, 2] });
  });

  test('is not there when nothing changed', () => {
    expect(statusMergePatch(object, { history: [1], worker: 'w1', phase: 'Pending' })).toBeUndefined();
    expect(statusMergePatch({ metadata: { resourceVersion: '1' } }, {})).toBeUndefined();
  });
});
