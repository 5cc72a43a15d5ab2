/**
 * The files of the page. They are plain HTML, CSS and modules of the browser, written in TypeScript as all else here, and
 * run as this program does: with the types taken out and nothing else done to them. `hack/bundle` puts what `readPage`
 * returns into the bundle, in place of this module.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { extname, join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'page');
// A module keeps its name with .ts, by which the others import it: the type is what browsers go by.
const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.css': 'text/css', '.svg': 'image/svg+xml', '.ts': 'text/javascript' };

export interface PageFile {
  /** Media type, without charset. */
  readonly type: string;
  readonly text: string;
}

/**
 * Every file of the page by its name.
 * @param withoutTypes makes JavaScript of TypeScript. Default: Node's own way, which warns on standard error that it may still change
 */
export function readPage(withoutTypes: (typescript: string) => string = stripTypeScriptTypes): Readonly<Record<string, PageFile>> {
  const names = readdirSync(FOLDER).filter((name) => extname(name) in TYPES);
  return Object.fromEntries(names.sort().map((name) => {
    const text = readFileSync(join(FOLDER, name), 'utf8');
    return [name, { type: TYPES[extname(name)] ?? '', text: name.endsWith('.ts') ? withoutTypes(text) : text }];
  }));
}
