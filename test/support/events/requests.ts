import { parseRequest } from '../../../src/events/codec.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { EncodedEvent, ParsedRequest, RawRequest } from '../../../src/events/codec.ts';

/** A request as Node would hand it over: header values are what arrived, read as Latin-1. */
export function rawRequest(headers: Readonly<Record<string, string>>, body: string | Uint8Array = ''): RawRequest {
  return { rawHeaders: Object.entries(headers).flat(), body: typeof body === 'string' ? Buffer.from(body) : body };
}

export function parse(headers: Readonly<Record<string, string>>, body: string | Uint8Array = ''): ParsedRequest {
  return parseRequest(rawRequest(headers, body));
}

export function parseOne(headers: Readonly<Record<string, string>>, body: string | Uint8Array = ''): CloudEvent {
  const { events } = parse(headers, body);
  const [event] = events;
  if (event === undefined || events.length !== 1) throw new Error(`${events.length} events instead of one`);
  return event;
}

/** What was encoded, as the other side receives it. */
export const received = ({ headers, body }: EncodedEvent): RawRequest => rawRequest(headers, body ?? '');

/** The smallest valid event in binary mode. */
export const minimal = { 'ce-specversion': '1.0', 'ce-id': 'A234-1234', 'ce-source': '/lds', 'ce-type': 'lds.session.started' } as const;

/** The smallest valid event in structured mode. */
export const minimalJson = { specversion: '1.0', id: 'A234-1234', source: '/lds', type: 'lds.session.started' } as const;

export const STRUCTURED = { 'content-type': 'application/cloudevents+json' } as const;
