/** Generated files: written, or compared with what is checked in. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What one generator makes: file contents by path, relative to the root of the repository. */
export interface Generator {
  readonly name: string;
  /** Folders in which every file with the extension is generated: one that is not made any more is stale. */
  readonly owns?: readonly { folder: string; extension: string }[];
  readonly files: () => Map<string, string>;
}

/** A checked-in file that is not what its generator makes of the sources. */
export interface Stale {
  readonly path: string;
  /** In words, with the first lines that differ. */
  readonly problem: string;
}

/** Writes all files that differ and removes those that are not made any more. Returns what it changed. */
export async function write(root: string, generators: readonly Generator[]): Promise<Stale[]> {
  const changes = await check(root, generators);
  const wanted = new Map(generators.flatMap((generator) => [...generator.files()]));
  for (const { path } of changes) {
    const content = wanted.get(path);
    const file = join(root, path);
    if (content === undefined) {
      await rm(file);
    } else {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
  }
  return changes;
}

/** Compares, and writes nothing. An empty answer: everything is as the sources say. */
export async function check(root: string, generators: readonly Generator[]): Promise<Stale[]> {
  const stale: Stale[] = [];
  for (const generator of generators) {
    const files = generator.files();
    for (const [path, content] of files) {
      const problem = difference(await contentOf(join(root, path)), content);
      if (problem !== undefined) stale.push({ path, problem });
    }
    for (const { folder, extension } of generator.owns ?? []) {
      const present = await namesIn(join(root, folder));
      const orphans = present.filter((name) => name.endsWith(extension)).map((name) => `${folder}/${name}`).filter((path) => !files.has(path));
      stale.push(...orphans.map((path) => ({ path, problem: `no source makes this file any more (${generator.name})` })));
    }
  }
  return stale;
}

/** The first difference between two texts, with up to three lines of each side; undefined if they are the same. */
export function difference(present: string | undefined, wanted: string): string | undefined {
  if (present === wanted) return undefined;
  if (present === undefined) return 'the file is missing';
  const [before, after] = [present.split('\n'), wanted.split('\n')];
  const first = after.findIndex((line, index) => line !== before[index]);
  const line = first < 0 ? after.length : first;
  const side = (sign: string, lines: string[]) => lines.slice(line, line + 3).map((text) => `  ${sign} ${text}`);
  return [`differs from line ${line + 1}:`, ...side('-', before), ...side('+', after)].join('\n');
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';
