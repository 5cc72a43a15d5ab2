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

/**
 * A text of a given form, and the words in which a user is told of it: where people write the field, the CRD has a
 * CEL rule with this message instead of a bare pattern. Keep the pattern within RE2, which knows no lookahead.
 */
export function formed(schema: z.ZodString, pattern: RegExp, message: string): z.ZodString {
  return schema.regex(pattern, message).meta({ [PATTERN_MESSAGE]: message });
}
/** Key under which `formed` leaves its message for the generator of the CRDs. */
export const PATTERN_MESSAGE = 'x-lablet-pattern-message';

/** Name of a namespaced or cluster-scoped object (DNS-1123 subdomain). */
export const objectName = (): z.ZodString =>
  formed(z.string().min(1).max(253), /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be the name of an object: lower case letters, digits, "-" and ".", beginning and ending with a letter or digit');

/**
 * Semantic version MAJOR.MINOR.PATCH, with optional pre-release. No build metadata, which would not order, and no
 * capitals, so that it can stand in label values and object names.
 */
export const semver = (): z.ZodString =>
  formed(
    z.string().max(63),
    /^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(-(0|[1-9][0-9]{0,8}|[0-9]*[a-z-][0-9a-z-]*)(\.(0|[1-9][0-9]{0,8}|[0-9]*[a-z-][0-9a-z-]*))*)?$/,
    'must be a semantic version MAJOR.MINOR.PATCH such as 1.2.0 or 1.3.0-rc.1, without build metadata',
  );

/** Form of a duration, for CEL rules that must not compute with something else. */
export const DURATION = /^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/;
/** Kubernetes duration string: `90m`, `1h30m`, `20s`, `0s`. */
export const duration = (): z.ZodString => formed(z.string().max(32), DURATION, 'must be a duration such as 90m, 1h30m or 20s');

/** RFC 3339 time in UTC, as Kubernetes writes it. In CEL it is a timestamp. */
export const time = (): z.ZodString => z.string().max(64).meta({ format: 'date-time' });

/**
 * Kubernetes quantity, `4`, `500m`, `6Gi`; `cpu: 4` without quotes is accepted too.
 * Its value as a number: `parseQuantity` in `src/core/quantity.ts`.
 */
export const quantity = (): z.ZodType<string | number, string | number> =>
  rules(z.union([z.number().int(), z.string().max(32)]).meta({ 'x-kubernetes-int-or-string': true, maxLength: 32 }), {
    rule: "isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))",
    message: 'must be a Kubernetes quantity that is not negative, such as "4", 500m or 6Gi',
  });

export const sha256 = (): z.ZodString => formed(z.string().max(64), /^[0-9a-f]{64}$/, 'must be a SHA-256 as 64 lower case hexadecimal digits');

export const uuid = (): z.ZodString => z.string().min(1).max(64);

/** TCP or UDP port of a CML host that PATty may open (contract §4.1). */
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
