/** Compares a cache with a list from the API server and tells what the watch has missed. It should never be anything. */
import type { KubeClient } from './client.ts';
import { sleep } from './backoff.ts';
import { isNewer } from './resource-version.ts';
import { objectKey, type KubeObject, type Resource } from './types.ts';

/** The cache as the audit sees it. */
export interface AuditedCache<T extends KubeObject> {
  get(key: string): T | undefined;
  keys(): Iterable<string>;
  /** Has the watch brought a change of this object since the audit began? */
  changedSinceStart(key: string): boolean;
  /** Newest version that the watch has reached. */
  resourceVersion(): string | undefined;
}

export interface AuditOptions {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  pageSize: number;
  /**
   * How long a difference may be explained by a change on its way, in milliseconds. Longer than the idle limit of a watch:
   * a connection that has just died is found and resumed within that time.
   */
  graceMs: number;
  signal: AbortSignal;
}

/**
 * One audit. The list is read in pages at one version, metadata only. An object differs if the cache lacks it, holds an older
 * version, or holds it although it is gone. What still differs after the watch has passed the list's version, or after the grace,
 * was missed.
 * @returns the keys that were missed.
 */
export async function audit<T extends KubeObject>(client: KubeClient, resource: Resource<T>, cache: AuditedCache<T>, options: AuditOptions): Promise<string[]> {
  const { namespace, labelSelector, fieldSelector, pageSize, graceMs, signal } = options;
  const listed = new Set<string>();
  /** Keys that differ, with the identity that the list gives them; undefined: not in the list. */
  let suspects = new Map<string, { uid: string; resourceVersion: string } | undefined>();
  let listVersion = '';
  let token: string | undefined;
  do {
    const page = await client.list(resource, { namespace, labelSelector, fieldSelector, limit: pageSize, metadataOnly: true, signal, ...(token === undefined ? { resourceVersion: '' } : { continue: token }) });
    for (const { metadata } of page.items) {
      const key = objectKey({ metadata });
      listed.add(key);
      if (differs(cache, key, metadata)) suspects.set(key, metadata);
    }
    listVersion = page.resourceVersion;
    token = page.continue;
  } while (token !== undefined);
  for (const key of cache.keys()) {
    const cached = cache.get(key);
    // Newer than the list: made after it.
    if (!listed.has(key) && cached !== undefined && isNewer(cached.metadata.resourceVersion, listVersion) === false) suspects.set(key, undefined);
  }

  const step = Math.min(1000, graceMs / 10);
  for (let waited = 0; suspects.size > 0; waited += step) {
    const reached = cache.resourceVersion();
    const passed = reached !== undefined && isNewer(listVersion, reached) === false;
    suspects = new Map([...suspects].filter(([key, metadata]) => !cache.changedSinceStart(key) && differs(cache, key, metadata)));
    if (passed || waited >= graceMs) break;
    await sleep(step, signal);
  }
  return [...suspects.keys()];
}

function differs<T extends KubeObject>(cache: AuditedCache<T>, key: string, listed: { uid: string; resourceVersion: string } | undefined): boolean {
  const cached = cache.get(key)?.metadata;
  if (listed === undefined) return cached !== undefined;
  if (cached === undefined) return true;
  if (cached.resourceVersion === listed.resourceVersion) return false;
  return isNewer(listed.resourceVersion, cached.resourceVersion) !== false;
}
