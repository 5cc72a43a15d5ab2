import { expect, test } from '@jest/globals';
import { build, stop, transformSync } from 'esbuild';
import { resolve } from 'node:path';
import { PAGE } from '../../../hack/bundle/bundle.ts';
import { readPage } from '../../../src/web/page-files.ts';

test('the page in the bundle is that of the tree: each of its files, and scripts that are JavaScript and import no others', async () => {
  const { outputFiles } = await build({ entryPoints: [resolve(import.meta.dirname, '../../../src/web/page-files.ts')], bundle: true, platform: 'node', format: 'esm', write: false, plugins: [PAGE], logLevel: 'silent' });
  await stop();
  const bundled = (await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')}`)) as { readPage: typeof readPage };
  const inTree = readPage();
  for (const page of [inTree, bundled.readPage()]) {
    expect(Object.entries(page).map(([name, { type }]) => [name, type])).toEqual(Object.entries(inTree).map(([name, { type }]) => [name, type]));
    expect(page['index.html']?.text).toContain('<script type="module" src="page/main.ts">');
    for (const [name, { type, text }] of Object.entries(page)) {
      if (type !== 'text/javascript') continue;
      expect(() => transformSync(text, { loader: 'js' })).not.toThrow();
      for (const [, imported = ''] of text.matchAll(/from ["']\.\/([^"']+)["']/g)) expect([name, Object.keys(page)]).toEqual([name, expect.arrayContaining([imported])]);
    }
  }
});
