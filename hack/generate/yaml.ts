import { Document, isSeq, visit } from 'yaml';

/**
 * Objects as one YAML stream with a head line that names the source. Where an element of a list says `why`, that
 * becomes the comment before it and is no part of the object. It is YAML 1.1, which is what kubectl reads: a bare `n` or
 * `on` is a boolean there.
 */
export function manifest(source: string, objects: readonly object[]): string {
  const documents = objects.map((object) => {
    const document = new Document(object, { aliasDuplicateObjects: false, version: '1.1' });
    visit(document, {
      Map: (_key, node, path) => {
        const why = node.get('why');
        if (!isSeq(path.at(-1)) || typeof why !== 'string') return;
        node.commentBefore = ` ${why}`;
        node.delete('why');
      },
    });
    return document.toString({ lineWidth: 0 });
  });
  return `# Generated from ${source} by "make generate"; do not edit.\n${documents.join('---\n')}`;
}
