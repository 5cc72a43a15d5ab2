import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { Secret } from '../../../src/clients/secret.ts';

test('a secret shows itself to nobody who does not ask for it by name', () => {
  const secret = new Secret('https://lds.example.org/launch?key=abc');
  const shown = [String(secret), JSON.stringify({ secret }), inspect({ secret }, { depth: 5, showHidden: true }), JSON.stringify(Object.entries(secret))];
  for (const text of shown) expect(text).not.toContain('abc');
  expect(JSON.stringify({ secret })).toBe('{"secret":"[redacted]"}');
  expect(secret.reveal()).toBe('https://lds.example.org/launch?key=abc');
});
