/** Where packages come from: what `make verify` and `make audit` find. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import { isAllowed, lockFile, problemsOf } from '../../../hack/supply/lock.ts';
import { json, startScriptedServer, type Answer } from '../../support/scripted-server.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

describe('a licence', () => {
  const allowed = new Set(['MIT', 'Apache-2.0']);
  test.each([
    ['MIT', true], ['GPL-3.0-only', false], ['(MIT OR GPL-3.0-only)', true], ['Apache-2.0 AND MIT', true], ['MIT AND GPL-3.0-only', false],
    ['(GPL-3.0-only OR (MIT AND Apache-2.0))', true], ['SEE LICENSE IN LICENSE.txt', false], ['UNLICENSED', false],
  ])('%s is acceptable: %s', (expression, is) => {
    expect(isAllowed(expression, allowed)).toBe(is);
  });
});

test('a package is refused for its licence, for a content that nothing pins, and for a script that nobody has looked at', () => {
  const good = { license: 'MIT', integrity: 'sha512-x' };
  const lock = lockFile.parse({
    packages: {
      '': { name: 'us' }, 'node_modules/good': good, 'node_modules/data': { ...good, license: 'CC-BY-4.0', dev: true },
      'node_modules/tool': { ...good, dev: true, hasInstallScript: true, optionalDependencies: { 'tool-win32': '1' } }, 'node_modules/tool-win32': { dev: true, optional: true },
      'node_modules/copyleft': { ...good, license: 'AGPL-3.0-only' }, 'node_modules/good/node_modules/nameless': { integrity: 'sha512-x' },
      'node_modules/photo': { ...good, license: 'CC-BY-4.0' }, 'node_modules/loose': { license: 'MIT' }, 'node_modules/curious': { ...good, hasInstallScript: true },
    },
  });
  expect(problemsOf(lock, { tool: true }).map((problem) => problem.split(/[:;]/, 1)[0])).toEqual(['copyleft (production)', 'nameless (production)', 'photo (production)', 'loose (production)', 'curious (production) wants to run a script when it is installed']);
});

test('none of ours is', () => {
  const read = (name: string): Record<string, unknown> => JSON.parse(readFileSync(resolve(ROOT, name), 'utf8')) as Record<string, unknown>;
  expect(problemsOf(lockFile.parse(read('package-lock.json')), read('package.json')['allowScripts'] as Record<string, boolean>)).toEqual([]);
});

describe('the registry', () => {
  const advisory = { id: 1, url: 'https://example.org/advisory', title: 'Something is wrong', severity: 'high', vulnerable_versions: '*', cwe: [], cvss: { score: 8, vectorString: null } };

  /** A registry that answers with these advisories, and knows of one version of each package. */
  const knows = (advisories: Readonly<Record<string, unknown[]>>): Answer => (response, request) => {
    const name = decodeURIComponent(request.url.slice(1));
    json(request.method === 'POST' ? advisories : { name, 'dist-tags': { latest: '0.0.1' }, versions: { '0.0.1': { name, version: '0.0.1' } } })(response, request);
  };

  /** Exit code and output of `hack/audit.ts` where the registry gives this answer to everything. */
  async function audit(answer: Answer, ...args: string[]): Promise<[code: unknown, output: string]> {
    const registry = await startScriptedServer([answer]);
    // npm remembers what it was told of an advisory.
    const cache = mkdtempSync(join(tmpdir(), 'npm-cache-'));
    const child = spawn(process.execPath, [resolve(ROOT, 'hack/audit.ts'), ...args], { env: { ...process.env, npm_config_registry: registry.url, npm_config_fetch_retries: '0', npm_config_cache: cache }, stdio: ['ignore', 'pipe', 'ignore'] });
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<unknown[]>]);
    await registry.close();
    rmSync(cache, { recursive: true });
    return [code, output];
  }

  test('that knows of a high advisory about a package of the image fails the audit, which names it', async () => {
    const [code, output] = await audit(knows({ undici: [advisory] }));
    expect(output).toContain('undici *: high: Something is wrong (https://example.org/advisory)');
    expect(code).toBe(1);
  });

  test('that knows of a moderate one does not', async () => {
    expect(await audit(knows({ undici: [{ ...advisory, severity: 'moderate' }] }))).toEqual([0, '0 package(s) of the image with a high or critical advisory\n']);
  });

  test('that does not answer the question fails the audit, but not a verification', async () => {
    const [[code, output], [tolerated, note]] = await Promise.all([audit(json({}, 405)), audit(json({}, 405), '--if-answered')]);
    expect([code, tolerated]).toEqual([2, 0]);
    expect(output).toContain('the registry does not say (audit 405');
    expect(note).toMatch(/^note: advisories were not looked up/);
  });
});
