/**
 * Reads a CML topology file that anyone may have written: bounded in size, depth and tokens, checked in shape, and
 * with the place of every string that may later be rewritten (contract §4.2).
 */
import { Composer, CST, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, visit } from 'yaml';
import type { Document, Node } from 'yaml';
import { z } from 'zod';
import { InvalidTopologyError } from './error.ts';

/** Bytes of UTF-8; a ControllerRevision has to hold the text and stay below what etcd takes. */
export const MAX_TOPOLOGY_BYTES = 900 * 1024;
/** A CML file is about ten levels deep; the YAML parser is recursive, and on `? ? ?` worse than quadratic. */
const MAX_DEPTH = 64;
/** Five hundred nodes of ten interfaces have about 150,000. Composing, with a fault at each token, is what costs. */
const MAX_TOKENS = 250_000;

/** A string in the source, from `start` to `end` (indices into the text, quotes and block header included). */
export interface SourceString {
  readonly value: string;
  readonly start: number;
  readonly end: number;
  readonly style: 'plain' | 'single' | 'double' | 'block';
}

export interface TopologyNode {
  readonly label: string;
  readonly nodeDefinition: string;
  readonly tags: readonly SourceString[];
}

export interface SmartAnnotation {
  readonly tag?: SourceString;
  readonly label?: SourceString;
}

export interface Topology {
  readonly nodes: readonly TopologyNode[];
  readonly smartAnnotations: readonly SmartAnnotation[];
}

const Shape = z.looseObject({
  lab: z.looseObject({}).optional(),
  nodes: z.array(z.looseObject({ label: z.string().min(1).max(128), node_definition: z.string().min(1).max(250), tags: z.array(z.string()).nullish() })),
  smart_annotations: z.array(z.looseObject({ tag: z.string().nullish(), label: z.string().nullish() })).nullish(),
});

/**
 * Parses a topology. Node labels are unique in the result. Everything but labels, node definitions, tags and smart
 * annotations is left for CML to judge.
 *
 * @throws InvalidTopologyError and nothing else. Its message never quotes the source: a node's configuration may
 *   hold passwords.
 */
export function parseTopology(text: string): Topology {
  if (Buffer.byteLength(text) > MAX_TOPOLOGY_BYTES) {
    throw new InvalidTopologyError(`the topology is larger than ${MAX_TOPOLOGY_BYTES / 1024} KiB`, {
      reason: 'TopologyTooLarge',
    });
  }
  const document = compose(text);
  checkKeys(document);
  const shape = Shape.safeParse(document.toJS());
  if (!shape.success) throw shapeError(shape.error, document);
  const { nodes, smart_annotations: annotations } = shape.data;

  const seen = new Set<string>();
  for (const { label } of nodes) {
    if (seen.has(label)) throw new InvalidTopologyError('another node has the same label; rename one', { node: label });
    seen.add(label);
  }
  return {
    nodes: nodes.map(({ label, node_definition: nodeDefinition, tags }, index) => ({
      label,
      nodeDefinition,
      tags: (tags ?? []).map((_, position) => sourceString(document, ['nodes', index, 'tags', position], text)),
    })),
    smartAnnotations: (annotations ?? []).map(({ tag, label }, index) => ({
      ...(tag == null ? {} : { tag: sourceString(document, ['smart_annotations', index, 'tag'], text) }),
      ...(label == null ? {} : { label: sourceString(document, ['smart_annotations', index, 'label'], text) }),
    })),
  };
}

/** One YAML document, token by token, so that a hostile text is dropped before it has cost much. */
function compose(text: string): Document.Parsed {
  const lines = new LineCounter();
  const parser = new Parser(lines.addNewLine);
  const composer = new Composer({ uniqueKeys: false, stringKeys: true, prettyErrors: false, logLevel: 'silent' });
  const documents: Document.Parsed[] = [];
  const at = (offset: number): string => `line ${Math.max(1, lines.linePos(offset).line)}`;
  const add = (composed: Iterable<Document.Parsed>): void => {
    for (const document of composed) {
      const [error] = document.errors;
      if (error !== undefined) {
        throw new InvalidTopologyError(`${at(error.pos[0])}: not valid YAML (${error.code})`);
      }
      documents.push(document);
      if (documents.length > 1) throw new InvalidTopologyError('the file has more than one YAML document');
    }
  };
  lines.addNewLine(0);
  let tokens = 0;
  for (const lexeme of new Lexer().lex(text)) {
    tokens += 1;
    if (tokens > MAX_TOKENS) throw new InvalidTopologyError(`the file has more than ${MAX_TOKENS} YAML tokens`);
    const type = CST.tokenType(lexeme);
    if (type === 'alias' || type === 'anchor') {
      // Two nodes that share a tag list by reference could not have a port each; and no alias, no alias bomb.
      throw new InvalidTopologyError(`${at(parser.offset)}: anchors and aliases are not supported; write the value out`);
    }
    if (type === 'directive-line') throw new InvalidTopologyError(`${at(parser.offset)}: YAML directives are not supported`);
    for (const token of parser.next(lexeme)) {
      // The composer would go on and collect them all.
      if (token.type === 'error') throw new InvalidTopologyError(`${at(token.offset)}: not valid YAML (UNEXPECTED_TOKEN)`);
      add(composer.next(token));
    }
    if (parser.stack.length > MAX_DEPTH) throw new InvalidTopologyError(`${at(parser.offset)}: nested too deeply`);
  }
  for (const token of parser.end()) add(composer.next(token));
  add(composer.end(true, text.length));
  const [document] = documents;
  if (document === undefined) throw new InvalidTopologyError('the file is empty');
  return document;
}

/** Duplicate keys, by a set for each map (the parser's own check compares every pair), and merge keys. */
function checkKeys(document: Document.Parsed): void {
  visit(document, {
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const name = isScalar(key) ? (key.source ?? String(key.value)) : String(key);
        if (name === '<<') throw new InvalidTopologyError('merge keys (<<) are not supported; write the values out');
        if (seen.has(name)) throw new InvalidTopologyError(`the key ${JSON.stringify(name.slice(0, 60))} stands twice in one mapping`);
        seen.add(name);
      }
    },
  });
}

function shapeError(error: z.ZodError, document: Document.Parsed): InvalidTopologyError {
  const [issue] = error.issues;
  const path = issue?.path ?? [];
  const [list, index, ...rest] = path;
  const label = list === 'nodes' && typeof index === 'number' ? document.getIn(['nodes', index, 'label']) : undefined;
  const where = path.length === 0 ? 'the file' : path.join('.');
  const advice = rest[0] === 'tags' && rest.length === 2 ? '; put quotes around it' : '';
  return new InvalidTopologyError(
    `${where}: ${issue?.message ?? 'wrong shape'}${advice}`,
    typeof label === 'string' ? { node: label } : {},
  );
}

const STYLES: Readonly<Record<string, SourceString['style']>> = {
  PLAIN: 'plain',
  QUOTE_SINGLE: 'single',
  QUOTE_DOUBLE: 'double',
  BLOCK_LITERAL: 'block',
  BLOCK_FOLDED: 'block',
};

/** The scalar at a path that the shape has shown to be a string. */
function sourceString(document: Document.Parsed, path: readonly (string | number)[], text: string): SourceString {
  let node: Node | null | undefined = document.contents;
  for (const step of path) {
    const next: unknown = isMap(node) || isSeq(node) ? node.get(step, true) : undefined;
    node = isMap(next) || isSeq(next) || isScalar(next) ? next : undefined;
  }
  const range = node?.range;
  const style = isScalar(node) && node.type !== undefined ? STYLES[node.type] : undefined;
  if (!isScalar(node) || typeof node.value !== 'string' || !range || style === undefined || range[1] > text.length) {
    throw new InvalidTopologyError(`${path.join('.')}: not a plain string`);
  }
  return { value: node.value, start: range[0], end: range[1], style };
}
