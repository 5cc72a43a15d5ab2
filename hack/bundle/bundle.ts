import { resolve } from 'node:path';
import { build, stop } from 'esbuild';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
// Packages of the old module format inside the bundle still call require().
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/**
 * Bundles the controller with all that it imports into one file, which Node runs without node_modules; `FILE.map` is beside
 * it, for people: Node is not to read it (--enable-source-maps), since it holds some 150 MiB from the first stack trace on.
 * Unless it is to be minified, stack traces name functions anyway. Takes some tenths of a second.
 *
 * @param options.minify for a release: half the size, and no map. @default false
 * @throws Error of esbuild, with the place of each mistake
 */
export async function bundleController(file: string, { minify = false } = {}): Promise<void> {
  await build({
    entryPoints: [MAIN], outfile: file, bundle: true, platform: 'node', target: 'node24', format: 'esm', sourcemap: !minify, minify, logLevel: 'warning', banner: { js: REQUIRE },
  });
  // esbuild works in a process of its own, which would stay for a next time.
  await stop();
}
