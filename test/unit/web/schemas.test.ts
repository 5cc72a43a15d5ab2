import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Router } from 'express';
import { dataSchema, EVENT_TYPES } from '../../../src/api/event-schemas.ts';
import { createLogger } from '../../../src/telemetry/log.ts';
import { schemasRouter } from '../../../src/web/schemas.ts';
import { webApp } from '../../../src/web/server.ts';
import type { AddressInfo } from 'node:net';

const failing = Router().get('/', () => {
  throw new Error('the password is hunter2');
});
const server = createServer(webApp({ log: createLogger({ level: 'silent' }), routers: { '/schemas': schemasRouter(), '/failing': failing } }) as Parameters<typeof createServer>[1]);
let base: string;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

interface Listed { type: string; direction: string; dataschema: string; href: string }
const listed = async (): Promise<Listed[]> => ((await (await fetch(`${base}/schemas/`)).json()) as { schemas: Listed[] }).schemas;

describe('the schemas of events', () => {
  test('the list names 19 emitted and 4 consumed types, and every link of it leads to the schema of its type', async () => {
    const list = await listed();
    expect(list.filter(({ direction }) => direction === 'emitted')).toHaveLength(19);
    expect(list.filter(({ direction }) => direction === 'consumed').map(({ type }) => type)).toEqual(['lds.session.started', 'lds.session.ended', 'grading.session.completed', 'grading.session.failed']);
    for (const { type, href, dataschema } of list) {
      const answer = await fetch(new URL(href, `${base}/schemas/`));
      expect(answer.headers.get('content-type')).toMatch(/^application\/schema\+json/);
      expect(await answer.json()).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema', $id: dataschema, title: type });
    }
  });

  test('the path of a dataschema is served too, but no other revision of it', async () => {
    for (const { type, dataschema } of await listed()) {
      const { pathname } = new URL(dataschema);
      expect(await (await fetch(`${base}${pathname}`)).json()).toEqual(dataSchema(EVENT_TYPES.find((known) => known === type) ?? 'lds.session.started'));
      expect((await fetch(`${base}${pathname.replace(/v\d+/, 'v999')}`)).status).toBe(404);
    }
  });
});

describe('the web server', () => {
  test('only reads', async () => {
    const answer = await fetch(`${base}/schemas/`, { method: 'POST', body: '{}' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  test('says what is there when asked for what is not', async () => {
    const answer = await fetch(`${base}/nowhere`);
    expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining('/schemas')]);
  });

  test('tells the outside nothing of an error', async () => {
    const answer = await fetch(`${base}/failing`);
    expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('hunter2')]);
  });
});
