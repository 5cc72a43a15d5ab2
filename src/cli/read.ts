/** Reading objects: what is missing is told with a suggestion, what the reader may not see is told of and left out. */
import { CONTROLLER_REVISIONS, LABLET_SESSIONS, WORKERS } from '../api/kinds.ts';
import { revisionName, thaw } from '../core/frozen-definition.ts';
import { ForbiddenError, NotFoundError } from '../kube/errors.ts';
import { CORE_EVENTS, toldBy } from './kube-events.ts';
import { CliError, EXIT } from './errors.ts';
import { nearestNames } from './nearest.ts';
import type { LabletSession } from '../api/labletsession.ts';
import type { KubeObject } from '../api/meta.ts';
import type { Worker } from '../api/worker.ts';
import type { PinnedDefinition } from '../core/definition.ts';
import type { Resource } from '../kube/types.ts';
import type { Context } from './context.ts';
import type { Told } from './kube-events.ts';

/** Objects are listed in pages, so that no answer is too large for its time limit. */
const PAGE = 500;

/** @throws ForbiddenError, NotFoundError where the kind is not known */
export async function listAll<T extends KubeObject>({ client }: Context, resource: Resource<T>, options: { namespace?: string | undefined; fieldSelector?: string; metadataOnly?: boolean } = {}): Promise<T[]> {
  const items: T[] = [];
  let page: string | undefined;
  do {
    const found = await client.list(resource, { ...options, limit: PAGE, continue: page });
    items.push(...found.items);
    page = found.continue;
  } while (page !== undefined);
  return items;
}

/** The value; undefined where the reader may not have it, and then `otherwise` is called. */
export async function ifAllowed<R>(read: Promise<R>, otherwise: () => void = () => undefined): Promise<R | undefined> {
  try {
    return await read;
  } catch (error) {
    if (!(error instanceof ForbiddenError)) throw error;
    otherwise();
    return undefined;
  }
}

/**
 * A session by its name, or by `namespace/name` as other commands print it.
 * @throws CliError that names similar ones
 */
export async function sessionNamed(context: Context, wanted: string): Promise<LabletSession> {
  const [first = '', second, ...rest] = wanted.split('/');
  if (rest.length > 0 || first === '' || second === '') throw new CliError(EXIT.usage, `${wanted} is no name of a session: give NAME, or NAMESPACE/NAME.`);
  if (second !== undefined && context.named && first !== context.namespace) throw new CliError(EXIT.usage, `${wanted} is not in namespace ${context.namespace}: leave out -n.`);
  const [namespace, name] = second === undefined ? [context.namespace, first] : [first, second];
  try {
    return await context.client.get(LABLET_SESSIONS, name, namespace);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new CliError(EXIT.notFound, `There is no session ${name} in namespace ${namespace}.${await suggestions(context, name, namespace)}`);
  }
}

async function suggestions(context: Context, name: string, namespace: string): Promise<string> {
  const everywhere = await ifAllowed(listAll(context, LABLET_SESSIONS, { metadataOnly: true }));
  const here = everywhere ?? (await ifAllowed(listAll(context, LABLET_SESSIONS, { namespace, metadataOnly: true }))) ?? [];
  const elsewhere = here.filter(({ metadata }) => metadata.name === name && metadata.namespace !== namespace).map(({ metadata }) => `${metadata.namespace ?? ''}/${name}`);
  if (elsewhere.length > 0) return ` Did you mean ${elsewhere.slice(0, 3).join(' or ')}?`;
  const near = nearestNames(name, here.filter(({ metadata }) => metadata.namespace === namespace).map(({ metadata }) => metadata.name));
  return near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ` List those that there are: kubectl get lses -n ${namespace}`;
}

/** @throws CliError that names similar ones */
export async function workerNamed(context: Context, name: string): Promise<Worker> {
  try {
    return await context.client.get(WORKERS, name);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    const near = nearestNames(name, ((await ifAllowed(listAll(context, WORKERS, { metadataOnly: true }))) ?? []).map(({ metadata }) => metadata.name));
    throw new CliError(EXIT.notFound, `There is no worker ${name}.${near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ' List those that there are: kubectl get workers'}`);
  }
}

/** The worker that the session is bound to; undefined: none, or the reader may not see it. */
export async function workerOf(context: Context, { status }: LabletSession): Promise<Worker | 'missing' | undefined> {
  if (status?.workerName === undefined) return undefined;
  try {
    return await ifAllowed(context.client.get(WORKERS, status.workerName), () => context.note(`your role does not show Workers, so nothing is said of ${status.workerName ?? ''} itself.`));
  } catch (error) {
    if (error instanceof NotFoundError) return 'missing';
    throw error;
  }
}

/** The version that the session is pinned to, as it was frozen; undefined: not pinned, gone, or not for this reader. */
export async function pinnedOf({ client }: Context, { metadata: { namespace = '' }, spec, status }: LabletSession): Promise<PinnedDefinition | undefined> {
  const version = status?.definitionVersion;
  if (version === undefined) return undefined;
  const { name } = spec.definitionRef;
  try {
    const revision = await ifAllowed(client.get(CONTROLLER_REVISIONS, revisionName(name, version), namespace));
    return revision && thaw(revision, { namespace, name }).definition;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** What Kubernetes was told of the object, newest first. */
export async function eventsAbout(context: Context, { metadata: { uid, namespace } }: KubeObject): Promise<Told[]> {
  const events = await ifAllowed(listAll(context, CORE_EVENTS, { namespace, fieldSelector: `involvedObject.uid=${uid}` }), () => context.note('your role does not show Events, so warnings are left out.'));
  return toldBy(events ?? []);
}
