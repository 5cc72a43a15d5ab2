import { describe, expect, test } from '@jest/globals';
import { conditionProblem, ConditionError, holds } from '../../../src/core/expression.ts';

const DATA = {
  session: { metadata: { name: 'cand-0042', labels: { tier: 'pilot' } }, spec: { owner: 'proctor-7' }, status: { attempts: 2, conditions: [{ type: 'Degraded', status: 'True' }] } },
  definition: { version: '1.2.0', spec: { labReuse: true } },
  worker: { status: { cmlVersion: '2.9.1' } },
  steps: { content_sync: { name: 'content_sync', state: 'Skipped' } },
};

describe('a condition', () => {
  test.each([
    ['session.metadata.labels.tier == "pilot"', true],
    ['session.status.attempts > 1', true],
    ['session.status.attempts == 2', true],
    ['definition.spec.labReuse && !worker.status.cmlVersion.startsWith("2.9")', false],
    ['steps.content_sync.state == "Skipped"', true],
    ['has(session.spec.candidate) && session.spec.candidate.id == "x"', false],
    ['session.status.conditions.exists(c, c.type == "Degraded" && c.status == "True")', true],
    ['"tier" in session.metadata.labels', true],
    ['size(session.status.conditions) in [1, 2]', true],
  ])('%s gives %s', (text, expected) => {
    expect(conditionProblem(text)).toBeUndefined();
    expect(holds(text, DATA)).toBe(expected);
  });

  test.each([
    ['session.metadata.name ==', 'Unexpected token: EOF'],
    ['user.name == "x"', 'Unknown variable: user'],
    ['"abc"', 'it gives string, a condition gives true or false'],
    ['session.spec.owner.matches("(a+)+$")', 'function matches is not available'],
    ['[1, 2].all(x, [3, 4].exists(y, x < y))', 'exists within another loop is not allowed'],
    ['[1].map(x, x).size() == 1', 'function map is not available'],
    ['cel.bind(x, "aaaa", x + x == "b")', 'function bind is not available'],
    [`${'!'.repeat(200)}true`, 'Exceeded max'],
    ['session.metadata.constructor("return process")()', 'Unexpected character'],
  ])('%s is refused: %s', (text, why) => {
    expect(conditionProblem(text)).toContain(why);
    expect(() => holds(text, DATA)).toThrow(ConditionError);
  });

  test.each(['session.__proto__', 'session.constructor', 'session["constructor"]', 'session.toString', 'steps.hasOwnProperty', 'session.status.conditions.length', 'session.metadata.name.length'])('%s reaches nothing of JavaScript', (text) => {
    expect(() => holds(`${text} != null`, DATA)).toThrow(ConditionError);
  });

  test('a key of the data named like a part of JavaScript is data, and its absence is absence', () => {
    expect(holds('has(session.constructor)', DATA)).toBe(false);
    expect(holds('"__proto__" in session', DATA)).toBe(false);
    const labels = JSON.parse('{"__proto__": {"polluted": "yes"}, "constructor": "ours"}') as object;
    expect(holds('session.labels.constructor == "ours"', { ...DATA, session: { labels } })).toBe(true);
    expect(holds('has(session.polluted)', { ...DATA, session: labels })).toBe(false);
    expect({}).not.toHaveProperty('polluted');
  });

  test('a field that is not there is an error that says how to guard it', () => {
    expect(() => holds('session.spec.candidate.id == "x"', DATA)).toThrow('No such key: candidate (guard fields that may be absent with has())');
  });

  test('cannot change what it looks at', () => {
    const before = structuredClone(DATA);
    holds('session.metadata.labels.tier == "pilot"', DATA);
    expect(DATA).toEqual(before);
  });
});
