/** The ports that a topology asks for: which tag opens which port, and what the port is called (contract §4.2). */
import { MAX_PORTS_PER_LAB } from '../ports.ts';
import type { PortTemplate } from '../ports.ts';
import { parsePortTag, PORT_PROTOCOLS } from '../tags.ts';
import type { PortTag } from '../tags.ts';
import { InvalidTopologyError } from './error.ts';
import type { SourceString, Topology } from './parse.ts';

/** An entry of the definition's `spec.ports`. */
export interface DeclaredPort {
  readonly name: string;
  readonly node: string;
  readonly protocol: string;
  readonly insidePort?: number | undefined;
  readonly line?: number | undefined;
}

/** Limits of the API for the fields of a port. */
const MAX_NAME_LENGTH = 128;
const MAX_LINE = 31;
const MAX_PORT = 65_535;

/** A port tag of the topology and the port that it stands for. */
export interface BoundTag {
  readonly source: SourceString;
  readonly tag: PortTag;
  readonly port: PortTemplate;
}

interface FoundTag {
  readonly node: string;
  readonly source: SourceString;
  readonly tag: PortTag;
}

/** `edge-r1_serial` → `${PORT_EDGE_R1_SERIAL}`. Different names may have the same placeholder. */
export function placeholderOf(portName: string): string {
  return `\${PORT_${portName.toUpperCase().replace(/[^A-Z0-9]/g, '_')}}`;
}

/**
 * The ports of a topology in the order of its tags.
 *
 * @param declared the definition's `spec.ports`; each of them needs its tag in the topology, and no other port tag
 *   may be there. Absent: names come from the tags, `<node label>_<protocol>`, and a further port of the same
 *   protocol on a node gets `_<line or inside port>`, or its number if it has neither.
 * @throws InvalidTopologyError
 */
export function extractPorts(topology: Topology, declared?: readonly DeclaredPort[]): PortTemplate[] {
  return bindTags(topology, declared).map(({ port }) => port);
}

/** As `extractPorts`, with the tag of each port. Names, and tags among all nodes, are unique in the result. */
export function bindTags(topology: Topology, declared?: readonly DeclaredPort[]): BoundTag[] {
  const found = findPortTags(topology);
  if (found.length > MAX_PORTS_PER_LAB) {
    throw new InvalidTopologyError(`the topology has ${found.length} port tags; at most ${MAX_PORTS_PER_LAB} are allowed`);
  }
  // A placeholder names its port; only what it leaves over is there for literal numbers.
  const taken = new Map<string, FoundTag>();
  const names = new Map<FoundTag, PortTemplate>();
  const byPlaceholderFirst = [...found.filter(hasPlaceholder), ...found.filter((tag) => !hasPlaceholder(tag))];
  for (const item of byPlaceholderFirst) {
    const port = declared === undefined ? derive(item, found, taken) : match(item, declared, taken);
    const other = taken.get(port.name);
    if (other !== undefined) {
      throw problem(item, `its port would be called ${port.name}, as that of tag ${JSON.stringify(other.source.value)} on node ${JSON.stringify(other.node)}; name the ports in spec.ports`);
    }
    taken.set(port.name, item);
    names.set(item, port);
  }
  const unused = declared?.find(({ name }) => !taken.has(name));
  if (unused !== undefined) {
    throw new InvalidTopologyError(`spec.ports has ${unused.name}, but no tag of the node opens it; add ${exampleTag(unused)}`, { node: unused.node });
  }
  return found.flatMap((item) => {
    const port = names.get(item);
    return port === undefined ? [] : [{ source: item.source, tag: item.tag, port }];
  });
}

function findPortTags(topology: Topology): FoundTag[] {
  const found: FoundTag[] = [];
  const owners = new Map<string, string>();
  for (const { label: node, tags } of topology.nodes) {
    const onNode = new Set<string>();
    for (const source of tags) {
      const { value } = source;
      if (onNode.has(value)) throw new InvalidTopologyError('the tag stands twice on the node', { node, tag: value });
      onNode.add(value);
      const tag = parsePortTag(value);
      if (tag === undefined) {
        if (value.includes('${') && PORT_PROTOCOLS.some((protocol) => value.startsWith(`${protocol}:`))) {
          throw new InvalidTopologyError('unresolved placeholder; the form is <protocol>:${PORT_<NAME>}', { node, tag: value });
        }
        continue;
      }
      if ((tag.line ?? 0) > MAX_LINE || tag.inside === 0 || (tag.inside ?? 1) > MAX_PORT) {
        throw new InvalidTopologyError(`a line is 0 to ${MAX_LINE} and an inside port 1 to ${MAX_PORT}`, { node, tag: value });
      }
      const owner = owners.get(value);
      if (owner !== undefined) {
        throw new InvalidTopologyError(`node ${JSON.stringify(owner)} has the same port tag`, { node, tag: value });
      }
      owners.set(value, node);
      found.push({ node, source, tag });
    }
  }
  return found;
}

/** A tag that would open a declared port. */
function exampleTag({ name, protocol, insidePort }: DeclaredPort): string {
  const simple = insidePort === undefined && PORT_PROTOCOLS.some((known) => known === protocol && known !== 'pat');
  const transport = protocol === 'udp' ? 'udp' : 'tcp';
  return simple ? `${protocol}:${placeholderOf(name)}` : `pat:${transport}:${placeholderOf(name)}:${insidePort ?? '<inside port>'}`;
}

function hasPlaceholder({ tag }: FoundTag): boolean {
  return tag.outside.startsWith('$');
}

function problem({ node, source }: FoundTag, text: string): InvalidTopologyError {
  return new InvalidTopologyError(text, { node, tag: source.value });
}

/** The port of a tag by the naming rule. */
function derive(item: FoundTag, all: readonly FoundTag[], taken: ReadonlyMap<string, FoundTag>): PortTemplate {
  const { node, tag } = item;
  const label = node.replace(/ /g, '_').replace(/[^A-Za-z0-9_-]/g, '');
  if (!/[A-Za-z0-9]/.test(label)) throw problem(item, 'the label has no letter or digit to name a port after; name the ports in spec.ports');
  const siblings = all.filter((other) => other.node === node && other.tag.protocol === tag.protocol);
  const first = `${label}_${tag.protocol}`;
  const further = `${first}_${tag.line ?? tag.inside ?? siblings.indexOf(item) + 1}`;
  const name = hasPlaceholder(item)
    ? [first, further].find((candidate) => placeholderOf(candidate) === tag.outside)
    : taken.get(first)?.node === node ? further : first;
  if (name === undefined) {
    const expected = siblings.length > 1 ? `${placeholderOf(first)} or ${placeholderOf(further)}` : placeholderOf(first);
    throw problem(item, `unknown placeholder; expected ${expected}`);
  }
  if (name.length > MAX_NAME_LENGTH) throw problem(item, 'the label is too long to name a port after; name the ports in spec.ports');
  return {
    name,
    node,
    protocol: tag.protocol,
    ...(tag.inside === undefined ? {} : { inside: tag.inside }),
    ...(tag.line === undefined ? {} : { line: tag.line }),
  };
}

/**
 * The declared port of a tag: by its placeholder, or the first free one that fits. What a `pat` tag leads to is known
 * to the definition alone, so there `spec.ports` may say any protocol if it says the inside port.
 */
function match(item: FoundTag, declared: readonly DeclaredPort[], taken: ReadonlyMap<string, FoundTag>): PortTemplate {
  const { node, tag } = item;
  const fits = declared.filter((port) => port.node === node
    && (port.protocol === tag.protocol || (tag.protocol === 'pat' && port.insidePort !== undefined))
    && (port.insidePort ?? tag.inside) === (tag.inside ?? port.insidePort)
    && (port.line === undefined || port.line === (tag.line ?? 0)));
  const candidates = hasPlaceholder(item) ? fits.filter(({ name }) => placeholderOf(name) === tag.outside) : fits;
  const port = candidates.find(({ name }) => !taken.has(name)) ?? candidates[0];
  if (port === undefined) {
    throw problem(item, hasPlaceholder(item)
      ? 'unknown placeholder: spec.ports has no such port of this node and protocol'
      : 'the tag opens a port that spec.ports does not declare');
  }
  const { name, protocol } = port;
  const inside = tag.inside ?? port.insidePort;
  const line = tag.line ?? port.line;
  return { name, node, protocol, ...(inside === undefined ? {} : { inside }), ...(line === undefined ? {} : { line }) };
}
