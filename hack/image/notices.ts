/** The licences of what others wrote and the bundle contains: most of them ask that their text goes with every copy. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const ROOT = resolve(import.meta.dirname, '../..');
const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;
const packageSchema = z.object({ name: z.string(), version: z.string(), license: z.string().optional() });

/**
 * Folders of the packages that files of a bundle come from, each once, sorted: `node_modules/undici`, `node_modules/a/node_modules/@b/c`.
 * @param inputs paths relative to the root of the repository
 */
export function packageFolders(inputs: readonly string[]): string[] {
  const folders = inputs.flatMap((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input) ?? []);
  return [...new Set(folders)].sort();
}

/**
 * The text of THIRD-PARTY-NOTICES.txt.
 * @throws Error naming the packages that say nothing about their licence: those nobody may ship
 */
export function thirdPartyNotices(inputs: readonly string[]): string {
  const found = packageFolders(inputs).map((folder) => ({ folder, ...packageSchema.parse(JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'))), texts: licenceTexts(join(ROOT, folder)) }));
  const silent = found.filter(({ license, texts }) => license === undefined && texts.length === 0);
  if (silent.length > 0) throw new Error(`no licence is stated by ${silent.map(({ folder }) => folder).join(', ')}`);
  const parts = found.map(({ name, version, license, texts }) => [`${name} ${version}`, `Licence: ${license ?? 'see below'}`, ...texts].join('\n\n'));
  return `${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

function licenceTexts(folder: string): string[] {
  return readdirSync(folder).filter((name) => LICENCE_FILE.test(name)).sort().map((name) => readFileSync(join(folder, name), 'utf8').trim());
}
