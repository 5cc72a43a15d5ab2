import { describe, expect, test } from '@jest/globals';
import { ExpiredError, ForbiddenError, InvalidError, ProtocolError, ServerUnavailableError, TooManyRequestsError, TransportError, WatchIdleError, type ApiError } from '../../../src/kube/errors.ts';
import { advance, initialState, type Outcome, type ReflectorState } from '../../../src/kube/reflector-state.ts';

const timing = { backoff: { baseMs: 800, maxMs: 30_000 }, shortWatchMs: 1000 };
const refused = <E extends ApiError>(kind: new (init: { message: string; status: number; reason: string; retryAfterMs?: number }) => E, status: number, retryAfterMs?: number): E =>
  new kind({ message: 'refused', status, reason: '', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
const broken = new TransportError('reset', 'unknown', undefined);

type Ended = Extract<Outcome, { kind: 'watch-ended' }>;
const ended = (rest: Partial<Ended>): Ended => ({ kind: 'watch-ended', resourceVersion: '50', openMs: 60_000, events: 0, error: undefined, ...rest });
const watching: ReflectorState = { ...initialState(true), action: { do: 'watch', resourceVersion: '40' } };
const next = (state: ReflectorState, ...outcomes: Outcome[]): ReflectorState => outcomes.reduce((now, outcome) => advance(now, outcome, timing, 0), state);

describe('after a watch', () => {
  test.each<[string, Partial<Ended>, ReflectorState['action'], number]>([
    ['that the server ended in its time, it watches on at once', {}, { do: 'watch', resourceVersion: '50' }, 0],
    ['that fell silent, it watches on at once', { error: new WatchIdleError('silent') }, { do: 'watch', resourceVersion: '50' }, 0],
    ['that broke after a healthy life, it watches on at once', { error: broken }, { do: 'watch', resourceVersion: '50' }, 0],
    ['that was never accepted, it waits', { openMs: undefined, error: broken }, { do: 'watch', resourceVersion: '50' }, 800],
    ['refused with 429, it waits as long as asked', { openMs: undefined, error: refused(TooManyRequestsError, 429, 5000) }, { do: 'watch', resourceVersion: '50' }, 5000],
    ['refused with 503, it waits', { openMs: undefined, error: refused(ServerUnavailableError, 503) }, { do: 'watch', resourceVersion: '50' }, 800],
    ['that was very short, it waits', { openMs: 10 }, { do: 'watch', resourceVersion: '50' }, 800],
    ['that was very short but brought something, it waits', { openMs: 10, events: 3 }, { do: 'watch', resourceVersion: '50' }, 800],
    ['from a version too old, it lists from there on', { error: refused(ExpiredError, 410) }, { do: 'list', resourceVersion: '50', stream: true }, 800],
    ['that broke the protocol, it lists from there on', { error: new ProtocolError('?') }, { do: 'list', resourceVersion: '50', stream: true }, 800],
    ['that failed with a fault of our own, it lists from there on', { error: new TypeError('bug') }, { do: 'list', resourceVersion: '50', stream: true }, 800],
    ['refused for another reason, it lists the present', { openMs: undefined, error: refused(ForbiddenError, 403) }, { do: 'list', resourceVersion: '', stream: true }, 800],
  ])('%s', (_name, rest, action, waitMs) => {
    expect(next(watching, ended(rest))).toMatchObject({ action, waitMs });
  });
});

test.each([
  ['a server in trouble', refused(ServerUnavailableError, 503), [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]],
  ['nobody answers: it is noticed soon when somebody does', broken, [800, 1600, 3200, 4000, 4000, 4000, 4000, 4000]],
])('failures double the wait up to the bound, and a healthy watch begins anew: %s', (_name, error, expected) => {
  let state = watching;
  const waits: number[] = [];
  for (let failure = 0; failure < 8; failure += 1) {
    state = next(state, ended({ openMs: undefined, error }));
    waits.push(state.waitMs);
  }
  expect(waits).toEqual(expected);
  expect(next(state, ended({}), ended({ openMs: undefined, error: broken })).waitMs).toBe(800);
});

test('a server that is back after a long time, and refuses at first, is asked again soon', () => {
  const away = next(watching, ...Array.from({ length: 40 }, () => ended({ openMs: undefined, error: broken })));
  const refusals = [refused(ForbiddenError, 403), refused(ServerUnavailableError, 503)].map((error) => ended({ openMs: undefined, error }));
  expect(next(away, ...refusals.slice(0, 1)).waitMs).toBe(800);
  expect(next(away, ...refusals).waitMs).toBe(1600);
});

test('jitter at most doubles a wait', () => {
  expect(advance(watching, ended({ openMs: undefined, error: broken }), timing, 0.999).waitMs).toBeCloseTo(1599, 0);
});

test('a watch that only brings silence is as healthy as one that brings events (a quiet resource is not punished)', () => {
  const state = next(watching, ...Array.from({ length: 20 }, () => ended({ error: new WatchIdleError('silent') })));
  expect(state).toMatchObject({ failures: 0, waitMs: 0, action: { do: 'watch' } });
});

test('three very short watches in a row drop the version; an event between them keeps it', () => {
  const short = ended({ openMs: 10 });
  expect(next(watching, short, short).action.do).toBe('watch');
  expect(next(watching, short, short, short).action).toEqual({ do: 'list', resourceVersion: '', stream: true });
  expect(next(watching, short, short, ended({ openMs: 10, events: 1 }), short).action.do).toBe('watch');
});

test('the second list in a row asks for the present; after a healthy watch the first rule holds again', () => {
  const expired = ended({ openMs: undefined, error: refused(ExpiredError, 410) });
  const second = next(watching, expired, { kind: 'listed', resourceVersion: '60' }, expired);
  expect(second.action).toMatchObject({ do: 'list', resourceVersion: '' });
  const again = next(second, { kind: 'listed', resourceVersion: '70' }, ended({}), expired);
  expect(again.action).toMatchObject({ do: 'list', resourceVersion: '50' });
});

test('410 for ever waits longer and longer, though each list succeeds', () => {
  const round: Outcome[] = [ended({ openMs: undefined, error: refused(ExpiredError, 410) }), { kind: 'listed', resourceVersion: '60' }];
  expect(next(watching, ...round, ...round, ...round, round[0] as Outcome).waitMs).toBe(6400);
});

describe('after a list', () => {
  test('that succeeded, it watches from its version', () => {
    expect(next(initialState(true), { kind: 'listed', resourceVersion: '9' })).toMatchObject({ action: { do: 'watch', resourceVersion: '9' }, waitMs: 0 });
  });

  test('that was a stream and is not supported, it lists in pages at once and for good', () => {
    const state = next(initialState(true), { kind: 'list-failed', error: refused(InvalidError, 422) });
    expect(state).toMatchObject({ action: { do: 'list', stream: false }, waitMs: 0, failures: 0, streaming: false });
  });

  test('that was a stream and broke, it lists in pages this time', () => {
    const state = next(initialState(true), { kind: 'list-failed', error: broken });
    expect(state).toMatchObject({ action: { do: 'list', stream: false }, waitMs: 800, streaming: true });
  });

  test('that somebody asks for, it lists the present at once', () => {
    expect(next(watching, { kind: 'relist-wanted' })).toMatchObject({ action: { do: 'list', resourceVersion: '' }, waitMs: 0 });
  });
});
