import { describe, expect, test } from '@jest/globals';
import { mergeTags, outsidePort, parsePortTag, verifyTags } from '../../../src/core/tags.ts';

test.each([
  ['serial:5000', 5000], ['serial:5000:1', 5000], ['vnc:1', 1], ['pat:2000:22', 2000], ['pat:udp:2000:53', 2000], ['https:443', 443],
  ['serial:${PORT_X}', undefined], ['pat:2000', undefined], ['vnc:1:0', undefined], ['serial: 1', undefined], ['serial:1\n', undefined],
  ['rdp:3389', undefined], ['SERIAL:1', undefined], ['hidden', undefined], ['', undefined],
])('the tag %j opens the port %p', (tag, port) => {
  expect(outsidePort(tag)).toBe(port);
});

test('a tag is its prefix, the outside part and its suffix', () => {
  expect(parsePortTag('pat:udp:${PORT_NS_PAT}:53')).toEqual({
    protocol: 'pat', prefix: 'pat:udp:', outside: '${PORT_NS_PAT}', suffix: ':53', inside: 53,
  });
});

describe('the tags on the server', () => {
  const expected = [{ label: 'r1', tags: ['serial:2002', 'role:router'] }, { label: 'sw', tags: [] }];
  const sw = { label: 'sw', tags: [] };
  test.each<[string, { label: string; tags: string[] }[], unknown[]]>([
    ['are as they must be, in any order and with others between', [sw, { label: 'r1', tags: ['role:router', 'rack:7', 'serial:2002'] }], []],
    ['lack one', [sw, { label: 'r1', tags: ['serial:2002'] }], [{ node: 'r1', missing: ['role:router'], unexpected: [] }]],
    ['open another port', [sw, { label: 'r1', tags: ['role:router', 'serial:5000'] }], [{ node: 'r1', missing: ['serial:2002'], unexpected: ['serial:5000'] }]],
    ['open one port more', [{ label: 'sw', tags: ['pat:2003:22'] }, { label: 'r1', tags: ['role:router', 'serial:2002'] }], [{ node: 'sw', missing: [], unexpected: ['pat:2003:22'] }]],
    ['open a port on a node that is not in the topology', [sw, { label: 'r1', tags: ['role:router', 'serial:2002'] }, { label: 'x', tags: ['vnc:2009'] }], [{ node: 'x', missing: [], unexpected: ['vnc:2009'] }]],
    ['are gone with their node, even where it had none', [{ label: 'r1', tags: ['role:router', 'serial:2002'] }], [{ node: 'sw', missing: [], unexpected: [] }]],
  ])('%s', (_, actual, differences) => {
    expect(verifyTags(expected, actual)).toEqual(differences);
  });

  test('are patched as a whole: stale port tags go, tags of others stay', () => {
    expect(mergeTags(['serial:2002', 'role:router'], ['rack:7', 'serial:5000', 'role:router'])).toEqual(['rack:7', 'role:router', 'serial:2002']);
  });
});
