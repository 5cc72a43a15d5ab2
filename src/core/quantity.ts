/** Kubernetes quantities as numbers (`4`, `500m`, `6Gi`). */

const SUFFIX: Record<string, number> = {
  '': 1,
  n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};
const QUANTITY = /^([0-9]+(?:\.[0-9]+)?)(?:([KMGTPE]i|[munkMGTPE])|[eE]([-+]?[0-9]+))?$/;

/** Value in base units: CPUs, or bytes. Throws RangeError for text that the API server would refuse as well. */
export function parseQuantity(quantity: string | number): number {
  if (typeof quantity === 'number') return quantity;
  const match = QUANTITY.exec(quantity.trim());
  if (!match) throw new RangeError(`not a Kubernetes quantity: "${quantity.slice(0, 40)}" (examples: 4, 500m, 6Gi)`);
  const [, number, suffix = '', exponent] = match;
  return Number(number) * (exponent === undefined ? (SUFFIX[suffix] ?? 1) : 10 ** Number(exponent));
}

/** CPUs as a quantity, in milli-CPUs where it is not whole. */
export function formatCpu(cpus: number): string {
  return Number.isInteger(cpus) ? String(cpus) : `${Math.round(cpus * 1000)}m`;
}

/** Bytes as a quantity with the largest binary suffix that keeps it exact. */
export function formatBytes(bytes: number): string {
  const whole = Math.round(bytes);
  for (const suffix of ['Ti', 'Gi', 'Mi', 'Ki']) {
    const unit = SUFFIX[suffix] ?? 1;
    if (whole !== 0 && whole % unit === 0) return `${whole / unit}${suffix}`;
  }
  return String(whole);
}
