/** Order of resourceVersions. Kubernetes has promised since 1.35 that those of one resource are decimal numbers that grow. */

const DECIMAL = /^[0-9]+$/;

/**
 * Is version `a` newer than `b`? Compared without conversion: they outgrow a double.
 * @returns undefined if either is not a decimal number (an aggregated API may do as it likes).
 */
export function isNewer(a: string, b: string): boolean | undefined {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return undefined;
  return a.length === b.length ? a > b : a.length > b.length;
}
