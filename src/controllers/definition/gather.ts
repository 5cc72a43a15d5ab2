/** What a pass over a LabletDefinition reads: the bytes of its topology, and the sessions that use its versions. */
import { objectKey } from '../../api/meta.ts';
import { CONFIGMAPS } from '../../api/resource.ts';
import { TopologySourceError, shownUri } from '../../clients/topology/port.ts';
import { inspect } from '../../core/definition-lifecycle.ts';
import { NotFoundError } from '../../kube/errors.ts';
import { INDEX } from '../deps.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { ReadOptions } from '../../clients/topology/port.ts';
import type { Content } from '../../core/definition-lifecycle.ts';
import type { Deps } from '../deps.ts';

export interface Reading {
  readonly content: Content;
  /** Names this state of the source, where the source has such names. */
  readonly etag?: string | undefined;
}

/**
 * Reads the topology. Trouble with the API server is thrown, trouble with the source is an answer.
 * @param options `etag`: of an earlier reading; a source that is still in that state answers `unchanged`
 */
export async function readContent(deps: Pick<Deps, 'client' | 'topologies'>, definition: LabletDefinition, options: ReadOptions): Promise<Reading> {
  const { inline, configMapRef, uri } = definition.spec.topology;
  if (uri !== undefined) return fromUri(deps, definition, uri, options);
  if (configMapRef) return { content: await fromConfigMap(deps, definition, configMapRef, options.signal) };
  return { content: inspect(new TextEncoder().encode(inline), 'spec.topology.inline', definition.spec) };
}

async function fromUri({ topologies }: Pick<Deps, 'topologies'>, { spec }: LabletDefinition, uri: string, options: ReadOptions): Promise<Reading> {
  try {
    const read = await topologies.read(uri, options);
    if ('notModified' in read) return { content: { state: 'unchanged' } };
    return { content: inspect(read.bytes, shownUri(uri), spec), etag: read.etag };
  } catch (error) {
    if (!(error instanceof TopologySourceError)) throw error;
    return { content: { state: 'missing', reason: error.reason, message: error.message } };
  }
}

async function fromConfigMap(deps: Pick<Deps, 'client'>, definition: LabletDefinition, { name, key }: { name: string; key: string }, signal: AbortSignal): Promise<Content> {
  const namespace = definition.metadata.namespace ?? '';
  const missing = (message: string): Content => ({ state: 'missing', reason: 'SourceNotFound', message });
  try {
    const { data, binaryData } = await deps.client.get(CONFIGMAPS, name, namespace, { signal });
    // By Map: the key is the user's, and `constructor` would be found on any object.
    const [text, binary] = [new Map(Object.entries(data ?? {})).get(key), new Map(Object.entries(binaryData ?? {})).get(key)];
    if (text === undefined && binary === undefined) {
      const keys = [...Object.keys(data ?? {}), ...Object.keys(binaryData ?? {})].slice(0, 10);
      return missing(`ConfigMap ${namespace}/${name} has no key ${key}; it has ${keys.length > 0 ? keys.join(', ') : 'none'}. Correct the key in spec.topology.configMapRef, or add it.`);
    }
    const bytes = text === undefined ? Buffer.from(binary ?? '', 'base64') : new TextEncoder().encode(text);
    return inspect(bytes, `ConfigMap ${namespace}/${name}, key ${key}`, definition.spec);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    return missing(`ConfigMap ${namespace}/${name} does not exist; create it.`);
  }
}

/** Sessions that are pinned to a version of the definition and not over. */
export function pinnedSessions(deps: Pick<Deps, 'caches'>, definition: LabletDefinition): LabletSession[] {
  return deps.caches.sessions
    .byIndex(INDEX.sessionsByDefinition, objectKey(definition))
    .filter(({ status }) => status?.definitionVersion !== undefined && status.phase !== undefined && status.phase !== 'Terminated');
}

/** How many of them use each version. */
export function sessionsByVersion(sessions: readonly LabletSession[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { status } of sessions) counts.set(status?.definitionVersion ?? '', (counts.get(status?.definitionVersion ?? '') ?? 0) + 1);
  return counts;
}
