/** `date` as Kubernetes writes a MicroTime (Lease, Event): RFC 3339 with exactly six decimals. */
export function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}
