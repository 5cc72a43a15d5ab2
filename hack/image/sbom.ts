/** The software bill of materials: every package that the program depends on, with version, licence and checksum. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const ROOT = resolve(import.meta.dirname, '../..');
/** Formats that npm writes, and the usual ends of their files' names. */
export const SBOM_FORMATS = { spdx: 'spdx.json', cyclonedx: 'cdx.json' } as const;

const lockSchema = z.looseObject({ packages: z.record(z.string(), z.looseObject({ dev: z.boolean().optional() })) });

/**
 * What npm makes of package-lock.json without the packages that only developers need. Takes a second, without a network.
 * @returns a JSON document
 */
export function sbom(format: keyof typeof SBOM_FORMATS): string {
  const folder = mkdtempSync(join(tmpdir(), 'lablet-sbom-'));
  try {
    writeProductionPackage(folder);
    return execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-type=application', `--sbom-format=${format}`, '--loglevel=error'], { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `npm sbom --omit=dev` also leaves out what program and tools both need, such as zod; so npm gets files in which nothing is of the tools. */
function writeProductionPackage(folder: string): void {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(ROOT, name), 'utf8'));
  const manifest = z.looseObject({}).parse(read('package.json'));
  const lock = lockSchema.parse(read('package-lock.json'));
  const needed = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true).map(([path, entry]) => [path, { ...entry, devDependencies: undefined }] as const);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, devDependencies: undefined }));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...lock, packages: Object.fromEntries(needed) }));
}
