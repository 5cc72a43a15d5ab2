import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isOurs, labTitle, MAX_TITLE_LENGTH } from '../../src/core/lab-title.ts';
import { allocatePorts, freeCount, takenPorts } from '../../src/core/ports.ts';
import type { AllocatedPort, PortTemplate } from '../../src/core/ports.ts';
import { mergeTags, parsePortTag, verifyTags } from '../../src/core/tags.ts';

const templates = (count: number): PortTemplate[] =>
  Array.from({ length: count }, (_, n) => ({ name: `n${n}_serial`, node: `n${n}`, protocol: 'serial' }));

const command = fc.oneof(
  fc.record({ kind: fc.constant('allocate' as const), count: fc.nat(12) }),
  fc.record({ kind: fc.constant('free' as const), index: fc.nat(20) }),
  fc.record({ kind: fc.constant('again' as const), index: fc.nat(20) }),
);

test('over any course of making and deleting Labs, no port of a worker has two owners and none is lost', () => {
  const range = { start: 2000, end: 2029 };
  const foreign = fc.uniqueArray(fc.integer({ min: 1990, max: 2040 }), { maxLength: 10 });
  fc.assert(fc.property(foreign, fc.array(command, { maxLength: 40 }), (others, commands) => {
    const labs: { ports: readonly AllocatedPort[] }[] = [];
    for (const step of commands) {
      const taken = takenPorts(labs, others);
      if (step.kind === 'free') {
        labs.splice(step.index, 1);
      } else if (step.kind === 'allocate') {
        const result = allocatePorts({ range, taken, templates: templates(step.count) });
        expect(result.ok).toBe(step.count <= freeCount(range, taken));
        if (result.ok) labs.push({ ports: result.ports });
      } else {
        const lab = labs[step.index];
        if (lab === undefined || lab.ports.length === 0) continue;
        expect(allocatePorts({ range, taken, templates: templates(lab.ports.length), existing: lab.ports })).toEqual({ ok: true, ports: lab.ports });
      }
      const owned = labs.flatMap(({ ports }) => ports.map(({ number }) => number));
      expect(new Set([...owned, ...others]).size).toBe(owned.length + others.length);
      expect(owned.every((port) => port >= range.start && port <= range.end)).toBe(true);
    }
  }));
});

test('no free number below an allocated one is passed over', () => {
  fc.assert(fc.property(fc.uniqueArray(fc.integer({ min: 2000, max: 2100 })), fc.nat(50), (busy, count) => {
    const taken = new Set(busy);
    const result = allocatePorts({ range: { start: 2000, end: 2200 }, taken, templates: templates(count) });
    if (!result.ok) throw new Error(result.message);
    const numbers = result.ports.map(({ number }) => number);
    const highest = Math.max(1999, ...numbers);
    const passed = Array.from({ length: highest - 1999 }, (_, n) => 2000 + n).filter((port) => !taken.has(port));
    expect(numbers).toEqual(passed);
  }));
});

const tag = fc.oneof(fc.constantFrom('role:x', 'hidden', 'rack:7', 'serial:abc'), fc.integer({ min: 2000, max: 2004 }).map((port) => `serial:${port}`));

test('after a patch with the merged tags the node is as it must be, and what others put there is still there', () => {
  const tags = fc.array(tag, { maxLength: 6 });
  fc.assert(fc.property(tags, tags, (expected, actual) => {
    const merged = mergeTags(expected, actual);
    expect(verifyTags([{ label: 'n', tags: expected }], [{ label: 'n', tags: merged }])).toEqual([]);
    const others = actual.filter((each) => parsePortTag(each) === undefined);
    expect(merged).toEqual(expect.arrayContaining(others));
    expect(mergeTags(expected, merged)).toEqual(merged);
  }));
});

test('every title is ours, short enough and a DNS-1123 subdomain', () => {
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
  const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'));
  const clusterId = fc.stringMatching(/^[0-9a-f]{4}$/);
  fc.assert(fc.property(name, fc.uuid(), fc.nat(3), fc.nat(9), clusterId, (definition, sessionUid, reschedules, salt, id) => {
    const title = labTitle(definition, { kind: 'session', sessionUid, reschedules }, id, salt);
    expect(title.length).toBeLessThanOrEqual(MAX_TITLE_LENGTH);
    expect(title).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
    expect(isOurs(title, id)).toBe(true);
  }));
});
