/** What `helm test` relies on: the check passes only for a controller that works. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { EVENT_TYPES } from '../../../src/api/event-schemas.ts';
import { check } from '../../../src/app/check-command.ts';

let close = (): void => undefined;
afterEach(() => close());

/** A controller as far as the check can see it. @returns its URL */
async function answering(status: number, body: string): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  close = () => void server.close();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const schemasOf = (types: readonly string[]): string => JSON.stringify({ schemas: types.map((type) => ({ type })) });

test.each([
  ['a controller that is ready passes', 'ready', 200, 'ok\n', true, 'ok'],
  ['one that is not says why', 'ready', 503, 'the cache of labs is not filled\n', false, '503: the cache of labs is not filled'],
  ['all schemas are there', 'schemas', 200, schemasOf(EVENT_TYPES), true, 'ok'],
  ['a version that lacks a type is found', 'schemas', 200, schemasOf(EVENT_TYPES.slice(1)), false, `no schema of ${EVENT_TYPES[0] ?? ''}`],
] as const)('%s', async (_, what, status, body, passes, said) => {
  const url = await answering(status, body);
  const lines: string[] = [];
  await expect(check({ [what]: url }, (line) => lines.push(line))).resolves.toBe(passes);
  expect(lines).toEqual([`${what} ${url}: ${said}`]);
});

test('a controller that cannot be reached does not pass', async () => {
  const url = await answering(200, '');
  close();
  await expect(check({ ready: url }, () => undefined)).resolves.toBe(false);
});
