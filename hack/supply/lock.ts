/** What package-lock.json says about the packages that we depend on: how each is licensed, pinned and installed. */
import { z } from 'zod';

const entry = z.looseObject({
  license: z.string().optional(),
  integrity: z.string().optional(),
  dev: z.boolean().default(false),
  optional: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
});
export const lockFile = z.looseObject({ packages: z.record(z.string(), entry) });
type Lock = z.output<typeof lockFile>;
type Entry = z.output<typeof entry>;

/** In what we ship: licences that ask for a notice and nothing more. */
const SHIPPED = new Set(['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'PSF-2.0', 'Unlicense']);
/** In what we only develop with: also public domain, and data that want their source named. */
const DEVELOPED_WITH = new Set([...SHIPPED, 'CC0-1.0', 'CC-BY-4.0']);

/**
 * Whether a licence, as an SPDX expression with AND and OR, is one of those allowed: of alternatives one is enough.
 * A name that is not in the list is not allowed, and so is an expression of another form.
 */
export function isAllowed(expression: string, allowed: ReadonlySet<string>): boolean {
  return expression.replace(/^\((.*)\)$/, '$1').split(' OR ').some((choice) => choice.replace(/^\((.*)\)$/, '$1').split(' AND ').every((name) => allowed.has(name)));
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** Licence of a package; of one that exists for another platform only, and that npm could not look into: that of the package it is a part of. */
function licenceOf(lock: Lock, path: string, { license, optional }: Entry): string | undefined {
  if (license !== undefined || !optional) return license;
  return Object.values(lock.packages).find(({ optionalDependencies }) => Object.hasOwn(optionalDependencies, nameOf(path)))?.license;
}

/**
 * What is wrong with the lock, a line for each package: a licence that is not on the list, a package of the image without
 * a hash of its content, an install script that package.json has not allowed.
 * @param allowScripts of package.json
 */
export function problemsOf(lock: Lock, allowScripts: Readonly<Record<string, boolean>>): string[] {
  return Object.entries(lock.packages).flatMap(([path, found]) => {
    if (path === '') return [];
    const [name, kind, allowed] = [nameOf(path), found.dev ? 'development' : 'production', found.dev ? DEVELOPED_WITH : SHIPPED];
    const licence = licenceOf(lock, path, found);
    return [
      ...(licence === undefined || !isAllowed(licence, allowed) ? [`${name} (${kind}): licence ${licence ?? 'unknown'} is not on the list in hack/supply/lock.ts; choose another package, or have the licence approved and add it`] : []),
      ...(found.integrity === undefined && !(found.dev && found.optional) ? [`${name} (${kind}): nothing pins its content; run "npm install" to have its hash written into package-lock.json`] : []),
      ...(found.hasInstallScript && !Object.hasOwn(allowScripts, name) ? [`${name} (${kind}) wants to run a script when it is installed; look at it, then say yes or no in allowScripts of package.json`] : []),
    ];
  });
}

/** How many packages have which licence, the most frequent first. */
export function countLicences(lock: Lock, dev: boolean): string {
  const licences = Object.entries(lock.packages).filter(([path, found]) => path !== '' && found.dev === dev).map(([path, found]) => licenceOf(lock, path, found) ?? 'unknown');
  return [...Map.groupBy(licences, (name) => name)].map(([name, same]) => ({ name, count: same.length })).sort((a, b) => b.count - a.count).map(({ name, count }) => `${count} ${name}`).join(', ');
}
