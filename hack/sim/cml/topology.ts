import semver from 'semver';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { describeIssues } from '../common/web.ts';
import { nodeDefinition } from './definitions.ts';

const NEWEST_SCHEMA = '0.3.0';

/** A tag of a node: at most 64 characters. */
export const tag = z.string().min(1).max(64);
/** A lab's title: 1 to 64 characters. */
export const title = z.string().min(1).max(64);
/** A node's configuration: one text, or named files. */
export const configuration = z.union([z.string(), z.array(z.object({ name: z.string(), content: z.string() }))]);

const interfaceSchema = z.looseObject({
  id: z.string(),
  label: z.string().max(128),
  slot: z.int().nonnegative().nullish(),
  type: z.enum(['physical', 'loopback']).default('physical'),
  mac_address: z.string().nullish(),
});

const nodeSchema = z.looseObject({
  id: z.string(),
  label: z.string().min(1).max(128),
  node_definition: z.string(),
  image_definition: z.string().nullish(),
  x: z.number().default(0),
  y: z.number().default(0),
  ram: z.int().positive().nullish(),
  cpus: z.int().positive().nullish(),
  tags: z.array(tag).default([]),
  configuration: configuration.nullish(),
  interfaces: z.array(interfaceSchema).default([]),
});

const linkSchema = z.looseObject({ id: z.string(), n1: z.string(), i1: z.string(), n2: z.string(), i2: z.string(), label: z.string().nullish() });

const topologySchema = z.looseObject({
  lab: z.looseObject({
    title: title.optional(),
    description: z.string().max(4_096).default(''),
    notes: z.string().default(''),
    version: z.string(),
  }),
  nodes: z.array(nodeSchema),
  links: z.array(linkSchema).default([]),
  annotations: z.array(z.looseObject({ type: z.enum(['rectangle', 'ellipse', 'line', 'text']) })).default([]),
  smart_annotations: z.array(z.looseObject({ tag })).default([]),
});

export type Topology = z.infer<typeof topologySchema>;

/** A topology that CML would answer with 400; the message says what to change. */
export class InvalidTopology extends Error {
  constructor(message: string) {
    super(`Invalid topology: ${message}`);
    this.name = 'InvalidTopology';
  }
}

/**
 * Reads a lab file (YAML, of which JSON is a part).
 *
 * @throws InvalidTopology when it does not parse, does not fit the schema, or refers to what is not there
 */
export function parseTopology(text: string): Topology {
  const document = parseDocument(text);
  const [broken] = document.errors;
  if (broken) throw new InvalidTopology(`not YAML: ${broken.message.split('\n')[0] ?? ''}`);
  const result = topologySchema.safeParse(document.toJS());
  if (!result.success) throw new InvalidTopology(describeIssues(result.error));
  const problem = findProblem(result.data);
  if (problem !== undefined) throw new InvalidTopology(problem);
  return result.data;
}

/** The first contradiction inside a well-formed topology. */
function findProblem({ lab, nodes, links }: Topology): string | undefined {
  if (semver.valid(lab.version) === null || semver.gt(lab.version, NEWEST_SCHEMA)) {
    return `lab.version: schema version "${lab.version}" is not supported, the newest is ${NEWEST_SCHEMA}`;
  }
  const interfaces = new Map(nodes.map((node) => [node.id, new Set(node.interfaces.map(({ id }) => id))]));
  if (interfaces.size < nodes.length) return 'nodes: two nodes have the same id';
  for (const node of nodes) {
    if (nodeDefinition(node.node_definition) === undefined) return `node ${node.label}: node definition "${node.node_definition}" is not known on this host`;
    if (interfaces.get(node.id)?.size !== node.interfaces.length) return `node ${node.label}: two interfaces have the same id`;
  }
  for (const link of links) {
    for (const [node, port] of [[link.n1, link.i1], [link.n2, link.i2]] as const) {
      if (interfaces.get(node)?.has(port) !== true) return `link ${link.id}: there is no interface ${port} on a node ${node}`;
    }
  }
  return undefined;
}
