/** Patches as plain data. A patch carries a witness of what it was made from, so that a stale one fails instead of overwriting. */
import type { JsonPatchOperation, KubeObject } from './types.ts';

type JsonObject = Record<string, unknown>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A merge patch cannot tell null from absent, and JSON cannot tell undefined from absent. */
function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

/** Equal once written as JSON: keys without a value do not count, the order of keys neither. */
function sameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  if (!isObject(a) || !isObject(b)) return a === b || (isAbsent(a) && isAbsent(b));
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => sameJson(a[key], b[key]));
}

/**
 * The smallest RFC 7386 merge patch that turns `old` into `next`: null for removed keys, arrays as a whole.
 * A key whose value is undefined or null counts as absent.
 * @returns undefined if there is nothing to change.
 */
export function mergePatchBetween(old: object, next: object): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  const before = old as JsonObject;
  const after = next as JsonObject;
  for (const key of Object.keys(before)) {
    if (!isAbsent(before[key]) && isAbsent(after[key])) patch[key] = null;
  }
  for (const [key, value] of Object.entries(after)) {
    if (isAbsent(value)) continue;
    const was = before[key];
    if (isObject(value) && isObject(was)) {
      const inner = mergePatchBetween(was, value);
      if (inner !== undefined) patch[key] = inner;
    } else if (!sameJson(was, value)) {
      patch[key] = value;
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/**
 * Body for a merge patch on `/status` that makes the status of `object` equal to `next`, on the condition that the object is still at
 * the version that we read: else the API server answers 409 and the caller decides again.
 * @returns undefined if nothing changed: then there is nothing to write.
 */
export function statusMergePatch<S extends object>(
  object: { metadata: { resourceVersion: string }; status?: S | undefined },
  next: S,
): { metadata: { resourceVersion: string }; status: Record<string, unknown> } | undefined {
  const status = mergePatchBetween(object.status ?? {}, next);
  return status === undefined ? undefined : { metadata: { resourceVersion: object.metadata.resourceVersion }, status };
}

/**
 * A JSON patch that adds a finalizer and leaves those of others, whatever else has changed meanwhile; undefined if it is there.
 * It fails with `InvalidError` if the name stands for another object by now.
 */
export function addFinalizerPatch(object: KubeObject, finalizer: string): JsonPatchOperation[] | undefined {
  const finalizers = object.metadata.finalizers ?? [];
  if (finalizers.includes(finalizer)) return undefined;
  // The first finalizer makes the list: the test keeps it from replacing a list that somebody has just made.
  return finalizers.length === 0
    ? [sameUid(object), { op: 'test', path: '/metadata/finalizers', value: null }, { op: 'add', path: '/metadata/finalizers', value: [finalizer] }]
    : [sameUid(object), { op: 'add', path: '/metadata/finalizers/-', value: finalizer }];
}

/**
 * A JSON patch that adds those annotations that the object does not have, and leaves the others; empty if there is none to add.
 * It fails with `InvalidError` if somebody has just annotated an object that had no annotation: read it again.
 */
export function annotatePatch(object: KubeObject, annotations: Readonly<Record<string, string>>): JsonPatchOperation[] {
  const { annotations: present } = object.metadata;
  const missing = Object.entries(annotations).filter(([name]) => present?.[name] === undefined);
  if (missing.length === 0) return [];
  const path = '/metadata/annotations';
  if (present === undefined) return [sameUid(object), { op: 'test', path, value: null }, { op: 'add', path, value: Object.fromEntries(missing) }];
  const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
  return [sameUid(object), ...missing.map(([name, value]) => ({ op: 'add' as const, path: `${path}/${escaped(name)}`, value }))];
}

/**
 * A JSON patch that removes a finalizer and leaves those of others; undefined if it is not there.
 * It fails with `InvalidError` if the list has changed since the object was read: read it again.
 */
export function removeFinalizerPatch(object: KubeObject, finalizer: string): JsonPatchOperation[] | undefined {
  const index = (object.metadata.finalizers ?? []).indexOf(finalizer);
  if (index < 0) return undefined;
  const path = `/metadata/finalizers/${index}`;
  return [sameUid(object), { op: 'test', path, value: finalizer }, { op: 'remove', path }];
}

function sameUid(object: KubeObject): JsonPatchOperation {
  return { op: 'test', path: '/metadata/uid', value: object.metadata.uid };
}
