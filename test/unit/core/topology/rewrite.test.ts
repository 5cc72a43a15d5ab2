import { describe, expect, test } from '@jest/globals';
import { parseTopology } from '../../../../src/core/topology/parse.ts';
import { rewriteTopology } from '../../../../src/core/topology/rewrite.ts';
import { summarizeTopology } from '../../../../src/core/topology/summary.ts';

const ALLOCATION = { r1_serial: 2002, r1_vnc: 2003 };
const yaml = (tags: string, annotations = ''): string =>
  `nodes:\n  - label: r1\n    node_definition: iosv\n    tags:\n${tags}    configuration: "serial:5041 \${PORT_R1_SERIAL}"\n${annotations}`;
const annotation = (fields: string): string => yaml("      - serial:5041\n", `smart_annotations:\n  - ${fields}\n`);

describe('a tag is replaced where it stands, in the style in which it stands', () => {
  test.each([
    ['plain, with a comment', '      -   serial:5041   # console\n', '      -   serial:2002   # console\n'],
    ['placeholder', '      - serial:${PORT_R1_SERIAL}\n', '      - serial:2002\n'],
    ['single quotes', "      - 'serial:5041'\n", "      - 'serial:2002'\n"],
    ['double quotes with escapes', '      - "serial\\x3a5041"\n', '      - "serial:2002"\n'],
    ['explicit type', '      - !!str serial:5041\n', '      - !!str serial:2002\n'],
    ['block', '      - |- # serial:5041\n        serial:5041\n', '      - |- # serial:5041\n        serial:2002\n'],
    ['line kept', '      - serial:5041:3\n', '      - serial:2002:3\n'],
    ['leading zeros', '      - serial:05041\n', '      - serial:2002\n'],
    ['windows line ends', '      - serial:5041\r\n', '      - serial:2002\r\n'],
    ['a number that stays the same', '      - serial:2002\n', '      - serial:2002\n'],
    ['a placeholder inside another tag', '      - serial:5041\n      - console-${PORT_R1_SERIAL}\n', '      - serial:2002\n      - console-2002\n'],
    ['another tag with a dollar brace', '      - owner:${USER}\n', '      - owner:${USER}\n'],
  ])('%s', (_, before, after) => {
    expect(rewriteTopology(yaml(before), ALLOCATION)).toBe(yaml(after));
  });

  test('the number of a pat tag is the outside one', () => {
    const text = 'nodes: [{label: n, node_definition: x, tags: ["pat:tcp:22:22", "pat:udp:${PORT_N_PAT_53}:53"]}]';
    expect(rewriteTopology(text, { n_pat: 2000, n_pat_53: 2001 }))
      .toBe('nodes: [{label: n, node_definition: x, tags: ["pat:tcp:2000:22", "pat:udp:2001:53"]}]');
  });
});

describe('a smart annotation follows its tag', () => {
  test.each([
    ['a literal tag and label', '{tag: serial:5041, label: serial:5041}', '{tag: serial:2002, label: serial:2002}'],
    ['a label with a placeholder', "{tag: 'serial:5041', label: 'R1''s ${PORT_R1_SERIAL}'}", "{tag: 'serial:2002', label: 'R1''s 2002'}"],
    ['a label that would become a number stays a string', 'label: ${PORT_R1_SERIAL}', 'label: "2002"'],
    ['a label of several lines', 'label: |-\n      a\n      ${PORT_R1_SERIAL}', 'label: |-\n      a\n      2002'],
    ['a literal of no node stays', '{tag: serial:9999, label: serial:9999}', '{tag: serial:9999, label: serial:9999}'],
    ['a label that only contains the tag stays', 'label: see serial:5041', 'label: see serial:5041'],
    ['other keys stay', "{tag: 'a', border_style: 'serial:5041'}", "{tag: 'a', border_style: 'serial:5041'}"],
  ])('%s', (_, before, after) => {
    expect(rewriteTopology(annotation(before), ALLOCATION)).toBe(annotation(after).replace('- serial:5041', '- serial:2002'));
  });
});

describe('refused', () => {
  const serial = '      - serial:${PORT_R1_SERIAL}\n';
  test.each([
    ['a port that is not allocated', yaml(serial), {}, 'node "r1", tag "serial:${PORT_R1_SERIAL}": no port is allocated for r1_serial'],
    ['a port called as a property of every object', 'nodes: [{label: n, node_definition: x, tags: ["vnc:1"]}]', { toString: 1 }, 'no port is allocated for n_vnc'],
    ['a placeholder of no port in a tag', yaml('      - x-${PORT_X}\n'), ALLOCATION, 'node "r1", tag "x-${PORT_X}": unknown placeholder ${PORT_X}'],
    ['a placeholder of no port in an annotation', annotation("tag: 'vnc:${PORT_X}'"), ALLOCATION, 'tag "vnc:${PORT_X}": unknown placeholder ${PORT_X}'],
    ['a placeholder without its end', annotation("label: '${PORT_X'"), ALLOCATION, 'tag "${PORT_X": unresolved placeholder; a } is missing'],
    ['a tag above 64 characters', yaml(`      - ${'x'.repeat(65)}\n`), ALLOCATION, 'the tag has 65 characters; CML takes at most 64'],
  ])('%s', (_, text, allocation, message) => {
    expect(() => rewriteTopology(text, allocation)).toThrow(message);
  });

  test('a placeholder that two names share, where it is used without its node', () => {
    const text = JSON.stringify({
      nodes: [{ label: 'a-b', node_definition: 'x', tags: ['vnc:1'] }, { label: 'a_b', node_definition: 'x', tags: ['vnc:2'] }],
      smart_annotations: [{ tag: 'vnc:${PORT_A_B_VNC}' }],
    });
    expect(() => rewriteTopology(text, { 'a-b_vnc': 2000, a_b_vnc: 2001 })).toThrow('${PORT_A_B_VNC} may be a-b_vnc or a_b_vnc; rename a node');
  });

  test('a tag whose placeholder alone makes it longer than 64 characters is accepted', () => {
    const label = `r${'1'.repeat(60)}`;
    const text = JSON.stringify({ nodes: [{ label, node_definition: 'x', tags: [`serial:\${PORT_${label.toUpperCase()}_SERIAL}`] }] });
    expect(parseTopology(rewriteTopology(text, { [`${label}_serial`]: 2000 })).nodes[0]?.tags[0]?.value).toBe('serial:2000');
  });

  test('every fault of a topology shows in its summary already, before a port is allocated', () => {
    expect(() => summarizeTopology(Buffer.from(annotation("tag: 'vnc:${PORT_X}'")))).toThrow('unknown placeholder');
    expect(() => summarizeTopology(Buffer.from(yaml(`      - ${'é'.repeat(65)}\n`)))).toThrow('65 characters');
  });
});
