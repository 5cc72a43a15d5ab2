import { describe, expect, test } from '@jest/globals';
import { gradingPod, ldsDevices } from '../../../../src/core/topology/devices.ts';
import { summarizeTopology } from '../../../../src/core/topology/summary.ts';

const HOST = '192.0.2.7';
const node = (tags: string[] = [], nodeDefinition = 'iosv') => ({ label: 'n', nodeDefinition, tags });
const ports = (...protocols: string[]) => protocols.map((protocol, index) => ({ name: `n_${protocol}`, node: 'n', protocol, number: 2000 + index }));

test.each([
  [['telnet', 'serial', 'ssh', 'https', 'http', 'vnc'], 'vnc://192.0.2.7:2005', 'vnc'],
  [['telnet', 'serial', 'ssh', 'https', 'http'], 'http://192.0.2.7:2004', 'web'],
  [['telnet', 'serial', 'ssh', 'https'], 'https://192.0.2.7:2003', 'web'],
  [['telnet', 'serial', 'ssh'], 'ssh://192.0.2.7:2002', 'ssh'],
  [['telnet', 'serial'], 'telnet://192.0.2.7:2001', 'telnet'],
  [['pat', 'tcp', 'telnet'], 'telnet://192.0.2.7:2002', 'telnet'],
  [['serial', 'serial'], 'telnet://192.0.2.7:2000', 'telnet'],
])('of the ports %p the candidate gets %s', (protocols, uri, protocol) => {
  expect(ldsDevices([node()], ports(...protocols), HOST)).toEqual([
    { label: 'n', protocol, host: HOST, port: Number(uri.split(':').at(-1)), uri },
  ]);
});

describe('visibility', () => {
  test.each([
    ['a node with a port', node(), ['serial'], undefined, true],
    ['a node without a port', node(), [], undefined, false],
    ['a node whose ports LDS cannot show', node(), ['tcp', 'pat', 'rdp'], undefined, false],
    ['a hidden node', node(['hidden']), ['serial'], undefined, false],
    ['a hidden node that the definition shows', node(['hidden']), ['serial'], true, true],
    ['a node that the definition hides', node(), ['serial'], false, false],
    ['an external connector', node([], 'external_connector'), ['ssh'], undefined, false],
    ['an unmanaged switch', node([], 'unmanaged_switch'), ['ssh'], undefined, false],
  ] as const)('%s', (_, shown, protocols, visible, expected) => {
    const overrides = visible === undefined ? [] : [{ label: 'n', visible }];
    expect(ldsDevices([shown], ports(...protocols), HOST, overrides).length === 1).toBe(expected);
  });

  test('a reference to credentials goes with the device and does not show a hidden node', () => {
    const overrides = [{ label: 'n', credentialsSecretRef: { name: 's', key: 'k' } }];
    expect(ldsDevices([node()], ports('ssh'), HOST, overrides)[0]?.credentialsSecretRef).toEqual({ name: 's', key: 'k' });
    expect(ldsDevices([node(['hidden'])], ports('ssh'), HOST, overrides)).toEqual([]);
  });
});

test('an IPv6 host stands in brackets in the URI', () => {
  expect(ldsDevices([node()], ports('ssh'), '2001:db8::7')[0]?.uri).toBe('ssh://[2001:db8::7]:2000');
});

test('hidden nodes are graded, nodes without ports are not', () => {
  const pod = gradingPod('uid', [node(['hidden']), { ...node(), label: 'm' }], ports('serial', 'vnc', 'http'), HOST);
  expect(pod.devices.map(({ label, interfaces }) => [label, interfaces.map(({ protocol, port }) => `${protocol}:${port}`)])).toEqual([
    ['n', ['console:2000', 'vnc:2001', 'http:2002']],
  ]);
});

describe('a definition that configures devices in vain is refused', () => {
  const text = Buffer.from(JSON.stringify({ nodes: [{ label: 'n', node_definition: 'x', tags: ['tcp:1'] }] }));
  test.each([
    ['no such node', { label: 'm', visible: false }, 'node "m": spec.devices names a node that the topology does not have'],
    ['no port that can be shown', { label: 'n', visible: true }, 'node "n": spec.devices makes the node visible, but no port tag of it can be shown'],
  ])('%s', (_, override, message) => {
    expect(() => summarizeTopology(text, { devices: [override] })).toThrow(message);
  });
});
