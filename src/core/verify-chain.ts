/** Does the archive of an object still say what was recorded? Pure: records in, findings out. */
import { GENESIS, hashOf, placeOf, rangeOf } from './chain.ts';
import type { ArchiveRecord } from '../api/archive.ts';
import type { ChainRange } from './chain.ts';
import type { ChainHead, EmitterStatus } from '../api/outbox.ts';

/**
 * changed: a record does not have its own hash. broken: it does not follow the one before it. conflict: two different
 * records have one number. missing: numbers between others are not there. missing-start, missing-tail: the first or the
 * last ones are not there. head: the last record is not the one of the status. given-up: records that a full outbox
 * dropped, as a later record says; the only kind that is no sign of tampering.
 */
export interface Finding {
  readonly kind: 'changed' | 'broken' | 'conflict' | 'missing' | 'missing-start' | 'missing-tail' | 'head' | 'given-up';
  /** First number that it is about. */
  readonly n: number;
  readonly message: string;
}

/** What a status says of the archive. */
export interface KnownHead extends ChainHead {
  /** Records that stand in the outbox still, not archived yet: each as a range of one number. */
  readonly pending?: readonly string[];
}

/** The head that a status knows; undefined: nothing was recorded for an archive yet. */
export function headOf({ chain, outbox = [] }: EmitterStatus): KnownHead | undefined {
  const waiting = outbox.flatMap((entry) => entry.chain ?? []);
  return chain && { ...chain, dropped: [...(chain.dropped ?? []), ...waiting.flatMap(({ dropped = [] }) => dropped)], pending: waiting.map(placeOf) };
}

/** What verifying needs of a record: a large archive is verified by these, without its data. */
export interface Link {
  readonly n: number;
  readonly prev: string;
  /** As the record says. */
  readonly stated: string;
  /** As its content gives. */
  readonly actual: string;
  readonly dropped: readonly string[];
}

/** Any record, as it was read: what was changed or added in it counts. */
export function linkOf(record: ArchiveRecord): Link {
  const { n, prev, hash, dropped = [] } = record.chain;
  return { n, prev, stated: hash, actual: hashOf(record), dropped };
}

/**
 * @param records of one object, in any order; the same one twice is harmless
 * @param head of its status; without it nobody can tell whether the last records were removed
 */
export function verifyChain(records: readonly ArchiveRecord[], head?: KnownHead): Finding[] {
  return verifyLinks(records.map(linkOf), head);
}

/** The same by links. Findings by number. */
export function verifyLinks(links: readonly Link[], head?: KnownHead): Finding[] {
  const findings: Finding[] = [];
  const found = (kind: Finding['kind'], n: number, message: string): void => void findings.push({ kind, n, message });
  const byNumber = Map.groupBy(links, ({ n }) => n);
  for (const [n, same] of byNumber) {
    if (same.some(({ stated, actual }) => stated !== actual)) found('changed', n, `record ${n} was changed: its content does not have its hash`);
    if (new Set(same.map(({ actual }) => actual)).size > 1) found('conflict', n, `there are different records with number ${n}`);
  }
  const chain = [...byNumber.values()].flatMap((same) => same.find(({ stated, actual }) => stated === actual) ?? same[0] ?? []).sort((a, b) => a.n - b.n);
  const gaps = gapsBy(links, head);
  const excused = excusedBy(gaps);
  let before: Link | undefined;
  for (const link of chain) {
    const expected = (before?.n ?? 0) + 1;
    if (link.n > expected) missing(expected, link.n - 1, before === undefined ? 'missing-start' : 'missing', excused, found);
    else if (link.prev !== (before?.actual ?? GENESIS)) found('broken', link.n, `record ${link.n} does not follow ${before ? `record ${before.n}` : 'the beginning of a chain'} as it is now`);
    before = link;
  }
  checkGaps(chain, gaps, found);
  if (head) checkHead(chain, head, excused, found);
  return findings.sort((a, b) => a.n - b.n);
}

type Found = (kind: Finding['kind'], n: number, message: string) => void;
/** Why a number may be missing. */
type Excuse = 'given-up' | 'pending';

/** What is missing for a reason. Nobody vouches for a record that was changed, or for one behind the head: they excuse nothing up to there. */
interface Gap extends ChainRange {
  readonly excuse: Excuse;
  /** Numbers above this one only. */
  readonly above: number;
}

function gapsBy(links: readonly Link[], head: KnownHead | undefined): Gap[] {
  const gap = (excuse: Excuse, above = 0) => (text: string): Gap => ({ ...rangeOf(text), excuse, above });
  return [
    ...links.filter(({ stated, actual }) => stated === actual).flatMap(({ n, dropped }) => dropped.map(gap('given-up', head && n > head.n ? head.n : 0))),
    ...(head?.dropped ?? []).map(gap('given-up')),
    ...(head?.pending ?? []).map(gap('pending')),
  ];
}

const excusedBy = (gaps: readonly Gap[]) => (n: number): Excuse | undefined => gaps.find(({ first, last, above }) => first <= n && n <= last && n > above)?.excuse;

/** A record before a gap has no follower that names its hash: the gap does. */
function checkGaps(chain: readonly Link[], gaps: readonly Gap[], found: Found): void {
  const byNumber = new Map(chain.map((link) => [link.n, link]));
  const wrong = gaps.filter(({ first, prev }) => byNumber.has(first - 1) && byNumber.get(first - 1)?.actual !== prev);
  for (const n of new Set(wrong.map(({ first }) => first - 1))) found('broken', n, `record ${n} is not the one that was there when the next one was given up`);
}

/** A number that somebody made up must not keep us busy. */
const LOOKED_AT_MAX = 1_000_000;

function missing(first: number, last: number, kind: 'missing' | 'missing-start' | 'missing-tail', excused: (n: number) => Excuse | undefined, found: Found): void {
  if (last - first > LOOKED_AT_MAX) {
    found(kind, first, `records ${first} to ${last} are missing`);
    return;
  }
  for (let n = first; n <= last;) {
    const excuse = excused(n);
    let end = n;
    while (end < last && excused(end + 1) === excuse) end++;
    const which = n === end ? `record ${n}` : `records ${n} to ${end}`;
    if (excuse === 'given-up') found('given-up', n, `${which} never came into the archive: the outbox was full, as was recorded then`);
    else if (excuse === undefined) found(kind, n, `${which} ${n === end ? 'is' : 'are'} missing`);
    n = end + 1;
  }
}

/** Records behind the head are no finding: the object went on after its status was read. */
function checkHead(chain: readonly Link[], head: KnownHead, excused: (n: number) => Excuse | undefined, found: Found): void {
  const lastN = chain.at(-1)?.n ?? 0;
  const stated = chain.find(({ n }) => n === head.n);
  if (lastN < head.n) missing(lastN + 1, head.n, 'missing-tail', excused, found);
  else if (stated && stated.actual !== head.hash) found('head', head.n, `record ${head.n} is not the one whose hash is in the status`);
}
