import { describe, expect, test } from '@jest/globals';
import { createLogger } from '../../../src/telemetry/log.ts';
import type { LogLevel } from '../../../src/telemetry/log.ts';
import { redactText } from '../../../src/telemetry/redact.ts';

function logTo(level: LogLevel = 'info') {
  const lines: string[] = [];
  const log = createLogger({ level, fields: { version: '1.2.3' }, destination: { write: (line) => lines.push(line) } });
  const last = (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown>;
  return { log, lines, last };
}

describe('a log line', () => {
  test('is one JSON object with level, time, message and the fields of its session', () => {
    const { log, lines, last } = logTo();
    log.child({ session: 'exams/cand-0042', uid: 'u-1' }).child({ phase: 'Running', traceId: '4bf92f35' }).info({ attempt: 2 }, 'lab\nstarted');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trim()).not.toContain('\n');
    expect(last()).toMatchObject({
      level: 'info', message: 'lab\nstarted', session: 'exams/cand-0042', uid: 'u-1', phase: 'Running', traceId: '4bf92f35', attempt: 2, version: '1.2.3',
    });
    expect(Date.parse(String(last()['time']))).not.toBeNaN();
  });

  test('below the level is not written', () => {
    const { log, lines } = logTo('warn');
    log.info('quiet');
    log.warn('loud');
    expect(lines).toHaveLength(1);
  });

  test('about an error tells name, message, code, stack and cause, and nothing else that hangs on it', () => {
    const { log, last } = logTo();
    const error = Object.assign(new TypeError('no route', { cause: new Error('ECONNRESET') }), { code: 'E1', request: { headers: { Cookie: 'c0ffee' } } });
    log.error({ error }, 'failed');
    expect(last()['error']).toMatchObject({ name: 'TypeError', message: 'no route', code: 'E1', cause: { message: 'ECONNRESET' } });
    expect(JSON.stringify(last())).not.toContain('c0ffee');
  });

  const SECRET = 'Tr0ub4dor-and-3';
  test.each([
    ['a password', { password: SECRET }],
    ['a header, whatever its case', { headers: { Authorization: `Bearer ${SECRET}` } }],
    ['a launch URL, as LDS and as we write it', { userSession: { loginUrl: `https://lds/${SECRET}`, login_url: `https://lds/${SECRET}` } }],
    ['an Event Grid key', { 'aeg-sas-key': SECRET }],
    ['a token deep in an array', { a: [{ b: { c: [{ d: { token: SECRET } }] } }] }],
    ['a secret in a URL', { url: `https://admin:${SECRET}@cml.example.org/api`, sink: `https://s/x?token=${SECRET}&y=1` }],
    ['a bearer token in an error message', { error: new Error(`refused: Bearer ${SECRET}`) }],
    ['a secret in the cause of an error', { error: new Error('x', { cause: { password: SECRET } }) }],
  ])('does not show %s', (_, fields) => {
    const { log, lines } = logTo();
    log.info(fields, 'as a field');
    log.child(fields).info('as a bound field');
    expect(lines.join('')).not.toContain(SECRET);
    expect(lines[0]).toContain('[redacted]');
    expect(lines[1]).toContain('[redacted]');
  });

  test('does not show a credential in its message', () => {
    const { log, lines } = logTo();
    log.info(`calling with Bearer ${SECRET}`);
    log.info({}, `calling https://u:${SECRET}@host/`);
    log.error(new Error(`refused: Bearer ${SECRET}`));
    expect(lines.join('')).not.toContain(SECRET);
  });

  test('survives an object that contains itself', () => {
    const { log, last } = logTo();
    const loop: Record<string, unknown> = { name: 'a' };
    loop['self'] = loop;
    log.info({ loop }, 'round');
    expect(last()['loop']).toEqual({ name: 'a', self: '[…]' });
  });
});

test.each([
  ['the lab import took 3 s', 'the lab import took 3 s'],
  ['https://cml.example.org:8443/api/v0/labs?data=true', 'https://cml.example.org:8443/api/v0/labs?data=true'],
  ['basic auth is off', 'basic auth is off'],
  ['user@example.org wrote', 'user@example.org wrote'],
])('leaves ordinary text alone: %s', (text, expected) => {
  expect(redactText(text)).toBe(expected);
});
