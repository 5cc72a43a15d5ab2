import { describe, expect, test } from '@jest/globals';
import { freeIn, heldSpec, releasedSpec, sight } from '../../../src/runtime/lease.ts';
import type { Lease, LeaseSpec } from '../../../src/runtime/lease.ts';

const lease = (spec: LeaseSpec, resourceVersion = '1'): Lease => ({
  apiVersion: 'coordination.k8s.io/v1', kind: 'Lease',
  metadata: { name: 'controller', namespace: 'lablet', uid: 'u', resourceVersion, creationTimestamp: '2026-11-23T10:00:00Z' },
  spec,
});
const now = new Date('2026-11-23T10:00:00Z');
const held = heldSpec(undefined, 'a', 15_000, now);

describe('a lease', () => {
  test('is free when it has not changed for its duration by our clock, whatever its times say', () => {
    for (const renewTime of ['1999-01-01T00:00:00.000000Z', '2999-01-01T00:00:00.000000Z']) {
      const seen = sight(undefined, lease({ ...held, renewTime }), 1_000);
      expect(freeIn(seen, 1_000)).toBe(15_000);
      expect(freeIn(seen, 15_999)).toBe(1);
      expect(freeIn(seen, 16_000)).toBe(0);
    }
  });

  test('seen again unchanged is not younger, renewed it is', () => {
    const first = sight(undefined, lease(held), 1_000);
    expect(freeIn(sight(first, lease(held), 9_000), 9_000)).toBe(7_000);
    const renewed = lease({ ...held, renewTime: '2026-11-23T10:00:05.000000Z' }, '2');
    expect(freeIn(sight(first, renewed, 9_000), 9_000)).toBe(15_000);
  });

  test('that only got a label is not younger for it, but its new version is known', () => {
    const first = sight(undefined, lease(held, '1'), 1_000);
    const labelled = sight(first, lease(held, '2'), 9_000);
    expect(labelled).toMatchObject({ since: 1_000, lease: { metadata: { resourceVersion: '2' } } });
  });

  test('that was released is free at once', () => {
    expect(freeIn(sight(undefined, lease(releasedSpec(held, now)), 1_000), 1_000)).toBe(0);
  });

  test('counts its holders and tells since when the last one holds it', () => {
    const later = new Date('2026-11-23T10:00:05Z');
    const renewed = heldSpec(held, 'a', 15_000, later);
    expect(renewed).toMatchObject({ leaseTransitions: 0, acquireTime: held.acquireTime, renewTime: '2026-11-23T10:00:05.000000Z' });
    expect(heldSpec(renewed, 'b', 15_000, later)).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1, acquireTime: '2026-11-23T10:00:05.000000Z' });
  });

  test('is never promised shorter than it is counted on', () => {
    expect(heldSpec(undefined, 'a', 14_001, now).leaseDurationSeconds).toBe(15);
  });
});
