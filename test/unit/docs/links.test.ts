/** Every link of the guides leads somewhere: to a file of the tree, and to a heading where it names one. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '../../..');
const GUIDES = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', '*.md'], { cwd: ROOT, encoding: 'utf8' }).split('\n').filter((path) => path !== '' && !path.startsWith('released/') && existsSync(join(ROOT, path)));

/** Text outside of code: what looks like a link there is none. */
const prose = (path: string): string => readFileSync(path, 'utf8').replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '');

/** The names that a renderer gives to headings: lower case, without punctuation, spaces as hyphens. */
function anchors(path: string): Set<string> {
  const text = readFileSync(path, 'utf8').replace(/^```.*?^```/gms, '');
  const seen = new Map<string, number>();
  return new Set([...text.matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading = '']) => {
    const name = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return count === 0 ? name : `${name}-${count}`;
  }));
}

/** Where a link leads nowhere, in words. */
function problemOf(guide: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(ROOT, guide) : resolve(ROOT, dirname(guide), path);
  if (!existsSync(target)) return `${guide}: ${relative(ROOT, target)} is not there`;
  if (anchor !== undefined && target.endsWith('.md') && !anchors(target).has(anchor)) return `${guide}: ${relative(ROOT, target)} has no heading #${anchor}`;
  return undefined;
}

test('every link of a guide leads to a file, and to a heading of it', () => {
  const links = GUIDES.flatMap((guide) => [...prose(join(ROOT, guide)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => ({ guide, link })));
  const inside = links.filter(({ link }) => !/^[a-z]+:/.test(link));
  expect(inside.length).toBeGreaterThan(100);
  expect(inside.flatMap(({ guide, link }) => problemOf(guide, link) ?? [])).toEqual([]);
});
