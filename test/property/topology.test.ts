import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseDocument } from 'yaml';
import { allocatePorts, portMap } from '../../src/core/ports.ts';
import { verifyTags } from '../../src/core/tags.ts';
import { InvalidTopologyError } from '../../src/core/topology/error.ts';
import { placeholderOf } from '../../src/core/topology/ports.ts';
import { parseTopology } from '../../src/core/topology/parse.ts';
import { rewriteParsed, rewriteTopology } from '../../src/core/topology/rewrite.ts';
import { summarizeTopology } from '../../src/core/topology/summary.ts';

/** A topology, and the text that it must become once every port has a number. */
interface Generated {
  readonly text: string;
  readonly expected: (port: (name: string) => number) => string;
}

const quotes = fc.constantFrom(
  (value: string) => value,
  (value: string) => `'${value}'`,
  (value: string) => `"${value}"`,
);
const newline = fc.constantFrom('\n', '\r\n');
const trap = fc.constantFrom('serial:5000', '${PORT_X}', 'tags: [vnc:1]', '  - serial:5000 # x', "it's ${PORT_N0_SERIAL}", 'é𝒳: |');

/** Nodes whose tags are placeholders or literals in any quoting, beside configurations full of traps. */
const generated: fc.Arbitrary<Generated> = fc
  .record({
    eol: newline,
    bom: fc.boolean(),
    nodes: fc.array(
      fc.record({
        protocols: fc.uniqueArray(fc.constantFrom('serial', 'vnc', 'ssh', 'tcp'), { maxLength: 3 }),
        literal: fc.boolean(),
        quote: quotes,
        comment: fc.constantFrom('', ' # serial:5000', '   '),
        others: fc.uniqueArray(fc.constantFrom('role:router', 'hidden', 'serial:abc', 'vlan:10'), { maxLength: 2 }),
        configuration: fc.array(trap, { maxLength: 4 }),
        annotated: fc.boolean(),
      }),
      { maxLength: 8 },
    ),
  })
  .map(({ eol, bom, nodes }) => {
    const build = (port: ((name: string) => number) | undefined): string => {
      const lines = ['lab: {title: "serial:5000"}', 'nodes:'];
      const annotations = ['smart_annotations:'];
      if (nodes.length === 0) lines[1] = 'nodes: []';
      nodes.forEach(({ protocols, literal, quote, comment, others, configuration, annotated }, index) => {
        lines.push(`  - label: n${index}`, '    node_definition: iosv', protocols.length + others.length === 0 ? '    tags: []' : '    tags:');
        const tag = (protocol: string, position: number): string => {
          const name = `n${index}_${protocol}`;
          return quote(`${protocol}:${port?.(name) ?? (literal ? 9000 + index * 10 + position : placeholderOf(name))}`);
        };
        lines.push(...protocols.map((protocol, position) => `      - ${tag(protocol, position)}${comment}`));
        lines.push(...others.map((other) => `      - ${other}`));
        if (configuration.length > 0) lines.push('    configuration: |-', '      hostname x', ...configuration.map((line) => `      ${line}`));
        const [first] = protocols;
        if (annotated && first !== undefined) annotations.push(`  - label: ${tag(first, 0)}`, `    tag: ${tag(first, 0)}`, "    note: 'serial:5000'");
      });
      if (annotations.length > 1) lines.push(...annotations);
      return `${bom ? '\uFEFF' : ''}${lines.join(eol)}${eol}`;
    };
    return { text: build(undefined), expected: build };
  });

const taken = fc.uniqueArray(fc.integer({ min: 2000, max: 2060 }), { maxLength: 40 });

function allocate(text: string, busy: readonly number[]) {
  const summary = summarizeTopology(Buffer.from(text));
  const result = allocatePorts({ range: { start: 2000, end: 7999 }, taken: new Set(busy), templates: summary.ports });
  if (!result.ok) throw new Error(result.message);
  return { summary, allocation: portMap(result.ports) };
}

test('every byte outside of port tags and smart annotations survives, in any quoting, with any line ends', () => {
  fc.assert(fc.property(generated, taken, ({ text, expected }, busy) => {
    const { allocation } = allocate(text, busy);
    expect(rewriteTopology(text, allocation)).toBe(expected((name) => allocation[name] ?? NaN));
  }));
});

test('what is extracted is what is rewritten: the numbers in the tags are those allocated, no more and no fewer', () => {
  fc.assert(fc.property(generated, taken, ({ text }, busy) => {
    const { summary, allocation } = allocate(text, busy);
    const rewritten = rewriteTopology(text, allocation);
    const read = summarizeTopology(Buffer.from(rewritten));
    const inTags = read.nodes.flatMap(({ label, tags }) => tags.flatMap((tag) => {
      const [protocol = '', number = ''] = tag.split(':');
      return ['serial', 'vnc', 'ssh', 'tcp'].includes(protocol) && /^\d+$/.test(number) ? [[`${label}_${protocol}`, Number(number)]] : [];
    }));
    expect(Object.fromEntries(inTags)).toEqual(allocation);
    expect(read.ports).toEqual(summary.ports);
    expect(rewriteParsed(text, parseTopology(text), allocation).nodes).toEqual(read.nodes);
    expect(rewriteTopology(rewritten, allocation)).toBe(rewritten);
    expect(verifyTags(read.nodes, read.nodes)).toEqual([]);
  }));
});

test('any text of a configuration comes back as the same text', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.constantFrom('json', 'yaml'), (configuration, style) => {
    fc.pre(configuration.isWellFormed());
    const data = { nodes: [{ configuration, label: 'n', node_definition: 'x', tags: ['serial:5000'] }] };
    const json = JSON.stringify(data, null, 1);
    const text = style === 'json' ? json : parseDocument(json).toString({ collectionStyle: 'block' });
    const rewritten: unknown = parseDocument(rewriteTopology(text, { n_serial: 2000 })).toJS();
    const before = parseDocument(text).toJS() as typeof data;
    expect(rewritten).toEqual({ nodes: [{ ...before.nodes[0], tags: ['serial:2000'] }] });
  }));
});

test('any label of a smart annotation stays a string, with its placeholders filled in', () => {
  fc.assert(fc.property(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 20 }), (before, after) => {
    fc.pre(after.isWellFormed() && !`${before}${after}`.includes('$'));
    const label = `${before}\${PORT_N_SERIAL}${after}`;
    const json = JSON.stringify({ nodes: [{ label: 'n', node_definition: 'x', tags: ['serial:5000'] }], smart_annotations: [{ label }] });
    const text = parseDocument(json).toString();
    const rewritten = parseDocument(rewriteTopology(text, { n_serial: 2000 }));
    const original: unknown = parseDocument(text).getIn(['smart_annotations', 0, 'label']);
    expect(rewritten.getIn(['smart_annotations', 0, 'label'])).toBe(String(original).replace('${PORT_N_SERIAL}', '2000'));
  }));
});

test('whatever the input, the only error is InvalidTopologyError, with a message short enough for a condition', () => {
  const fragment = fc.constantFrom(
    'nodes:', '\n', '\n  - ', '\n    ', 'label: r1', 'node_definition: x', 'tags: ', '[', ']', '{', '}', ',', ': ', "'", '"', '|-', '>', '&a ', '*a',
    '!!binary ', '!!set ', '!x ', '<<: ', '? ', '%YAML 1.1\n---\n', '---', '...', 'serial:5000', 'serial:${PORT_R1_SERIAL}', '${PORT_', 'vnc:1', '#', '\t', '\r',
    '\uFEFF', '\u0000', 'smart_annotations:', 'tag: ', '__proto__: ', 'null', '1', 'x'.repeat(300),
  );
  const valid = fc.constantFrom('', 'nodes:\n  - label: r1\n    node_definition: x\n    tags:\n      - serial:1\n');
  const pieces = fc.oneof(fc.array(fragment, { maxLength: 25 }).map((parts) => parts.join('')), fc.string({ unit: 'binary', maxLength: 60 }));
  fc.assert(fc.property(valid, pieces, fc.nat(100), (base, noise, at) => {
    const text = base.slice(0, at) + noise + base.slice(at);
    try {
      const { ports } = summarizeTopology(Buffer.from(text));
      rewriteTopology(Buffer.from(text).toString(), Object.fromEntries(ports.map(({ name }, index) => [name, 2000 + index])));
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidTopologyError);
      expect((error as Error).message.length).toBeLessThan(1024);
    }
  }), { numRuns: 2000 });
});
