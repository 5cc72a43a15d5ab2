/** The chain of an object under everything that happens to its outbox: an honest archive is never accused, a changed one always. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { labletSessionStatus } from '../../src/api/labletsession.ts';
import { isForSinks } from '../../src/api/outbox.ts';
import { hashOf, rangeOf } from '../../src/core/chain.ts';
import { headOf, verifyChain } from '../../src/core/verify-chain.ts';
import { without } from '../../src/core/without.ts';
import { emitted, received, recordsOf } from '../support/events/chained.ts';
import type { ArchiveRecord } from '../../src/api/archive.ts';
import type { OutboxDraft } from '../../src/core/outbox.ts';
import type { KnownHead } from '../../src/core/verify-chain.ts';

const uid = '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50';

/** emit, receive: events. store: the archive takes what is first in the outbox. archived, sent: the status learns what archive and sinks have. */
type Step = { readonly what: 'emit' | 'receive' | 'archived' | 'sent' } | { readonly what: 'store'; readonly count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<Step>({ what: 'emit' }, { what: 'receive' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ what: 'archived' }, { what: 'sent' }) },
  { weight: 1, arbitrary: fc.nat(12).map((count): Step => ({ what: 'store', count })) },
);

/** A session whose archive and sinks are there at times, and whose program may end between a segment and its acknowledgement. */
class World {
  readonly draft: OutboxDraft = {};
  readonly archive: ArchiveRecord[] = [];
  readonly #stored = new Set<string>();

  take(next: Step): void {
    const { draft } = this;
    switch (next.what) {
      case 'emit':
        emitted(draft, uid);
        return;
      case 'receive':
        received(draft, uid);
        return;
      case 'store':
        for (const entry of draft.outbox?.filter(({ chain }) => chain !== undefined).slice(0, next.count) ?? []) {
          this.#stored.add(entry.id);
          this.archive.push(...recordsOf({ outbox: [entry] }, uid));
        }
        return;
      case 'archived':
        draft.outbox = draft.outbox?.flatMap((entry) => (!this.#stored.has(entry.id) ? [entry] : isForSinks(entry) ? [without(entry, 'chain')] : []));
        return;
      case 'sent':
        draft.outbox = draft.outbox?.flatMap((entry) => (!isForSinks(entry) ? [entry] : entry.chain === undefined ? [] : [{ ...entry, archiveOnly: true }]));
    }
  }

  get head(): KnownHead | undefined {
    return headOf(this.draft);
  }
}

function lived(steps: readonly Step[]): World {
  const world = new World();
  for (const next of steps) world.take(next);
  return world;
}

const life = fc.array(step, { maxLength: 150 }).map(lived);

describe('the archive of an object', () => {
  test('is never accused of tampering, whatever was late, lost to a full outbox or stored twice', () => {
    fc.assert(fc.property(life, ({ archive, head, draft }) => {
      expect(verifyChain(archive, head).filter(({ kind }) => kind !== 'given-up')).toEqual([]);
      expect(labletSessionStatus.safeParse(draft).error).toBeUndefined();
    }), { numRuns: 150 });
  });

  test('that lacks any record which it had is found out, unless a full outbox is on record as having lost that very one', () => {
    fc.assert(fc.property(life, fc.nat(), ({ archive, head }, pick) => {
      const victim = archive[pick % Math.max(archive.length, 1)];
      fc.pre(victim !== undefined && head !== undefined);
      const { n } = victim.chain;
      // What is in the outbox still may come again, and what was stored before it was given up is named as given up.
      fc.pre(head.pending?.some((text) => rangeOf(text).first === n) !== true);
      const named = [...archive.flatMap(({ chain }) => chain.dropped ?? []), ...(head.dropped ?? [])].map(rangeOf).some(({ first, last }) => first <= n && n <= last);
      fc.pre(!named);
      expect(verifyChain(archive.filter(({ chain }) => chain.n !== n), head).filter(({ kind }) => kind !== 'given-up')).not.toEqual([]);
    }), { numRuns: 150 });
  });

  test('in which any record got a new content and a new hash is found out, gaps or not', () => {
    fc.assert(fc.property(life, fc.nat(), ({ archive, head, draft }, pick) => {
      fc.pre(archive.length > 0 && head !== undefined);
      // Where more gaps than can be named lie behind it, one range spans them, and what is in between stands for itself.
      const spanned = (n: number): boolean => [...archive, ...recordsOf(draft, uid)].flatMap(({ chain }) => chain.dropped ?? []).concat(head.dropped ?? []).map(rangeOf).some(({ first, last }) => first <= n && n <= last);
      const n = archive[pick % archive.length]?.chain.n ?? 0;
      fc.pre(!spanned(n));
      const forged = structuredClone(archive);
      for (const record of forged.filter(({ chain }) => chain.n === n)) {
        record.event['forged'] = true;
        record.chain.hash = hashOf(record);
      }
      expect(verifyChain(forged, head).filter(({ kind }) => kind !== 'given-up')).not.toEqual([]);
    }), { numRuns: 150 });
  });
});
