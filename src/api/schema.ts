/**
 * Building blocks of the kinds' schemas. Each carries the bounds that CEL's cost estimate needs
 * (an unbounded string or list makes the API server refuse a rule as too expensive).
 * `.meta({'x-kubernetes-…'})` goes into the CRD as it stands.
 */
import { z } from 'zod';

/** A rule for the API server's CEL validation: what must hold, and what the user should do if it does not. */
export interface CelRule {
  rule: string;
  message: string;
  messageExpression?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
}

/** Attaches CEL rules to a schema, merged with what it carries already. */
export function rules<S extends z.ZodType>(schema: S, ...list: CelRule[]): S {
  const meta = schema.meta() ?? {};
  const before = (meta['x-kubernetes-validations'] ?? []) as CelRule[];
  return schema.meta({ ...meta, 'x-kubernetes-validations': [...before, ...list] });
}

/** A list that the API server merges by key instead of replacing (server-side apply). */
export function listMap<S extends z.ZodType>(schema: S, ...keys: string[]): S {
  return schema.meta({ ...(schema.meta() ?? {}), 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys });
}

/** A list of scalars without repeats. */
export function listSet<S extends z.ZodType>(schema: S): S {
  return schema.meta({ ...(schema.meta() ?? {}), 'x-kubernetes-list-type': 'set' });
}

export const text = (max: number): z.ZodString => z.string().min(1).max(max);

/** Name of a namespaced or cluster-scoped object (DNS-1123 subdomain). */
export const objectName = (): z.ZodString =>
  z.string().min(1).max(253).regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

/** Semantic version MAJ.MIN.PATCH, with optional pre-release and build. */
export const semver = (): z.ZodString =>
  z.string().max(64).regex(/^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/);

/** Kubernetes duration string: `90m`, `1h30m`, `20s`, `0s`. */
export const duration = (): z.ZodString =>
  z.string().max(32).regex(/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/);

/** RFC 3339 time in UTC, as Kubernetes writes it. In CEL it is a timestamp. */
export const time = (): z.ZodString => z.string().max(64).meta({ format: 'date-time' });

/**
 * Kubernetes quantity, `4`, `500m`, `6Gi`; `cpu: 4` without quotes is accepted too.
 * Its value as a number: `parseQuantity` in `src/core/quantity.ts`.
 */
export const quantity = (): z.ZodType<string | number, string | number> =>
  z.union([z.number().int(), z.string().max(32)]).meta({
    'x-kubernetes-int-or-string': true,
    maxLength: 32,
    pattern: '^([0-9]+(\\.[0-9]+)?)(([KMGTPE]i?)|[munk]|([eE][-+]?[0-9]+))?$',
  });

export const sha256 = (): z.ZodString => z.string().length(64).regex(/^[0-9a-f]{64}$/);

export const uuid = (): z.ZodString => z.string().min(1).max(64);

/** TCP or UDP port of a CML host that PATty may open (domain §4.1). */
export const portNumber = (): z.ZodNumber => z.number().int().min(1).max(65535);

/** A key in a Secret of the same namespace, or of the controller's own where the field says so. */
export const secretKeyRef = (): z.ZodObject<{ name: z.ZodString; key: z.ZodOptional<z.ZodString> }> =>
  z.object({
    name: objectName().describe('Name of the Secret.'),
    key: text(253).optional().describe('Key in the Secret.'),
  });

/** Standard Kubernetes condition. */
export const condition = z.object({
  type: text(316).describe('Name of the condition.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('True, False or Unknown.'),
  reason: text(1024).describe('One word in CamelCase for machines.'),
  message: z.string().max(1024).optional().describe('A sentence for people: what is, why, and what would change it.'),
  lastTransitionTime: time().describe('When status last changed.'),
  observedGeneration: z.number().int().min(0).optional().describe('metadata.generation that this condition speaks of.'),
});
export type Condition = z.output<typeof condition>;

export const conditions = () => listMap(z.array(condition).max(16), 'type').optional().describe('What is true of the object now, each with its reason.');
