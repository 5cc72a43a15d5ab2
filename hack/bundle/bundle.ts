import { resolve } from 'node:path';
import { build, stop, transformSync } from 'esbuild';
import { readPage } from '../../src/web/page-files.ts';
import type { Plugin } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = resolve(ROOT, 'src/main.ts');
// Packages of the old module format inside the bundle still call require().
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
// What a package uses if it is there, and what is there only for our tools: it is no part of the program, nor of its SBOM.
const ONLY_FOR_TOOLS = ['supports-color'];

/** The files of the page, in place of the module that reads them from the tree. */
export const PAGE: Plugin = {
  name: 'page',
  setup(builder) {
    builder.onLoad({ filter: /[/\\]src[/\\]web[/\\]page-files\.ts$/ }, () => {
      const files = readPage((text) => transformSync(text, { loader: 'ts', target: 'es2024' }).code);
      return { contents: `export const readPage = () => (${JSON.stringify(files)});` };
    });
  },
};

/**
 * Bundles the controller with all that it imports into one file, which Node runs without node_modules; `FILE.map` is beside
 * it, for people: Node is not to read it (--enable-source-maps), since it holds some 150 MiB from the first stack trace on.
 * Unless it is to be minified, stack traces name functions anyway. Takes some tenths of a second.
 *
 * @param options.minify for a release: half the size, and no map. @default false
 * @returns the files that are in the bundle, relative to the root of the repository
 * @throws Error of esbuild, with the place of each mistake
 */
export async function bundleController(file: string, { minify = false } = {}): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [MAIN], outfile: file, bundle: true, platform: 'node', target: 'node24', format: 'esm', sourcemap: !minify, minify, metafile: true, absWorkingDir: ROOT, logLevel: 'warning', banner: { js: REQUIRE }, external: ONLY_FOR_TOOLS, plugins: [PAGE],
  });
  // esbuild works in a process of its own, which would stay for a next time.
  await stop();
  return Object.keys(metafile.inputs);
}
