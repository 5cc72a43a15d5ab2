/**
 * What others see of a lab's nodes: the devices on a candidate's page in LDS (contract §4.4 and §12.1), and
 * the pod whose consoles the GradingEngine reads (§12.2).
 */
import type { AllocatedPort } from '../ports.ts';

export interface DeviceNode {
  readonly label: string;
  readonly nodeDefinition: string;
  readonly tags: readonly string[];
}

/** An entry of the definition's `spec.devices`. `visible` wins over the tag `hidden` and the kind of the node. */
export interface DeviceOverride {
  readonly label: string;
  readonly visible?: boolean | undefined;
  readonly credentialsSecretRef?: { readonly name: string; readonly key?: string | undefined } | undefined;
}

export type LdsProtocol = 'vnc' | 'web' | 'ssh' | 'telnet';

/** One a node, by the best of its ports. The password stays in its Secret. */
export interface LdsDevice {
  readonly label: string;
  readonly protocol: LdsProtocol;
  readonly host: string;
  readonly port: number;
  readonly uri: string;
  readonly credentialsSecretRef?: { readonly name: string; readonly key?: string | undefined };
}

export interface PodInterface {
  readonly name: string;
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
}

export interface PodDevice {
  readonly label: string;
  readonly hostname: string;
  readonly collector: string;
  readonly interfaces: readonly PodInterface[];
}

export interface Pod {
  readonly id: string;
  readonly devices: readonly PodDevice[];
}

/**
 * Best first. rdp, which the contract puts after https, is left out: LDS has no such device. tcp, udp and pat do not
 * say what is spoken on them; a definition that does (protocol ssh, inside port 22) has the device.
 */
const LDS_PRIORITY: readonly { readonly port: string; readonly device: LdsProtocol; readonly scheme: string }[] = [
  { port: 'vnc', device: 'vnc', scheme: 'vnc' },
  { port: 'http', device: 'web', scheme: 'http' },
  { port: 'https', device: 'web', scheme: 'https' },
  { port: 'ssh', device: 'ssh', scheme: 'ssh' },
  { port: 'serial', device: 'telnet', scheme: 'telnet' },
  { port: 'telnet', device: 'telnet', scheme: 'telnet' },
];

const NETWORK_ONLY: ReadonlySet<string> = new Set(['external_connector', 'unmanaged_switch']);

/**
 * The devices of the candidate's page, in the order of the nodes.
 *
 * @param ports those of the Lab
 * @param host address of the worker, without a port
 */
export function ldsDevices(
  nodes: readonly DeviceNode[],
  ports: readonly AllocatedPort[],
  host: string,
  overrides: readonly DeviceOverride[] = [],
): LdsDevice[] {
  return nodes.flatMap((node) => {
    const override = overrides.find(({ label }) => label === node.label);
    const shown = override?.visible ?? (!node.tags.includes('hidden') && !NETWORK_ONLY.has(node.nodeDefinition));
    const best = shown ? bestPort(node, ports) : undefined;
    if (best === undefined) return [];
    const { number, choice } = best;
    const secret = override?.credentialsSecretRef;
    return [{
      label: node.label,
      protocol: choice.device,
      host,
      port: number,
      uri: `${choice.scheme}://${host.includes(':') ? `[${host}]` : host}:${number}`,
      ...(secret === undefined ? {} : { credentialsSecretRef: secret }),
    }];
  });
}

/** The first port of the best protocol that the node has. */
function bestPort(node: DeviceNode, ports: readonly AllocatedPort[]) {
  for (const choice of LDS_PRIORITY) {
    const found = ports.find((port) => port.node === node.label && port.protocol === choice.port);
    if (found !== undefined) return { number: found.number, choice };
  }
  return undefined;
}

/**
 * The pod of a session: a device for every node that has a port, hidden ones too, and an interface for every port.
 * A serial port is a `console` there; the other protocols keep their names.
 */
export function gradingPod(sessionUid: string, nodes: readonly DeviceNode[], ports: readonly AllocatedPort[], host: string): Pod {
  const devices = nodes.flatMap(({ label }) => {
    const interfaces = ports
      .filter(({ node }) => node === label)
      .map(({ name, protocol, number }) => ({ name, protocol: protocol === 'serial' ? 'console' : protocol, host, port: number }));
    return interfaces.length === 0 ? [] : [{ label, hostname: label, collector: 'default', interfaces }];
  });
  return { id: sessionUid, devices };
}
