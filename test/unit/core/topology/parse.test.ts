import { describe, expect, test } from '@jest/globals';
import { InvalidTopologyError } from '../../../../src/core/topology/error.ts';
import { MAX_TOPOLOGY_BYTES, parseTopology } from '../../../../src/core/topology/parse.ts';
import { summarizeTopology } from '../../../../src/core/topology/summary.ts';

function refusal(act: () => unknown): InvalidTopologyError {
  try {
    act();
  } catch (error) {
    if (error instanceof InvalidTopologyError) return error;
    throw error;
  }
  throw new Error('the topology was accepted');
}
const fill = (unit: string): string => unit.repeat(Math.floor(MAX_TOPOLOGY_BYTES / unit.length));
const node = (rest: string): string => `nodes:\n  - label: r1\n    node_definition: iosv\n${rest}`;

describe('a text that is no usable topology is refused with the cause', () => {
  test.each<[string, string, string]>([
    ['nothing at all', '', 'the file: Invalid input: expected object, received null'],
    ['only a comment', '# later\n', 'the file: Invalid input: expected object, received null'],
    ['something else', 'hello', 'the file: Invalid input: expected object, received string'],
    ['no nodes', 'lab: {title: x}', 'nodes: Invalid input: expected array, received undefined'],
    ['broken YAML', 'nodes: ]\n', 'line 1: not valid YAML (UNEXPECTED_TOKEN)'],
    ['a placeholder that is not quoted in a flow list', node('    tags: [serial:${PORT_R1_SERIAL}]'), 'line 4: not valid YAML (MISSING_CHAR)'],
    ['two documents', 'nodes: []\n---\nnodes: []\n', 'the file has more than one YAML document'],
    ['a key twice', 'nodes: []\nlinks: []\nnodes: []\n', 'the key "nodes" stands twice in one mapping'],
    ['a key twice in other spelling', 'nodes: []\n"nodes": []\n', 'the key "nodes" stands twice in one mapping'],
    ['an alias', 'a: &x 1\nnodes: *x\n', 'line 1: anchors and aliases are not supported; write the value out'],
    ['a merge key', 'nodes:\n  - {label: r1, node_definition: iosv, <<: {tags: [hidden]}}\n', 'merge keys (<<) are not supported; write the values out'],
    ['a directive, which could make it YAML 1.1', '%YAML 1.1\n---\nnodes: []\n', 'line 1: YAML directives are not supported'],
    ['a tag that is a number', node('    tags: [role:x, 5000]'), 'node "r1": nodes.0.tags.1: Invalid input: expected string, received number; put quotes around it'],
    ['tags that are no list', node('    tags: serial:5000'), 'node "r1": nodes.0.tags: Invalid input: expected array, received string'],
    ['no node definition', 'nodes: [{label: r1}]', 'node "r1": nodes.0.node_definition: Invalid input: expected string, received undefined'],
    ['two nodes of one label', 'nodes: [{label: r1, node_definition: a}, {label: r1, node_definition: b}]', 'node "r1": another node has the same label; rename one'],
  ])('%s', (_, text, message) => {
    expect(refusal(() => parseTopology(text)).message).toBe(message);
  });

  test('bytes that are not UTF-8', () => {
    expect(refusal(() => summarizeTopology(new Uint8Array([0x6e, 0xff]))).message).toBe('the file is not UTF-8 text');
  });

  test('a message never quotes the source, which may hold passwords', () => {
    expect(refusal(() => parseTopology('nodes: []\nconfiguration: ]hunter2 "hunter2\n')).message).not.toContain('hunter2');
  });
});

describe('what CML writes, or a person may, is accepted', () => {
  test.each([
    ['no nodes yet', 'nodes: []\n'],
    ['tags left empty', node('    tags:\n')],
    ['no smart annotations', 'nodes: []\nsmart_annotations: null\n'],
    ['windows line ends and a byte order mark', '\uFEFFnodes: []\r\nlinks: []\r\n'],
    ['ampersands and stars inside a configuration', node('    configuration: |-\n      a & b\n      * c\n      &x *x\n')],
  ])('%s', (_, text) => {
    expect(parseTopology(text).smartAnnotations).toEqual([]);
  });

  test('a lab of five hundred nodes with ten interfaces each', () => {
    const interfaces = '      - {id: i1, label: GigabitEthernet0/0, slot: 0, type: physical, mac_address: null}\n'.repeat(10);
    const nodes = Array.from({ length: 500 }, (_, n) => `  - label: r${n}\n    node_definition: iosv\n    interfaces:\n${interfaces}`);
    expect(parseTopology(`nodes:\n${nodes.join('')}`).nodes).toHaveLength(500);
  });
});

describe('a hostile text is refused before it costs much', () => {
  test('one byte more than is allowed', () => {
    const text = `nodes: []\n#${'x'.repeat(MAX_TOPOLOGY_BYTES)}`;
    expect(refusal(() => parseTopology(text)).reason).toBe('TopologyTooLarge');
    expect(refusal(() => summarizeTopology(Buffer.from(text))).reason).toBe('TopologyTooLarge');
  });

  test('the size is counted in bytes, not in characters', () => {
    expect(refusal(() => parseTopology(`#${'é'.repeat(MAX_TOPOLOGY_BYTES / 2)}`)).reason).toBe('TopologyTooLarge');
  });

  test('a billion laughs', () => {
    const laughs = Array.from({ length: 40 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]\n`).join('');
    expect(refusal(() => parseTopology(`a0: &a0 x\n${laughs}`)).message).toContain('anchors and aliases');
  });

  test.each(['[', '{a: ', '- ', '? ', ': ', '[,', 'a: b: '])('nesting by %j', (unit) => {
    expect(refusal(() => parseTopology(fill(unit))).reason).toBe('InvalidTopology');
  });

  test('tens of thousands of different keys in one mapping are compared in a set, not pair by pair', () => {
    const keys = Array.from({ length: 60_000 }, (_, n) => `k${n}:\n`).join('');
    expect(parseTopology(`nodes: []\n${keys}`).nodes).toEqual([]);
  });

  test.each(['a,', '#\n', '\n', '---\n', '&a ', '%A\n', ']', '"'])('nothing but %j', (unit) => {
    expect(refusal(() => parseTopology(fill(unit))).reason).toBe('InvalidTopology');
  });
});
