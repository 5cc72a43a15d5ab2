/** What the controller says of itself on /metrics. */

export interface Reading {
  readonly cpuSeconds: number;
  readonly residentMiB: number;
  /** Phase changes of sessions that were written. */
  readonly transitions: number;
  /** Requests to the API server, whatever their answer; a watch counts when it ends. */
  readonly requests: number;
}

export async function readMetrics(opsUrl: string): Promise<Reading> {
  const lines = (await (await fetch(`${opsUrl}/metrics`)).text()).split('\n');
  const sum = (name: string): number => lines
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  return {
    cpuSeconds: sum('process_cpu_seconds_total'),
    residentMiB: sum('process_resident_memory_bytes') / 2 ** 20,
    transitions: sum('lablet_transition_total'),
    requests: sum('lablet_kube_requests_total'),
  };
}
