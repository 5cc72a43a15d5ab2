/**
 * Node tags: the grammar of the tags that open a port on a CML host, and how the tags of a node on the server are
 * compared with, and brought to, the tags it must have (contract §4.1 to §4.3).
 */
import { PORT_PROTOCOLS } from '../api/labletdefinition.ts';
import type { PortProtocol } from '../api/labletdefinition.ts';

/** Protocols whose tag opens a TCP port on the host. The order has no meaning here. */
export { PORT_PROTOCOLS };
export type { PortProtocol };

/** CML refuses longer tags. */
export const MAX_TAG_LENGTH = 64;

/** A tag that opens a port, taken apart: `prefix + outside + suffix` is the tag again. */
export interface PortTag {
  readonly protocol: PortProtocol;
  /** What stands where the host's port belongs: digits, or a placeholder `${PORT_…}`. */
  readonly outside: string;
  readonly prefix: string;
  readonly suffix: string;
  /** `serial:<outside>:<line>`: the console line of the node. */
  readonly line?: number;
  /** `pat:[tcp|udp:]<outside>:<inside>`: the port of the node behind the NAT connector. */
  readonly inside?: number;
}

/** The tags of one node. Nodes are known by label: ids of a topology file are replaced on import. */
export interface NodeTags {
  readonly label: string;
  readonly tags: readonly string[];
}

/** How a node on the server differs. An entry without tags means that the node is not there at all. */
export interface TagDifference {
  readonly node: string;
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

const OUTSIDE = String.raw`(?<outside>\d+|\$\{PORT_[^}]*\})`;
const SERIAL = new RegExp(String.raw`^(?<prefix>(?<protocol>serial):)${OUTSIDE}(?<suffix>(?::(?<line>\d+))?)$`);
const PAT = new RegExp(String.raw`^(?<prefix>(?<protocol>pat):(?:(?:tcp|udp):)?)${OUTSIDE}(?<suffix>:(?<inside>\d+))$`);
const SIMPLE = new RegExp(String.raw`^(?<prefix>(?<protocol>vnc|ssh|telnet|tcp|http|https):)${OUTSIDE}(?<suffix>)$`);

/** Takes a port tag apart; `undefined` for every other tag (`role:router`, `hidden`, `serial:abc`). */
export function parsePortTag(tag: string): PortTag | undefined {
  const groups = (SERIAL.exec(tag) ?? PAT.exec(tag) ?? SIMPLE.exec(tag))?.groups;
  if (groups === undefined) return undefined;
  const { protocol, outside = '', prefix = '', suffix = '', line, inside } = groups;
  const known = PORT_PROTOCOLS.find((candidate) => candidate === protocol);
  if (known === undefined) return undefined;
  return {
    protocol: known,
    outside,
    prefix,
    suffix,
    ...(line === undefined ? {} : { line: Number(line) }),
    ...(inside === undefined ? {} : { inside: Number(inside) }),
  };
}

/** The host's port that a tag opens; `undefined` when it opens none, or still holds a placeholder. */
export function outsidePort(tag: string): number | undefined {
  const parsed = parsePortTag(tag);
  return parsed !== undefined && /^\d/.test(parsed.outside) ? Number(parsed.outside) : undefined;
}

/**
 * Compares the tags that a lab must have with those the server shows. Order and repetition do not count. Every
 * expected tag must be there; of the others only port tags matter, because they open ports that nobody allocated.
 * An empty result means that the lab is as it must be; anything else fails the step.
 */
export function verifyTags(expected: readonly NodeTags[], actual: readonly NodeTags[]): TagDifference[] {
  const onServer = new Map(actual.map((node) => [node.label, node.tags]));
  const known = new Set(expected.map((node) => node.label));
  const strangers = actual.filter((node) => !known.has(node.label)).map(({ label }) => ({ label, tags: [] }));
  return [...expected, ...strangers].flatMap(({ label, tags }): TagDifference[] => {
    const found = onServer.get(label);
    if (found === undefined) return [{ node: label, missing: tags, unexpected: [] }];
    const missing = tags.filter((tag) => !found.includes(tag));
    const unexpected = found.filter((tag) => parsePortTag(tag) !== undefined && !tags.includes(tag));
    return missing.length + unexpected.length === 0 ? [] : [{ node: label, missing, unexpected }];
  });
}

/**
 * The list to send when a node's tags are patched. The server replaces the whole list, so what others put there
 * stays: only port tags that are not expected go, and what is missing is appended.
 */
export function mergeTags(expected: readonly string[], actual: readonly string[]): string[] {
  const kept = actual.filter((tag) => parsePortTag(tag) === undefined || expected.includes(tag));
  return [...new Set([...kept, ...expected])];
}
