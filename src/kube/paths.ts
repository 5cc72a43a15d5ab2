/** URLs of the Kubernetes API. */
import { ConfigurationError } from './errors.ts';
import { apiVersionOf, resourceName, type Resource } from './types.ts';

/** Path of all objects of a resource, in one namespace or in all. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root = resource.group === '' ? '/api/' : '/apis/';
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${apiVersionOf(resource)}${scope}/${resource.plural}`;
}

/**
 * Path of one object, or of a subresource of it.
 * @throws ConfigurationError without a name, or without the namespace of a namespaced kind: such a path would mean the whole collection.
 */
export function objectPath(resource: Resource, name: string, namespace: string | undefined, subresource?: string): string {
  if (name === '') throw new ConfigurationError(`A name is needed for one of ${resourceName(resource)}`);
  return `${scopedPath(resource, namespace)}/${encodeURIComponent(name)}${subresource === undefined ? '' : `/${subresource}`}`;
}

/** Path to create an object. @throws ConfigurationError if a namespaced kind comes without a namespace. */
export function scopedPath(resource: Resource, namespace: string | undefined): string {
  if (resource.namespaced && (namespace === undefined || namespace === '')) {
    throw new ConfigurationError(`${resourceName(resource)} are namespaced: a namespace is needed`);
  }
  return collectionPath(resource, namespace);
}

/** `?a=1&b=…`; undefined values are left out, an empty string is sent (`resourceVersion=` means "most recent"). */
export function query(parameters: Record<string, string | number | boolean | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}
