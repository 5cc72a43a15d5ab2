import { stringify } from 'yaml';
import { nodeDefinition } from './definitions.ts';
import { hasConverged, isRunning, labState, type SimLab, type SimNode } from './lab.ts';

type Json = Record<string, unknown>;

/** The body of `GET /labs/{id}`, and a tile of `populate_lab_tiles`. */
export function labDetails(lab: SimLab, ownerName: string): Json {
  return {
    id: lab.id, lab_title: lab.title, lab_description: lab.description, lab_notes: lab.notes, state: labState(lab),
    created: lab.created, modified: lab.modified, owner: lab.owner, owner_username: ownerName, owner_fullname: '',
    node_count: lab.nodes.length, link_count: lab.links.length, effective_permissions: ['lab_admin', 'lab_edit', 'lab_exec', 'lab_view'],
    groups: [], autostart: { enabled: false, priority: null, delay: null }, node_staging: { enabled: false, abort_on_failure: false, start_remaining: true },
  };
}

/** A node as the node list and the topology show it. */
function nodeView(node: SimNode, show: { configuration: boolean; interfaces?: boolean }): Json {
  return {
    ...node.settings,
    id: node.id, label: node.label, node_definition: node.definition, tags: node.tags,
    ...(show.configuration && { configuration: node.configuration ?? null }),
    ...(show.interfaces === true && {
      interfaces: node.interfaces.map(({ id, label, slot, type, mac }) => ({ id, label, slot, type, mac_address: mac })),
    }),
  };
}

/** A node with its state and consoles: `GET /labs/{id}/nodes?data=true`. */
export function nodeData(lab: SimLab, node: SimNode, show: { configuration: boolean; operational: boolean }): Json {
  const definition = nodeDefinition(node.definition);
  const consoles = Array.from({ length: definition?.serialConsoles ?? 0 }, (_, line) => ({
    console_key: `${node.id.slice(0, 24)}${String(line).padStart(12, '0')}`,
    label: `serial${line}`,
    device_number: line,
  }));
  return {
    ...nodeView(node, show),
    lab_id: lab.id, state: node.state, boot_progress: node.state === 'BOOTED' ? 'Booted' : isRunning(node) ? 'Booting' : 'Not running',
    serial_consoles: isRunning(node) ? consoles : [],
    vnc_key: isRunning(node) && definition?.vnc === true ? node.id : null,
    ...(show.operational && { operational: isRunning(node) ? { compute_id: null, resource_pool: null, vnc_key: node.id } : null }),
  };
}

/** The body of `GET /labs/{id}/topology`. */
export function topologyView(lab: SimLab, show: { configuration: boolean }): Json {
  return {
    lab: { title: lab.title, description: lab.description, notes: lab.notes, owner: lab.owner, version: lab.version },
    nodes: lab.nodes.map((node) => nodeView(node, { ...show, interfaces: true })),
    links: lab.links.map(({ id, a, b, label }) => ({ id, interface_a: a, interface_b: b, label })),
    annotations: lab.annotations,
    smart_annotations: lab.smartAnnotations,
  };
}

/** The body of `GET /labs/{id}/lab_element_state`; interfaces and links live and die with their nodes. */
export function elementStates(lab: SimLab): Json {
  const state = (node: SimNode | undefined): string => (node && isRunning(node) ? 'STARTED' : node?.state ?? 'DEFINED_ON_CORE');
  const interfaces = lab.nodes.flatMap((node) => node.interfaces.map(({ id }) => [id, state(node)] as const));
  const byInterface = new Map(interfaces);
  return {
    nodes: Object.fromEntries(lab.nodes.map((node) => [node.id, node.state])),
    interfaces: Object.fromEntries(interfaces),
    links: Object.fromEntries(lab.links.map(({ id, a, b }) => [id, byInterface.get(a) === 'STARTED' ? byInterface.get(b) : byInterface.get(a)])),
  };
}

const withoutId = (annotation: Json): Json => Object.fromEntries(Object.entries(annotation).filter(([key]) => key !== 'id'));

/** A lab file as `GET /labs/{id}/download` gives it: short ids again, fit to be imported elsewhere. */
export function labFile(lab: SimLab): string {
  const ends = new Map(lab.nodes.flatMap((node, n) => node.interfaces.map((port, i) => [port.id, { node: `n${n}`, port: `i${i}` }] as const)));
  return stringify({
    lab: { title: lab.title, description: lab.description, notes: lab.notes, version: lab.version },
    nodes: lab.nodes.map((node, n) => ({
      ...nodeView(node, { configuration: true }),
      id: `n${n}`,
      interfaces: node.interfaces.map(({ label, slot, type, mac }, i) => ({ id: `i${i}`, label, ...(slot !== null && { slot }), type, mac_address: mac })),
    })),
    links: lab.links.map(({ a, b, label }, l) => ({ id: `l${l}`, n1: ends.get(a)?.node, i1: ends.get(a)?.port, n2: ends.get(b)?.node, i2: ends.get(b)?.port, label })),
    annotations: lab.annotations.map(withoutId),
    smart_annotations: lab.smartAnnotations.map(withoutId),
  });
}

/** The pyATS testbed of a lab: consoles are reached through the host as terminal server. */
export function pyatsTestbed(lab: SimLab, hostname: string, user: string): string {
  const devices = lab.nodes.flatMap((node) => {
    const os = nodeDefinition(node.definition)?.pyatsOs ?? null;
    const cli = { protocol: 'telnet', proxy: 'terminal_server', command: `open /${lab.title}/${node.label}/0` };
    return os === null ? [] : [[node.label, { os, type: os === 'linux' ? 'server' : 'router', platform: node.definition, connections: { defaults: { class: 'unicon.Unicon' }, a: cli } }] as const];
  });
  return stringify({
    testbed: { name: lab.title },
    devices: {
      terminal_server: {
        os: 'linux', type: 'linux', credentials: { default: { username: user, password: 'change_me' } },
        connections: { cli: { protocol: 'ssh', ip: hostname, port: 22, ssh_options: '-o StrictHostKeyChecking=no' } },
      },
      ...Object.fromEntries(devices),
    },
  });
}

/** What `/sim/labs` tells a test about a lab. */
export function labSummary(lab: SimLab, ownerName: string): Json {
  return {
    id: lab.id, title: lab.title, owner: ownerName, state: labState(lab), converged: hasConverged(lab), created: lab.created,
    nodes: lab.nodes.map(({ id, label, state, tags }) => ({ id, label, state, tags })),
  };
}
