import { stringify } from 'yaml';

/** Objects as one YAML stream with a head line that names the source. */
export function manifest(source: string, objects: readonly unknown[]): string {
  const documents = objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }));
  return `# Generated from ${source} by "make generate"; do not edit.\n${documents.join('---\n')}`;
}
