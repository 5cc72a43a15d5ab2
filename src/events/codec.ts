/**
 * CloudEvents over HTTP, read strictly and written in the one form that every reader takes.
 * An own codec, because the npm SDK invents what is missing: an id when there is none (which defeats de-duplication),
 * a time, a type; it refuses valid requests with a charset, and loses data that is false, 0, '' or null.
 */
import { attributesOf, CloudEventError, eventOf, isJsonType, isUriReference, SPEC_VERSION } from './cloudevent.ts';
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts';
import { parseJson, textOfBytes } from './json.ts';
import type { CloudEvent, EventData, ExtensionValue } from './cloudevent.ts';

export type ContentMode = 'binary' | 'structured';

/** A request as Node received it. */
export interface RawRequest {
  /** Names and values in turn, as in `IncomingMessage.rawHeaders`: repeats are visible there, and no name is special. */
  readonly rawHeaders: readonly string[];
  readonly body: Uint8Array;
}

export interface ParsedRequest {
  readonly mode: ContentMode | 'batch';
  /** One, but in batch mode any number. */
  readonly events: readonly CloudEvent[];
  /** Elements of a batch that are no events: each element is judged by itself, so that one takes no other with it. */
  readonly refused: readonly CloudEventError[];
}

/** A request to send. */
export interface EncodedEvent {
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: the event has no data (binary mode only). */
  readonly body: Uint8Array | undefined;
}

/** Events of one batch. */
const BATCH_MAX = 1000;

/**
 * Reads a request in binary, structured or batch mode.
 * @throws CloudEventError with the HTTP status of the answer: 400 malformed, 413 too many events, 415 a format or charset we do not read
 */
export function parseRequest(request: RawRequest): ParsedRequest {
  const headers = eventHeaders(request.rawHeaders);
  const contentType = headers.contentType;
  const { essence, charset } = mediaType(contentType ?? '');
  if (!essence.startsWith('application/cloudevents')) return { mode: 'binary', events: [binaryEvent(headers, request.body)], refused: [] };
  if (charset !== 'utf-8') throw new CloudEventError(`charset ${charset} is not supported; send UTF-8`, 415);
  if (essence === 'application/cloudevents+json') return { mode: 'structured', events: [structuredEvent(parseJson(request.body, 'the body'))], refused: [] };
  if (essence === 'application/cloudevents-batch+json') return { mode: 'batch', ...batchEvents(parseJson(request.body, 'the body')) };
  throw new CloudEventError(`${essence} is not supported; send application/cloudevents+json, application/cloudevents-batch+json, or binary mode`, 415);
}

/** Writes an event. The same event gives the same bytes, always. */
export function encodeEvent(event: CloudEvent, mode: ContentMode): EncodedEvent {
  return mode === 'binary' ? encodeBinary(event) : encodeStructured(event);
}

interface EventHeaders {
  readonly attributes: Map<string, string>;
  readonly contentType: string | undefined;
}

function eventHeaders(rawHeaders: readonly string[]): EventHeaders {
  const attributes = new Map<string, string>();
  let contentType: string | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    const value = rawHeaders[i + 1] ?? '';
    if (name === 'content-type') {
      if (contentType !== undefined) throw new CloudEventError('header content-type is given twice');
      contentType = value;
    }
    if (!name.startsWith('ce-')) continue;
    const attribute = name.slice(3);
    if (attribute === 'datacontenttype') throw new CloudEventError('header ce-datacontenttype is not allowed; use content-type');
    if (attributes.has(attribute)) throw new CloudEventError(`header ${name} is given twice`);
    const decoded = decodeHeaderValue(name, value);
    // A sender that does not encode sends a URI whose own escapes look like encoding: decoding must leave a URI.
    const isUri = attribute === 'source' || attribute === 'dataschema';
    attributes.set(attribute, isUri && !isUriReference(decoded) ? value : decoded);
  }
  return { attributes, contentType };
}

function binaryEvent({ attributes, contentType }: EventHeaders, body: Uint8Array): CloudEvent {
  if (attributes.size === 0) throw new CloudEventError('not a CloudEvent: there are no ce- headers, and content-type is not application/cloudevents+json');
  const withType = new Map<string, ExtensionValue>(attributes);
  if (contentType !== undefined) withType.set('datacontenttype', contentType);
  return eventOf(withType, binaryData(body, contentType));
}

function binaryData(bytes: Uint8Array, contentType: string | undefined): EventData | undefined {
  if (bytes.length === 0) return undefined;
  if (contentType === undefined) {
    // Knative delivers a structured event without datacontenttype so: a JSON body, and no content-type.
    try {
      return { kind: 'json', value: parseJson(bytes, 'data') };
    } catch {
      return { kind: 'bytes', bytes };
    }
  }
  if (!isJsonType(contentType)) return { kind: 'bytes', bytes };
  const { charset } = mediaType(contentType);
  if (charset !== 'utf-8') throw new CloudEventError(`charset ${charset} is not supported for JSON data; send UTF-8`, 415);
  return { kind: 'json', value: parseJson(bytes, 'data') };
}

function batchEvents(value: unknown): Pick<ParsedRequest, 'events' | 'refused'> {
  if (!Array.isArray(value)) throw new CloudEventError('a batch must be a JSON array');
  if (value.length > BATCH_MAX) throw new CloudEventError(`a batch holds at most ${BATCH_MAX} events`, 413);
  const events: CloudEvent[] = [];
  const refused: CloudEventError[] = [];
  for (const [index, element] of value.entries()) {
    try {
      events.push(structuredEvent(element));
    } catch (error) {
      if (!(error instanceof CloudEventError)) throw error;
      refused.push(new CloudEventError(`event ${index} of the batch: ${error.message}`, error.status));
    }
  }
  return { events, refused };
}

function structuredEvent(value: unknown): CloudEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CloudEventError('an event must be a JSON object');
  const members = new Map<string, unknown>(Object.entries(value));
  const attributes = new Map<string, ExtensionValue>();
  for (const [name, member] of members) {
    // JSON null means that the attribute is not set.
    if (name === 'data' || name === 'data_base64' || member === null) continue;
    if (typeof member !== 'string' && typeof member !== 'number' && typeof member !== 'boolean') {
      throw new CloudEventError(`attribute ${JSON.stringify(name.slice(0, 40))} must be a string, a number or a boolean`);
    }
    attributes.set(name, member);
  }
  return eventOf(attributes, structuredData(members, attributes.get('datacontenttype')));
}

function structuredData(members: ReadonlyMap<string, unknown>, contentType: ExtensionValue | undefined): EventData | undefined {
  const isJson = contentType === undefined || isJsonType(String(contentType));
  const encoded = members.get('data_base64') ?? undefined;
  if (encoded !== undefined) {
    if (members.has('data')) throw new CloudEventError('data and data_base64 exclude each other');
    if (typeof encoded !== 'string' || !isBase64(encoded)) throw new CloudEventError('data_base64 is not valid base64');
    const bytes = new Uint8Array(Buffer.from(encoded, 'base64'));
    return contentType !== undefined && isJson ? { kind: 'json', value: parseJson(bytes, 'data') } : { kind: 'bytes', bytes };
  }
  if (!members.has('data')) return undefined;
  const data = members.get('data');
  if (isJson) return { kind: 'json', value: data };
  if (data === null) return undefined;
  if (typeof data !== 'string') throw new CloudEventError(`data must be a string, since datacontenttype is ${String(contentType)}`);
  return { kind: 'bytes', bytes: new Uint8Array(Buffer.from(data, 'utf8')) };
}

function encodeBinary(event: CloudEvent): EncodedEvent {
  const headers: Record<string, string> = { 'ce-specversion': SPEC_VERSION };
  for (const [name, value] of attributesOf(event)) {
    if (name !== 'datacontenttype') headers[`ce-${name}`] = encodeHeaderValue(String(value));
  }
  if (event.datacontenttype !== undefined) headers['content-type'] = event.datacontenttype;
  if (event.data === undefined) return { headers, body: undefined };
  return { headers, body: event.data.kind === 'json' ? Buffer.from(JSON.stringify(event.data.value)) : event.data.bytes };
}

function encodeStructured(event: CloudEvent): EncodedEvent {
  const members: [string, unknown][] = [['specversion', SPEC_VERSION], ...attributesOf(event)];
  const { data, datacontenttype } = event;
  if (data?.kind === 'json') members.push(['data', data.value]);
  else if (data !== undefined) {
    const text = datacontenttype?.startsWith('text/') === true ? textOfBytes(data.bytes) : undefined;
    members.push(text === undefined ? ['data_base64', Buffer.from(data.bytes).toString('base64')] : ['data', text]);
  }
  // Without a charset, which JSON does not need: readers built on the npm SDK refuse the header with one.
  return { headers: { 'content-type': 'application/cloudevents+json' }, body: Buffer.from(JSON.stringify(Object.fromEntries(members))) };
}

/** Essence in lower case, and the charset: UTF-8 if none is given or it is a subset. */
function mediaType(contentType: string): { essence: string; charset: string } {
  const [essence = '', ...parameters] = contentType.split(';').map((part) => part.trim());
  const charset = parameters.find((parameter) => /^charset\s*=/i.test(parameter))?.replace(/^charset\s*=\s*/i, '').replace(/^"(.*)"$/, '$1').toLowerCase();
  return { essence: essence.toLowerCase(), charset: charset === undefined || charset === 'us-ascii' || charset === 'utf8' ? 'utf-8' : charset };
}

/** Buffer would skip what is not base64, and so change the data without a word. */
const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
