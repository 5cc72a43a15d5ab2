/** The Lease object of an election, and what a replica may conclude from having seen it. All pure. */
import type { KubeObject, NewObject, Resource } from '../kube/types.ts';
import { microTime } from './micro-time.ts';

export interface LeaseSpec {
  /** Absent: nobody holds it. */
  holderIdentity?: string | undefined;
  leaseDurationSeconds?: number | undefined;
  /** RFC 3339 with microseconds, by the holder's clock: for people, never compared. */
  acquireTime?: string | undefined;
  renewTime?: string | undefined;
  leaseTransitions?: number | undefined;
}

export interface Lease extends KubeObject {
  spec?: LeaseSpec | undefined;
}

export const LEASES: Resource<Lease> = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true };

/** A Lease as this replica last saw it. */
export interface Sighting {
  readonly lease: Lease;
  /** Monotonic moment, in milliseconds, at which its spec was first seen as it is: the only clock that counts is ours. */
  readonly since: number;
}

/** What is known after seeing `lease` at the monotonic moment `now`: the time starts anew only if the spec has changed. */
export function sight(before: Sighting | undefined, lease: Lease, now: number): Sighting {
  const unchanged = before !== undefined && JSON.stringify(before.lease.spec) === JSON.stringify(lease.spec);
  return { lease, since: unchanged ? before.since : now };
}

/** Who holds the lease, as far as is known; undefined: nobody does. */
export function holderOf(lease: Lease): string | undefined {
  const holder = lease.spec?.holderIdentity;
  return holder === '' ? undefined : holder;
}

/** In how many milliseconds anybody may take the lease: 0 or less when it is released or has not changed for its duration. */
export function freeIn(sighting: Sighting, now: number): number {
  if (holderOf(sighting.lease) === undefined) return 0;
  return sighting.since + (sighting.lease.spec?.leaseDurationSeconds ?? 0) * 1000 - now;
}

/** The spec by which `identity` takes or keeps the lease. */
export function heldSpec(before: LeaseSpec | undefined, identity: string, durationMs: number, now: Date): LeaseSpec {
  const kept = before?.holderIdentity === identity;
  return {
    holderIdentity: identity,
    // Rounded up: others must never wait less than we count on.
    leaseDurationSeconds: Math.ceil(durationMs / 1000),
    acquireTime: kept ? before.acquireTime : microTime(now),
    renewTime: microTime(now),
    leaseTransitions: (before?.leaseTransitions ?? 0) + (kept || before === undefined ? 0 : 1),
  };
}

/** The spec that gives the lease back, so that the next leader need not wait for its end. */
export function releasedSpec(before: LeaseSpec | undefined, now: Date): LeaseSpec {
  return { leaseDurationSeconds: 1, renewTime: microTime(now), leaseTransitions: before?.leaseTransitions ?? 0 };
}

/** The first Lease of an election. */
export function newLease(name: string, namespace: string, spec: LeaseSpec): NewObject<Lease> {
  return { metadata: { name, namespace }, spec };
}
