/**
 * The name of a Lab object, which is its title on the CML host as well: an import looks the title up before it
 * creates anything, and the orphan sweep tells our labs from all others by it (contract §4.4).
 */
import { sha256Hex } from './canonical.ts';

/** Kubernetes allows 253 characters in a name and CML 64 in a title; 63 also fits a label's value. */
export const MAX_TITLE_LENGTH = 63;

/** Whom the Lab is made for. A session that is scheduled again gets another title: its first lab may still stand. */
export type LabOwner =
  | { readonly kind: 'session'; readonly sessionUid: string; readonly reschedules: number }
  | { readonly kind: 'warm'; readonly definitionUid: string; readonly version: string; readonly ordinal: number };

/**
 * `<definition, cut>-<8 hex>-<cluster id>`: at most 63 characters and a DNS-1123 subdomain when `definition` (the
 * LabletDefinition's metadata.name) is one. The same owner and salt give the same title for ever.
 *
 * @param salt 0 at first; raised by one when the name exists already and belongs to another claim
 * @param clusterId 4 hex digits in lower case; anything else throws a RangeError
 */
export function labTitle(definition: string, owner: LabOwner, clusterId: string, salt = 0): string {
  const key = owner.kind === 'session'
    ? [owner.kind, owner.sessionUid, owner.reschedules, salt]
    : [owner.kind, owner.definitionUid, owner.version, owner.ordinal, salt];
  const digest = sha256Hex(JSON.stringify(key)).slice(0, 8);
  const ending = `-${digest}${clusterSuffix(clusterId)}`;
  // A cut may leave a separator at the end, which would make an empty DNS label or a double dash.
  const prefix = definition.slice(0, MAX_TITLE_LENGTH - ending.length).replace(/[-.]+$/, '');
  return prefix + ending;
}

/**
 * Whether a title on a CML host ends as ours do. One of two conditions for touching a lab that no Lab object claims:
 * the other is that its CML owner is our login.
 */
export function isOurs(title: string, clusterId: string): boolean {
  const suffix = clusterSuffix(clusterId);
  return title.endsWith(suffix) && /.-[0-9a-f]{8}$/.test(title.slice(0, -suffix.length));
}

/** A wrong cluster id must never widen what the sweep may delete, hence the check on every use. */
function clusterSuffix(clusterId: string): string {
  if (!/^[0-9a-f]{4}$/.test(clusterId)) {
    throw new RangeError(`CLUSTER_ID must be 4 hexadecimal digits in lower case, not ${JSON.stringify(clusterId)}`);
  }
  return `-${clusterId}`;
}
