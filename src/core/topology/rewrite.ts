/**
 * Writes the allocated ports into a topology. Only tags, and the tag and label of smart annotations, change: each is
 * replaced in its place in the source, so that all other bytes stay what they were (contract §4.2).
 */
import { MAX_TAG_LENGTH } from '../tags.ts';
import type { DeviceNode } from './devices.ts';
import { InvalidTopologyError } from './error.ts';
import { parseTopology } from './parse.ts';
import type { SourceString, Topology } from './parse.ts';
import { bindTags, placeholderOf } from './ports.ts';
import type { DeclaredPort } from './ports.ts';

interface Place {
  readonly node?: string;
  readonly tag: string;
}

/**
 * @param allocation port name → port on the worker, for every port of the topology
 * @param declared the definition's `spec.ports`, if it has any
 * @returns the text to import
 * @throws InvalidTopologyError for a placeholder without a port and for a tag above 64 characters
 */
export function rewriteTopology(
  text: string,
  allocation: Readonly<Record<string, number>>,
  declared?: readonly DeclaredPort[],
): string {
  return rewriteParsed(text, parseTopology(text), allocation, declared).text;
}

/**
 * As `rewriteTopology`, for a caller that has parsed `text` already.
 * @returns beside the text its nodes with their new tags: what `verifyTags` expects on the host. Reading them from the
 *   new text would take many times as long as all the rest.
 */
export function rewriteParsed(
  text: string,
  topology: Topology,
  allocation: Readonly<Record<string, number>>,
  declared?: readonly DeclaredPort[],
): { text: string; nodes: DeviceNode[] } {
  const bound = bindTags(topology, declared);
  const portOf = (name: string, place: Place): number => {
    const port = Object.hasOwn(allocation, name) ? allocation[name] : undefined;
    if (port === undefined) throw new InvalidTopologyError(`no port is allocated for ${name}`, place);
    return port;
  };
  const names = Map.groupBy(bound.map(({ port }) => port.name), placeholderOf);
  const substitute = (source: string, place: Place): string => {
    const result = source.replace(/\$\{PORT_[^}]*\}/g, (placeholder) => {
      const [name, ...others] = names.get(placeholder) ?? [];
      if (name === undefined) throw new InvalidTopologyError(`unknown placeholder ${placeholder.slice(0, 80)}`, place);
      if (others.length > 0) {
        throw new InvalidTopologyError(`${placeholder} may be ${[name, ...others].join(' or ')}; rename a node`, place);
      }
      return String(portOf(name, place));
    });
    if (result.includes('${PORT_')) throw new InvalidTopologyError('unresolved placeholder; a } is missing', place);
    return result;
  };

  const edits = new Map<SourceString, string>();
  const renamed = new Map<string, string>();
  const change = (source: SourceString, to: (text: string) => string): string => {
    const value = to(source.value);
    if (value !== source.value) edits.set(source, render(text, source, value, to));
    return value;
  };
  const byTag = new Map(bound.map((item) => [item.source, item]));
  const newTag = (node: string, source: SourceString): string => {
    const place = { node, tag: source.value };
    const item = byTag.get(source);
    const tag = item && `${item.tag.prefix}${portOf(item.port.name, place)}${item.tag.suffix}`;
    if (tag !== undefined) renamed.set(source.value, tag);
    const value = change(source, (from) => (tag === undefined ? substitute(from, place) : from.replace(source.value, () => tag)));
    checkLength(value, place);
    return value;
  };
  const nodes = topology.nodes.map(({ label, nodeDefinition, tags }) => ({ label, nodeDefinition, tags: tags.map((source) => newTag(label, source)) }));
  // An annotation follows the tag that it shows, also where that tag had a literal number.
  const follow = (source: SourceString): string => change(source, (from) => {
    const tag = renamed.get(source.value);
    return tag === undefined ? substitute(from, { tag: source.value }) : from.replace(source.value, () => tag);
  });
  for (const { tag, label } of topology.smartAnnotations) {
    if (tag !== undefined) checkLength(follow(tag), { tag: tag.value });
    if (label !== undefined) follow(label);
  }
  return { text: splice(text, edits), nodes };
}

function checkLength(tag: string, place: Place): void {
  const length = Array.from(tag).length;
  if (length > MAX_TAG_LENGTH) {
    throw new InvalidTopologyError(`the tag has ${length} characters; CML takes at most ${MAX_TAG_LENGTH}`, place);
  }
}

/** The new value in the style of the old one, quoted where a plain scalar might be read as something else than a string. */
function render(text: string, source: SourceString, value: string, to: (text: string) => string): string {
  const raw = text.slice(source.start, source.end);
  const bodyStart = raw.indexOf('\n') + 1;
  switch (source.style) {
    case 'block':
      return raw.slice(0, bodyStart) + to(raw.slice(bodyStart));
    case 'plain':
      return /^[A-Za-z][^\n]*$/.test(value) ? value : doubleQuoted(value);
    case 'single':
      return value.includes('\n') ? doubleQuoted(value) : `'${value.replaceAll("'", "''")}'`;
    case 'double':
      return doubleQuoted(value);
  }
}

/** JSON's strings are YAML's, but for some characters that YAML 1.1 (which CML reads) takes for line breaks or refuses. */
function doubleQuoted(value: string): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, (character) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function splice(text: string, edits: ReadonlyMap<SourceString, string>): string {
  let result = '';
  let position = 0;
  for (const [{ start, end }, replacement] of [...edits].sort(([a], [b]) => a.start - b.start)) {
    result += text.slice(position, start) + replacement;
    position = end;
  }
  return result + text.slice(position);
}
