import { chmod } from 'node:fs/promises';
import { resolve } from 'node:path';
import { build, stop } from 'esbuild';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
const BANNER = [
  // An older Node would end in the middle of a package, with an error that names neither.
  "if (Number(process.versions.node.split('.')[0]) < 24) { console.error(`kubectl lablet needs Node 24 or later; this is ${process.version}`); process.exit(2); }",
  // Packages of the old module format inside the bundle still call require().
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
].join('\n');

/**
 * Bundles `kubectl lablet` into one executable file, which Node runs without node_modules under whatever name it has.
 * @throws Error of esbuild, with the place of each mistake
 */
export async function bundlePlugin(file: string): Promise<void> {
  await build({ entryPoints: [MAIN], outfile: file, bundle: true, platform: 'node', target: 'node24', format: 'esm', minify: true, logLevel: 'warning', banner: { js: BANNER } });
  // esbuild works in a process of its own, which would stay for a next time.
  await stop();
  await chmod(file, 0o755);
}
