import { describe, expect, test } from '@jest/globals';
import { allocatePorts, foreignPorts, freeCount, takenPorts } from '../../../src/core/ports.ts';
import type { PortTemplate } from '../../../src/core/ports.ts';

const templates = (count: number): PortTemplate[] =>
  Array.from({ length: count }, (_, n) => ({ name: `n${n}_serial`, node: `n${n}`, protocol: 'serial' }));
const range = { start: 2000, end: 2005 };

describe('allocation', () => {
  test.each<[string, number, number[], number[]]>([
    ['starts with the lowest number', 3, [], [2000, 2001, 2002]],
    ['goes round what is taken', 3, [2000, 2002], [2001, 2003, 2004]],
    ['may use the range up to its end', 6, [], [2000, 2001, 2002, 2003, 2004, 2005]],
    ['does not care for numbers outside of the range', 2, [1999, 2006], [2000, 2001]],
    ['of nothing is nothing', 0, [2000, 2001, 2002, 2003, 2004, 2005], []],
  ])('%s', (_, count, taken, numbers) => {
    const result = allocatePorts({ range, taken: new Set(taken), templates: templates(count) });
    expect(result.ok && result.ports.map(({ number }) => number)).toEqual(numbers);
  });

  test('is all or nothing, and says how many are free', () => {
    expect(allocatePorts({ range, taken: new Set([2000, 2004]), templates: templates(5) })).toEqual({
      ok: false, reason: 'NoPorts', message: 'the lab needs 5 ports; 4 of 2000-2005 are free',
    });
  });

  test('of more than 50 ports is refused in any range', () => {
    expect(allocatePorts({ range: { start: 2000, end: 7999 }, taken: new Set(), templates: templates(51) }).ok).toBe(false);
    expect(allocatePorts({ range: { start: 2000, end: 7999 }, taken: new Set(), templates: templates(50) }).ok).toBe(true);
  });

  test('leaves a Lab the ports that it has', () => {
    const existing = [{ name: 'n0_serial', node: 'n0', protocol: 'serial', number: 2003 }];
    expect(allocatePorts({ range, taken: new Set([2003]), templates: templates(1), existing })).toEqual({ ok: true, ports: existing });
  });
});

test('taken are the ports of all Labs and of labs that are not ours; free is the rest of the range', () => {
  const taken = takenPorts([{ ports: [{ number: 2000 }] }, { ports: [{ number: 2001 }] }], [2003, 9000]);
  expect([...taken].sort()).toEqual([2000, 2001, 2003, 9000]);
  expect(freeCount(range, taken)).toBe(3);
  expect(freeCount({ start: 2005, end: 2000 }, taken)).toBe(0);
});

test('foreign ports are read from the tags of all labs but ours, once each and within the range', () => {
  const labs = [
    { title: 'mine', tags: ['serial:2000'] },
    { title: 'theirs', tags: ['vnc:2004', 'pat:udp:2002:53', 'role:2001', 'serial:9000', 'serial:2005:1'] },
    { title: 'also theirs', tags: ['tcp:2004', 'serial:${PORT_X}'] },
  ];
  expect(foreignPorts(labs, ({ title }) => title === 'mine', range)).toEqual([2002, 2004, 2005]);
});
