import { describe, expect, test } from '@jest/globals';
import { parseTopology } from '../../../../src/core/topology/parse.ts';
import { extractPorts, placeholderOf } from '../../../../src/core/topology/ports.ts';
import type { DeclaredPort } from '../../../../src/core/topology/ports.ts';

function topology(nodes: Record<string, readonly string[]>) {
  return parseTopology(JSON.stringify({ nodes: Object.entries(nodes).map(([label, tags]) => ({ label, node_definition: 'iosv', tags })) }));
}
const names = (nodes: Record<string, readonly string[]>, declared?: readonly DeclaredPort[]): string[] =>
  extractPorts(topology(nodes), declared).map(({ name }) => name);

describe('names of ports', () => {
  test.each<[string, Record<string, readonly string[]>, string[]]>([
    ['label and protocol', { r1: ['serial:5041', 'vnc:5042'] }, ['r1_serial', 'r1_vnc']],
    ['spaces become underscores, other specials go', { 'core sw #1.a': ['ssh:22'] }, ['core_sw_1a_ssh']],
    ['a further serial port has its line', { r1: ['serial:5000:0', 'serial:5001:1'] }, ['r1_serial', 'r1_serial_1']],
    ['a further pat port has its inside port', { web: ['pat:5000:80', 'pat:tcp:5001:443', 'pat:udp:5002:53'] }, ['web_pat', 'web_pat_443', 'web_pat_53']],
    ['a further port with neither has its number', { web: ['tcp:5000', 'tcp:5001', 'tcp:5002'] }, ['web_tcp', 'web_tcp_2', 'web_tcp_3']],
    ['a placeholder chooses the name, in any order', { r1: ['serial:${PORT_R1_SERIAL_1}:1', 'serial:${PORT_R1_SERIAL}:0'] }, ['r1_serial_1', 'r1_serial']],
    ['a literal takes what placeholders leave over', { r1: ['serial:5000:1', 'serial:${PORT_R1_SERIAL}'] }, ['r1_serial_1', 'r1_serial']],
    ['all protocols', { n: ['serial:1', 'vnc:2', 'ssh:3', 'telnet:4', 'tcp:5', 'http:6', 'https:7', 'pat:8:9'] }, ['n_serial', 'n_vnc', 'n_ssh', 'n_telnet', 'n_tcp', 'n_http', 'n_https', 'n_pat']],
    ['other tags are no ports', { n: ['role:router', 'hidden', 'serial:abc', 'serial:', 'Serial:5000', 'vnc:1:2', 'pat:5000', 'vlan:10', 'udp:53', 'tcp:5 '] }, []],
  ])('%s', (_, nodes, expected) => {
    expect(names(nodes)).toEqual(expected);
  });

  test('line and inside port are kept beside the name', () => {
    expect(extractPorts(topology({ r1: ['serial:5000:2', 'pat:tcp:5001:22'] }))).toEqual([
      { name: 'r1_serial', node: 'r1', protocol: 'serial', line: 2 },
      { name: 'r1_pat', node: 'r1', protocol: 'pat', inside: 22 },
    ]);
  });

  test('a placeholder is the name in capitals', () => {
    expect(placeholderOf('core-sw.1_serial')).toBe('${PORT_CORE_SW_1_SERIAL}');
  });
});

describe('refused, naming node and tag', () => {
  test.each<[string, Record<string, readonly string[]>, string]>([
    ['the placeholder of another node', { r1: [], r2: ['serial:${PORT_R1_SERIAL}'] }, 'node "r2", tag "serial:${PORT_R1_SERIAL}": unknown placeholder; expected ${PORT_R2_SERIAL}'],
    ['a placeholder without PORT_', { r1: ['serial:${R1_SERIAL}'] }, 'node "r1", tag "serial:${R1_SERIAL}": unresolved placeholder; the form is <protocol>:${PORT_<NAME>}'],
    ['a placeholder that does not end', { r1: ['serial:${PORT_R1_SERIAL'] }, 'node "r1", tag "serial:${PORT_R1_SERIAL": unresolved placeholder; the form is <protocol>:${PORT_<NAME>}'],
    ['a tag twice on a node', { r1: ['serial:5000', 'serial:5000'] }, 'node "r1", tag "serial:5000": the tag stands twice on the node'],
    ['any tag twice on a node', { r1: ['role:x', 'role:x'] }, 'node "r1", tag "role:x": the tag stands twice on the node'],
    ['a port tag on two nodes', { r1: ['serial:5000'], r2: ['serial:5000'] }, 'node "r2", tag "serial:5000": node "r1" has the same port tag'],
    ['labels that give the same name', { 'a b': ['vnc:1'], a_b: ['vnc:2'] }, 'node "a_b", tag "vnc:2": its port would be called a_b_vnc, as that of tag "vnc:1" on node "a b"; name the ports in spec.ports'],
    ['a label without letters', { '#': ['vnc:1'] }, 'node "#", tag "vnc:1": the label has no letter or digit to name a port after; name the ports in spec.ports'],
    ['a label too long for a name', { [`r${'1'.repeat(127)}`]: ['vnc:1'] }, 'the label is too long to name a port after; name the ports in spec.ports'],
    ['a line that no node has', { r1: ['serial:5000:32'] }, 'node "r1", tag "serial:5000:32": a line is 0 to 31 and an inside port 1 to 65535'],
    ['an inside port that does not exist', { r1: ['pat:5000:65536'] }, 'node "r1", tag "pat:5000:65536": a line is 0 to 31 and an inside port 1 to 65535'],
    ['more than 50 ports', { r1: Array.from({ length: 51 }, (_, n) => `tcp:${5000 + n}`) }, 'the topology has 51 port tags; at most 50 are allowed'],
  ])('%s', (_, nodes, message) => {
    expect(() => names(nodes)).toThrow(message);
  });
});

describe('ports that the definition declares stand for those of the tags', () => {
  const declared: DeclaredPort[] = [
    { name: 'console-1', node: 'r1', protocol: 'serial', line: 0 },
    { name: 'console-2', node: 'r1', protocol: 'serial', line: 1 },
    { name: 'login', node: 'srv', protocol: 'ssh', insidePort: 22 },
  ];

  test('by placeholder or by node, protocol, line and inside port; what the tag says is added', () => {
    expect(extractPorts(topology({ r1: ['serial:5001:1', 'serial:${PORT_CONSOLE_1}'], srv: ['pat:tcp:5022:22'] }), declared)).toEqual([
      { name: 'console-2', node: 'r1', protocol: 'serial', line: 1 },
      { name: 'console-1', node: 'r1', protocol: 'serial', line: 0 },
      { name: 'login', node: 'srv', protocol: 'ssh', inside: 22 },
    ]);
  });

  test.each<[string, Record<string, readonly string[]>, string]>([
    ['a declared port without a tag', { r1: ['serial:1', 'serial:2:1'], srv: [] }, 'node "srv": spec.ports has login, but no tag of the node opens it; add pat:tcp:${PORT_LOGIN}:22'],
    ['a declared simple port without a tag', { r1: ['serial:2:1'], srv: ['ssh:3'] }, 'node "r1": spec.ports has console-1, but no tag of the node opens it; add serial:${PORT_CONSOLE_1}'],
    ['a tag that is not declared', { r1: ['vnc:5900'] }, 'node "r1", tag "vnc:5900": the tag opens a port that spec.ports does not declare'],
    ['a placeholder that is not declared', { r1: ['serial:${PORT_R1_SERIAL}'] }, 'node "r1", tag "serial:${PORT_R1_SERIAL}": unknown placeholder: spec.ports has no such port of this node and protocol'],
    ['two tags of one declared port', { srv: ['ssh:${PORT_LOGIN}', 'ssh:22'] }, 'node "srv", tag "ssh:22": its port would be called login, as that of tag "ssh:${PORT_LOGIN}" on node "srv"'],
  ])('refused: %s', (_, nodes, message) => {
    expect(() => names(nodes, declared)).toThrow(message);
  });
});
