import { describe, expect, test } from '@jest/globals';
import { AccessError, PageAccess, ReviewError } from '../../../src/web/page-access.ts';
import type { Access } from '../../../src/kube/access-review.ts';

const user = { username: 'proctor' };
const many = Array.from({ length: 201 }, (_, index) => `team-${index}`);

/** Rights as `verb resource namespace`; without a namespace in all. */
function accessWith(rights: readonly string[], fails = (): boolean => false) {
  const asked: string[] = [];
  const mayDo = async (_: unknown, { verb, resource, namespace = '' }: Access): Promise<boolean> => {
    const right = `${verb} ${resource} ${namespace}`.trim();
    asked.push(right);
    if (fails()) throw new Error('connection refused');
    return rights.includes(right);
  };
  return { asked, access: new PageAccess({ whoIs: async (token) => (token === 'good' ? user : undefined), mayDo }) };
}

describe('what a reader may see', () => {
  test('is asked for in each namespace only of those who may not list in all, and once for a while', async () => {
    const chief = accessWith(['list labletsessions']);
    expect(await chief.access.scopeOf(user, many, undefined)).toEqual({ user: 'proctor', namespaces: '*', workers: false });
    expect(chief.asked).toHaveLength(2);
    const proctor = accessWith(['list labletsessions exams']);
    for (let times = 0; times < 3; times++) expect(await proctor.access.scopeOf(user, ['exams', 'staff'], undefined)).toEqual({ user: 'proctor', namespaces: ['exams'], workers: false });
    expect(proctor.asked.toSorted()).toEqual(['list labletsessions', 'list labletsessions exams', 'list labletsessions staff', 'list workers']);
  });

  test('is not asked for in hundreds of namespaces: they name one', async () => {
    const { access } = accessWith(['list labletsessions team-7']);
    await expect(access.scopeOf(user, many, undefined)).rejects.toThrow(new AccessError(400, 'sessions are in 201 namespaces, and proctor may not list them in all: name the one that is wanted'));
    expect(await access.scopeOf(user, many, 'team-7')).toMatchObject({ namespaces: ['team-7'] });
  });

  test('is unknown while the API server is away, and known as soon as it is back', async () => {
    let isAway = true;
    const { access } = accessWith(['list workers'], () => isAway);
    await expect(access.scopeOf(user, [], undefined)).rejects.toThrow(ReviewError);
    isAway = false;
    expect(await access.scopeOf(user, [], undefined)).toMatchObject({ namespaces: [], workers: true });
  });

  test('is nothing without a token that is somebody\'s', async () => {
    const { access } = accessWith([]);
    expect(await access.userOf('good')).toEqual(user);
    for (const token of [undefined, 'bad']) await expect(access.userOf(token)).rejects.toMatchObject({ status: 401 });
  });
});
