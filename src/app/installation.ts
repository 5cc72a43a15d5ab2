/**
 * What must be so in the cluster before this process may act: nobody else is the installation, and no namespace that is
 * not watched has work under way.
 *
 * Labs, Workers and templates belong to no namespace, so two installations would fight over every host. Which one may act
 * stands in an annotation of a CRD: of all objects the one that each cluster with an installation has exactly once. An
 * installation whose Lease is not renewed any more has given up its place (docs/decisions/0004).
 */
import { ANNOTATIONS } from '../api/group.ts';
import { WORKERS } from '../api/kinds.ts';
import { INSTALLATION_CRD, LEASE_NAME } from '../api/rbac.ts';
import { CUSTOM_RESOURCE_DEFINITIONS, LEASES } from '../api/resource.ts';
import { ApiError, ConflictError, ForbiddenError, NotFoundError, ServerUnavailableError, TooManyRequestsError } from '../kube/errors.ts';
import type { Lab } from '../api/lab.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../telemetry/log.ts';

/** The program may not act in this cluster, or not yet; the message says who is in the way and what to do. */
export class InstallationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InstallationError';
  }
}

export interface InstallationOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** The controller's own; all replicas of an installation share it. */
  readonly namespace: string;
}

/** A Lease that nobody has written for so long is nobody's: it lasts 15 s, and is renewed every 5 s. */
const SILENCE_MS = 18_000;
const LOOK_EVERY_MS = 1_000;
/** An API server that has just started refuses what roles grant until it has read them. Then a rule is missing. */
const ROLES_READ_MS = 10_000;

/**
 * Makes this installation the one of the cluster. One read as a rule; where another one has the place, up to 18 s to see
 * whether it lives. While the API server is away it goes on asking.
 * @throws InstallationError if another one lives, ForbiddenError if the role lacks a rule, or the reason of the signal
 */
export async function claimInstallation({ client, clock, log, namespace }: InstallationOptions, signal: AbortSignal): Promise<void> {
  let refusedSince: number | undefined;
  for (;;) {
    try {
      const crd = await client.get(CUSTOM_RESOURCE_DEFINITIONS, INSTALLATION_CRD, undefined, { signal });
      const holder = crd.metadata.annotations?.[ANNOTATIONS.installation];
      if (holder === namespace) return;
      if (holder !== undefined) {
        log.warn({ holder }, 'another installation has this cluster; looking whether it runs');
        if (await isAlive(client, clock, holder, signal)) throw new InstallationError(taken(holder, namespace));
      }
      const { resourceVersion } = crd.metadata;
      await client.mergePatch(CUSTOM_RESOURCE_DEFINITIONS, INSTALLATION_CRD, undefined, { metadata: { resourceVersion, annotations: { [ANNOTATIONS.installation]: namespace } } }, { signal });
      log.info({ namespace, before: holder }, 'this is the installation of the cluster');
      return;
    } catch (error) {
      signal.throwIfAborted();
      refusedSince = error instanceof ForbiddenError ? (refusedSince ?? clock.monotonic()) : undefined;
      const isRefusedForGood = refusedSince === undefined ? !mayPass(error) : clock.monotonic() - refusedSince >= ROLES_READ_MS;
      if (isRefusedForGood) throw error;
      log.warn({ error }, 'the place of the installation could not be claimed; trying again');
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }
}

/** Whether the Lease of the installation in `namespace` is written while we look. By our clock alone: the times in it are another machine's. */
async function isAlive(client: KubeClient, clock: Clock, namespace: string, signal: AbortSignal): Promise<boolean> {
  const until = clock.monotonic() + SILENCE_MS;
  const first = await leaseVersion(client, namespace, signal);
  while (clock.monotonic() < until) {
    await clock.sleep(LOOK_EVERY_MS, signal);
    const version = await leaseVersion(client, namespace, signal);
    if (version !== undefined && version !== first) return true;
  }
  return false;
}

async function leaseVersion(client: KubeClient, namespace: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await client.get(LEASES, LEASE_NAME, namespace, { signal })).metadata.resourceVersion;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** An answer that says "later", and what was no answer. */
function mayPass(error: unknown): boolean {
  if (error instanceof InstallationError) return false;
  return !(error instanceof ApiError) || error instanceof ConflictError || error instanceof ServerUnavailableError || error instanceof TooManyRequestsError;
}

const taken = (holder: string, namespace: string): string =>
  `a cluster has one installation, and the one in namespace ${holder} runs: Labs, Workers and templates belong to no namespace, and two controllers would fight over every host. `
  + `Uninstall this one (namespace ${namespace}) and have ${holder} watch your namespaces (WATCH_NAMESPACES); or uninstall that one, and this one takes its place within half a minute. `
  + `It is named in the annotation ${ANNOTATIONS.installation} of the CRD ${WORKERS.plural}.${WORKERS.group}.`;

/**
 * Refuses to act where a session that is under way would be out of sight: its Lab takes room on a host and is nobody's.
 * @param watched WATCH_NAMESPACES; empty: all, and there is nothing to refuse
 * @throws InstallationError naming the namespaces
 */
export function refuseStrays(labs: readonly Lab[], watched: readonly string[]): void {
  if (watched.length === 0) return;
  const strays = labs.flatMap(({ metadata, spec: { sessionRef } }) => (sessionRef && !watched.includes(sessionRef.namespace) ? [{ lab: metadata.name, session: `${sessionRef.namespace}/${sessionRef.name}`, namespace: sessionRef.namespace }] : []));
  const [first] = strays;
  if (!first) return;
  const namespaces = [...new Set(strays.map(({ namespace }) => namespace))].sort();
  throw new InstallationError(
    `${strays.length === 1 ? 'a session' : `${strays.length} sessions`} in ${namespaces.join(', ')} still ${strays.length === 1 ? 'has its lab' : 'have their labs'} on a host (session ${first.session}: Lab ${first.lab}), and WATCH_NAMESPACES (${watched.join(', ')}) leaves ${namespaces.length === 1 ? 'that namespace' : 'those namespaces'} out. `
    + `Add ${namespaces.join(', ')} to WATCH_NAMESPACES again, and take it out when its sessions have ended.`,
  );
}
