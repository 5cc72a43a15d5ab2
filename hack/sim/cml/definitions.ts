/** What a CML host knows about a kind of node. */
export interface NodeDefinition {
  readonly id: string;
  readonly images: readonly string[];
  /** vCPUs and MiB of RAM that a node takes unless the topology says otherwise. */
  readonly cpus: number;
  readonly ramMiB: number;
  readonly serialConsoles: number;
  readonly vnc: boolean;
  /** Operating system in pyATS terms; null for nodes without a command line. */
  readonly pyatsOs: string | null;
}

const router = (id: string, image: string, ramMiB: number, pyatsOs = 'ios'): NodeDefinition => ({ id, images: [image], cpus: 1, ramMiB, serialConsoles: 2, vnc: false, pyatsOs });
const server = (id: string, image: string, ramMiB: number): NodeDefinition => ({ id, images: [image], cpus: 1, ramMiB, serialConsoles: 1, vnc: true, pyatsOs: 'linux' });
const wiring = (id: string): NodeDefinition => ({ id, images: [], cpus: 0, ramMiB: 0, serialConsoles: 0, vnc: false, pyatsOs: null });

/** The node definitions of a stock installation that lab authors use most. */
const DEFINITIONS: ReadonlyMap<string, NodeDefinition> = new Map(
  [
    router('iosv', 'iosv-159-3-m10', 768),
    router('iosvl2', 'iosvl2-2020', 768),
    router('iol-xe', 'iol-xe-17-15-01', 1_024, 'iosxe'),
    router('ioll2-xe', 'ioll2-xe-17-15-01', 768, 'iosxe'),
    { ...router('csr1000v', 'csr1000v-17-03-08a', 3_072, 'iosxe'), serialConsoles: 5 },
    { ...router('cat8000v', 'cat8000v-17-15-01a', 4_096, 'iosxe'), serialConsoles: 5 },
    { ...router('nxosv9000', 'nxosv9300-10-4-2-f', 10_240, 'nxos'), cpus: 2 },
    { ...router('iosxrv9000', 'iosxrv9000-24-3-1', 20_480, 'iosxr'), cpus: 4 },
    { ...router('asav', 'asav-9-22-1-1', 2_048, 'asa'), vnc: true },
    server('ubuntu', 'ubuntu-24-04-20241004', 2_048),
    server('alpine', 'alpine-3-20-3', 512),
    { ...server('desktop', 'desktop-3-20-3', 512), serialConsoles: 2 },
    server('server', 'tcl-15-0', 128),
    wiring('external_connector'),
    wiring('unmanaged_switch'),
  ].map((definition) => [definition.id, definition]),
);

/** Looks up a node definition by its id. */
export function nodeDefinition(id: string): NodeDefinition | undefined {
  return DEFINITIONS.get(id);
}

/** All node definitions, for `GET /simplified_node_definitions`. */
export function nodeDefinitions(): readonly NodeDefinition[] {
  return [...DEFINITIONS.values()];
}
