import type { LabletSessionStatus } from '../../src/api/labletsession.ts';

/** A status without its memory of events: what an event that changes nothing leaves alone. */
export function withoutInbox(status: LabletSessionStatus): LabletSessionStatus {
  const copy = structuredClone(status);
  Reflect.deleteProperty(copy, 'inbox');
  return copy;
}
