import { describe, expect, test } from '@jest/globals';
import { isOurs, labTitle } from '../../../src/core/lab-title.ts';
import type { LabOwner } from '../../../src/core/lab-title.ts';

const session: LabOwner = { kind: 'session', sessionUid: '7d1f0c2a-0000-4000-8000-000000000001', reschedules: 0 };
const warm: LabOwner = { kind: 'warm', definitionUid: session.sessionUid, version: '1.2.0', ordinal: 0 };

test('a title is the definition, eight digits of the owner and the cluster id', () => {
  expect(labTitle('campus-edge', session, '3e9b')).toMatch(/^campus-edge-[0-9a-f]{8}-3e9b$/);
});

test('the same owner has the same title for ever; whatever differs makes another one', () => {
  const titles = [
    labTitle('d', session, '3e9b'), labTitle('d', { ...session, reschedules: 1 }, '3e9b'), labTitle('d', session, '3e9b', 1),
    labTitle('d', warm, '3e9b'), labTitle('d', { ...warm, version: '1.2.1' }, '3e9b'), labTitle('d', { ...warm, ordinal: 1 }, '3e9b'),
    labTitle('d', session, '3e9c'),
  ];
  expect(new Set(titles).size).toBe(titles.length);
  expect(labTitle('d', session, '3e9b')).toBe(titles[0]);
});

test.each([
  ['a long name is cut', 'x'.repeat(253), 63],
  ['a cut at a dot leaves no empty DNS label', `${'x'.repeat(48)}.y`, 62],
  ['a cut at dashes leaves none of them', `${'x'.repeat(46)}---y`, 60],
])('%s', (_, definition, length) => {
  const title = labTitle(definition, session, '3e9b');
  expect(title).toMatch(/^x+-[0-9a-f]{8}-3e9b$/);
  expect(title).toHaveLength(length);
});

describe('a lab on the host is ours', () => {
  test.each([
    [true, 'campus-edge-7d1f0c2a-3e9b'], [false, 'campus-edge-7d1f0c2a-3e9c'], [false, 'campus-edge-7d1f0c2a-3e9b '],
    [false, 'campus-edge-3e9b'], [false, 'Copy of campus-edge-7D1F0C2A-3e9b'], [false, '-7d1f0c2a-3e9b'], [false, ''],
  ])('%p: %j', (ours, title) => {
    expect(isOurs(title, '3e9b')).toBe(ours);
  });

  test.each(['', '-', '.*', '3E9B', '3e9b0'])('never by the malformed cluster id %j', (clusterId) => {
    expect(() => isOurs('campus-edge-7d1f0c2a-3e9b', clusterId)).toThrow('CLUSTER_ID must be 4 hexadecimal digits');
  });
});
