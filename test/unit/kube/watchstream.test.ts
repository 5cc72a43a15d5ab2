import { describe, expect, test } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import fc from 'fast-check';
import { ExpiredError, ProtocolError, ServerUnavailableError, WatchIdleError } from '../../../src/kube/errors.ts';
import { lines, parseEvent, watchEvents } from '../../../src/kube/watchstream.ts';
import { CONFIG_MAPS } from '../../support/kube-objects.ts';
import { ScriptedApi, added, bookmark, configMap, errorEvent, watch } from '../../support/scripted-api.ts';

async function* chunksOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk;
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

describe('lines', () => {
  test('come out whole however the bytes are cut, characters of several bytes too', async () => {
    const anyLine = fc.string({ unit: 'grapheme', minLength: 1 }).filter((line) => !line.includes('\n'));
    await fc.assert(
      fc.asyncProperty(fc.array(anyLine), fc.array(fc.nat(20)), async (written, cuts) => {
        let rest: Uint8Array = Buffer.from(written.map((line) => `${line}\n`).join(''));
        const chunks: Uint8Array[] = [];
        for (const cut of cuts) {
          chunks.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        expect(await collect(lines(chunksOf(...chunks, rest), 1e6))).toEqual(written);
      }),
    );
  });

  test('a rest without an end is dropped: the event comes again when the watch is resumed', async () => {
    expect(await collect(lines(chunksOf(Buffer.from('one\ntw')), 100))).toEqual(['one']);
  });

  test('a line beyond the bound is refused before it is read to its end', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 1;
        yield Buffer.alloc(100, 'x');
      }
    }
    await expect(collect(lines(endless(), 1000))).rejects.toBeInstanceOf(ProtocolError);
    expect(given).toBe(11);
  });
});

describe('events', () => {
  test.each([
    ['no JSON', '{"type":'],
    ['no event', '{"kind":"Status"}'],
    ['an unknown type', '{"type":"RENAMED","object":{}}'],
    ['an object without a uid', '{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"}}}'],
    ['a bookmark without a version', '{"type":"BOOKMARK","object":{"metadata":{}}}'],
  ])('%s is a breach of the protocol', (_name, line) => {
    expect(() => parseEvent(line, CONFIG_MAPS)).toThrow(ProtocolError);
  });

  test('an ERROR event is thrown as the error that it carries', () => {
    expect(() => parseEvent(JSON.stringify(errorEvent(410, 'Expired')), CONFIG_MAPS)).toThrow(ExpiredError);
    expect(() => parseEvent(JSON.stringify(errorEvent(500, 'InternalError')), CONFIG_MAPS)).toThrow(ServerUnavailableError);
  });

  test('the bookmark that ends the initial events is told from the others', () => {
    const parsed = (annotations?: Record<string, string>) => parseEvent(JSON.stringify(bookmark(9, annotations)), CONFIG_MAPS);
    expect(parsed()).toEqual({ type: 'BOOKMARK', resourceVersion: '9', initialEventsEnd: false });
    expect(parsed({ 'k8s.io/initial-events-end': 'true' })).toEqual({ type: 'BOOKMARK', resourceVersion: '9', initialEventsEnd: true });
  });
});

/** Resolves when the connection takes more, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.on('drain', go).on('close', go);
  });
}

describe('a watch', () => {
  test('is given up when it is silent for too long', async () => {
    const abort = new AbortController();
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`${JSON.stringify(added(configMap('a', 1)))}\n`);
      await new Promise((_resolve, reject) => {
        abort.signal.addEventListener('abort', () => {
          reject(new Error('destroyed'));
        });
      });
    }
    const events = watchEvents(silent(), CONFIG_MAPS, abort, { idleMs: 30 });
    expect(await events.next()).toMatchObject({ value: { type: 'ADDED' } });
    await expect(events.next()).rejects.toBeInstanceOf(WatchIdleError);
  });

  test('a consumer that takes its time is not silence', async () => {
    const line = Buffer.from(`${JSON.stringify(added(configMap('a', 1)))}\n`);
    const seen: string[] = [];
    for await (const event of watchEvents(chunksOf(line, line, line), CONFIG_MAPS, new AbortController(), { idleMs: 30 })) {
      seen.push(event.type);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(seen).toEqual(['ADDED', 'ADDED', 'ADDED']);
  });

  test('a slow consumer slows the server down instead of filling the memory', async () => {
    const api = await ScriptedApi.start();
    const line = `${JSON.stringify(added(configMap('big', 1, { filler: 'x'.repeat(100_000) })))}\n`;
    let written = 0;
    api.on('watch', async (response) => {
      response.writeHead(200);
      // A server that heeds the pressure of TCP, as Go's does: it writes only while the connection takes it.
      while (!response.destroyed && written < 5000) {
        written += 1;
        if (!response.write(line)) await drained(response);
      }
    });
    const events = api.client().watch(CONFIG_MAPS, { resourceVersion: '1' });
    await events.next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const inFlight = written;
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Nobody reads, so nothing moves: what is under way is what the buffers of two sockets hold, not the 500 MB that the server has to say.
    expect(written).toBe(inFlight);
    expect(inFlight).toBeLessThan(500);
    await events.return();
    await api.stop();
  });

  test('left in the middle, it closes its connection', async () => {
    const api = await ScriptedApi.start();
    api.on('watch', watch([added(configMap('a', 1)), added(configMap('b', 2))], 'silent'));
    for await (const event of api.client().watch(CONFIG_MAPS, { resourceVersion: '1' })) {
      expect(event.type).toBe('ADDED');
      break;
    }
    while (api.openWatches > 0) await new Promise(setImmediate);
    await api.stop();
  });
});
