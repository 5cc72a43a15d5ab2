import { expect, test } from '@jest/globals';
import { after, done, soonest } from '../../../src/runtime/result.ts';

test.each([
  ['nothing', [], done()],
  ['only done', [done(), done()], done()],
  ['one wait among done', [done(), after(500, 'boot')], after(500, 'boot')],
  ['two waits: the shorter one', [after(900, 'deadline'), after(500, 'boot'), done()], after(500, 'boot')],
  ['a wait that is over: at once', [after(-5, 'deadline'), after(500, 'boot')], after(0, 'deadline')],
])('the soonest of %s', (_, outcomes, expected) => {
  expect(soonest(...outcomes)).toEqual(expected);
});
