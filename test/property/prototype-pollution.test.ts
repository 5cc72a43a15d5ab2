/** Whatever a stranger calls the members of what he sends, no object of the program gets a member by it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { CONSUMED_TYPES, isConsumedType, readConsumedData } from '../../src/api/consumed.ts';
import { readConfig } from '../../src/app/config.ts';
import { summarizeTopology } from '../../src/core/topology/summary.ts';
import { encodeEvent, parseRequest } from '../../src/events/codec.ts';
import { createSinks } from '../../src/events/sinks.ts';
import { mergePatchBetween } from '../../src/kube/patch.ts';
import { redact } from '../../src/telemetry/redact.ts';
import type { CloudEvent } from '../../src/events/cloudevent.ts';

const MARK = 'polluted';
/** The names that lead to a prototype, beside those that a reader looks for. */
const name = fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'data', 'session_id', 'score', 'sections', 'nodes', 'lab', 'tags', 'label', 'extensions', MARK);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 5 }, fc.constantFrom('yes', 1, true, null), fc.array(tie('tree'), { maxLength: 3 }), tie('object')),
  // By entries: an object with a member `__proto__` of its own, as JSON.parse makes it.
  object: fc.array(fc.tuple(name, tie('tree')), { maxLength: 4 }).map((members) => Object.fromEntries(members)),
}));

const folder = mkdtempSync(join(tmpdir(), 'pollution-'));
const file = join(folder, 'config.yaml');
afterAll(() => rmSync(folder, { recursive: true }));
const before = Reflect.ownKeys(Object.prototype).length;
afterEach(() => {
  Reflect.deleteProperty(Object.prototype, MARK);
});

function clean(): void {
  expect(MARK in {}).toBe(false);
  expect(Reflect.ownKeys(Object.prototype)).toHaveLength(before);
  expect([MARK in [], MARK in Function.prototype, MARK in String.prototype]).toEqual([false, false, false]);
}

/** Runs it for what it changes; most of what is generated is refused. */
function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
  }
}

const structured = (body: string): readonly CloudEvent[] => parseRequest({ rawHeaders: ['content-type', 'application/cloudevents+json'], body: Buffer.from(body) }).events;

test('by the attributes and the data of an event', () => {
  fc.assert(fc.property(tree, fc.constantFrom(...CONSUMED_TYPES), (value, type) => {
    const event = { specversion: '1.0', id: '1', source: '/s', type };
    attempt(() => structured(JSON.stringify({ ...event, data: value })).map((read) => {
      // The data are taken over as they are, and go out as they came.
      const [again] = structured(encodeEvent(read, 'structured').body?.toString() ?? '');
      expect(JSON.stringify(again?.data)).toBe(JSON.stringify(read.data));
      if (isConsumedType(read.type) && read.data?.kind === 'json') readConsumedData(read.type, read.data.value);
    }));
    attempt(() => structured(JSON.stringify(Object.assign(Object.create(null) as object, event, value))));
    clean();
  }), { numRuns: 300 });
});

test('by a topology, as YAML and as JSON', () => {
  fc.assert(fc.property(tree, (value) => {
    for (const text of [stringify(value), JSON.stringify(value), `nodes:\n  - {label: __proto__, node_definition: iosv, ${JSON.stringify(MARK)}: yes, __proto__: ${JSON.stringify(value)}, tags: ["serial:5000"]}\n`]) attempt(() => summarizeTopology(Buffer.from(text)));
    clean();
  }), { numRuns: 150 });
});

test('by a configuration file, and by the overrides of a SinkBinding', () => {
  fc.assert(fc.property(tree, (value) => {
    writeFileSync(file, stringify(value));
    attempt(() => readConfig({}, file));
    attempt(() => createSinks({ binding: { sink: 'http://127.0.0.1:9/', ceOverrides: JSON.stringify({ extensions: value }) } }));
    clean();
  }), { numRuns: 100 });
});

test('by what is compared for a patch, or cleaned for the log', () => {
  fc.assert(fc.property(tree, tree, (one, other) => {
    attempt(() => mergePatchBetween({ status: one }, { status: other }));
    attempt(() => redact({ one, other }));
    clean();
  }), { numRuns: 300 });
});
