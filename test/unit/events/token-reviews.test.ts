import { beforeEach, describe, expect, test } from '@jest/globals';
import { TokenReviews } from '../../../src/events/token-reviews.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const START = Date.parse('2026-11-23T10:00:00Z') / 1000;
const jwt = (exp: number): string => ['{"alg":"none"}', JSON.stringify({ exp }), ''].map((part) => Buffer.from(part).toString('base64url')).join('.');

let clock: FakeClock;
let asked: string[];
let reviews: TokenReviews;
/** Who owns a token; an Error: nobody can say. */
let owners: Record<string, string | undefined | Error>;

beforeEach(() => {
  clock = new FakeClock('2026-11-23T10:00:00Z');
  asked = [];
  owners = { ada: 'user-ada' };
  reviews = new TokenReviews(async (token) => {
    asked.push(token);
    const owner = owners[token];
    if (owner instanceof Error) throw owner;
    return owner;
  }, clock);
});

describe('whose a token is', () => {
  test('is asked once a minute', async () => {
    expect([await reviews.subjectOf('ada'), await reviews.subjectOf('ada')]).toEqual(['user-ada', 'user-ada']);
    await clock.advance(59_000);
    await reviews.subjectOf('ada');
    expect(asked).toEqual(['ada']);
    owners['ada'] = undefined;
    await clock.advance(1000);
    expect(await reviews.subjectOf('ada')).toBeUndefined();
  });

  test('is not believed beyond the end of the token', async () => {
    const token = jwt(START + 20);
    owners[token] = 'user-b';
    await reviews.subjectOf(token);
    await clock.advance(19_000);
    await reviews.subjectOf(token);
    expect(asked).toHaveLength(1);
    await clock.advance(1000);
    await reviews.subjectOf(token);
    expect(asked).toHaveLength(2);
  });

  test('is asked again sooner if it was nobody’s: a ServiceAccount may just be on its way', async () => {
    await reviews.subjectOf('eve');
    await clock.advance(9_000);
    await reviews.subjectOf('eve');
    expect(asked).toEqual(['eve']);
    owners['eve'] = 'user-eve';
    await clock.advance(1000);
    expect(await reviews.subjectOf('eve')).toBe('user-eve');
  });

  test('is asked once for requests that come together, and an outage is remembered by none of them', async () => {
    owners['ada'] = new Error('away');
    expect((await Promise.allSettled([reviews.subjectOf('ada'), reviews.subjectOf('ada')])).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    owners['ada'] = 'user-ada';
    expect(await Promise.all([reviews.subjectOf('ada'), reviews.subjectOf('ada')])).toEqual(['user-ada', 'user-ada']);
    expect(asked).toEqual(['ada', 'ada']);
  });

  test('stays known through a flood of tokens that nobody owns', async () => {
    await reviews.subjectOf('ada');
    for (let i = 0; i < 3000; i++) await reviews.subjectOf(`guess-${i}`);
    asked.splice(0);
    await reviews.subjectOf('ada');
    expect(asked).toEqual([]);
  });
});
