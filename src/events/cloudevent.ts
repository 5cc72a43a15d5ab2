/** A CloudEvent (v1.0.2) in memory, and the rules that its attributes obey whichever way they came. */

export const SPEC_VERSION = '1.0';

/** JSON data as a value (null, false, 0 and '' are data too), anything else as its bytes. */
export type EventData =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/** Boolean, Integer (32 bit) or String; the binary mode knows strings only. */
export type ExtensionValue = string | number | boolean;

export interface CloudEvent {
  readonly id: string;
  /** URI-reference. */
  readonly source: string;
  readonly type: string;
  readonly subject?: string | undefined;
  /** RFC 3339, with as many digits as the sender wrote. */
  readonly time?: string | undefined;
  readonly datacontenttype?: string | undefined;
  /** Absolute URI. */
  readonly dataschema?: string | undefined;
  /** A Map, since a sender chooses the names: `constructor` is a legal one. */
  readonly extensions: ReadonlyMap<string, ExtensionValue>;
  /** Absent: the event has no data. */
  readonly data?: EventData | undefined;
}

/** What was received is not an event that we can take; sending it again is of no use. */
export class CloudEventError extends Error {
  /** HTTP status of the answer: 400 malformed, 413 too large, 415 a format or charset that is not supported. */
  readonly status: 400 | 413 | 415;
  constructor(message: string, status: 400 | 413 | 415 = 400) {
    super(message);
    this.name = 'CloudEventError';
    this.status = status;
  }
}

/** Longest value of one attribute, in characters. */
const VALUE_MAX = 8192;
const EXTENSIONS_MAX = 64;

const NAME = /^[a-z0-9]{1,64}$/;
const FORBIDDEN_TEXT = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;
const URI_REFERENCE = /^[^\s<>"{}|\\^`]+$/;
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^`]+$/;
const MEDIA_TYPE = /^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+(?:[ \t]*;.*)?$/;
const TIMESTAMP = /^(\d{4}-(\d{2})-(\d{2}))[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

const optional = new Set(['subject', 'time', 'datacontenttype', 'dataschema']);
const required = ['id', 'source', 'type'] as const;

/**
 * Builds an event from attributes by name, in whatever order and from whatever format they came.
 * @throws CloudEventError (400) naming the first attribute that is missing or wrong
 */
export function eventOf(attributes: ReadonlyMap<string, ExtensionValue>, data: EventData | undefined): CloudEvent {
  const context = new Map<string, string>();
  const extensions = new Map<string, ExtensionValue>();
  for (const [name, value] of attributes) {
    if (!NAME.test(name)) throw new CloudEventError(`attribute name '${shown(name)}': only a-z and 0-9 are allowed, at most 64 of them`);
    checkText(name, value);
    if (name === 'specversion') continue;
    if (optional.has(name) || (required as readonly string[]).includes(name)) context.set(name, textOf(name, value));
    else if (name === 'data') throw new CloudEventError("'data' is not a name for an attribute");
    else extensions.set(name, value);
  }
  const version = attributes.get('specversion');
  if (version !== SPEC_VERSION) throw new CloudEventError(version === undefined ? 'specversion is missing' : `specversion '${shown(version)}' is not supported; send ${SPEC_VERSION}`);
  if (extensions.size > EXTENSIONS_MAX) throw new CloudEventError(`more than ${EXTENSIONS_MAX} extension attributes`);
  const [id, source, type] = required.map((name) => context.get(name) ?? missing(name)) as [string, string, string];
  check('source', source, isUriReference(source), 'a URI-reference');
  const { subject, time, datacontenttype, dataschema } = Object.fromEntries(context) as Partial<Record<string, string>>;
  check('time', time, time === undefined || isTimestamp(time), 'an RFC 3339 time with a zone');
  check('datacontenttype', datacontenttype, datacontenttype === undefined || MEDIA_TYPE.test(datacontenttype), 'a media type');
  check('dataschema', dataschema, dataschema === undefined || ABSOLUTE_URI.test(dataschema), 'an absolute URI');
  return { id, source, type, subject, time, datacontenttype, dataschema, extensions, data };
}

/** All attributes but specversion, in the order in which we write them. */
export function attributesOf(event: CloudEvent): [name: string, value: ExtensionValue][] {
  const { id, source, type, subject, time, datacontenttype, dataschema } = event;
  const context: [string, string | undefined][] = [['id', id], ['source', source], ['type', type], ['subject', subject], ['time', time], ['datacontenttype', datacontenttype], ['dataschema', dataschema]];
  return [...context.filter((pair): pair is [string, string] => pair[1] !== undefined), ...event.extensions];
}

/** Does this media type say JSON (`application/json`, `text/json`, `application/problem+json; charset=…`)? */
export function isJsonType(mediaType: string): boolean {
  const essence = mediaType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return essence.endsWith('/json') || essence.endsWith('+json');
}

/** Is `source` our own base, or a path below it? */
export const isUnder = (base: string, source: string): boolean => source === base || source.startsWith(`${base.replace(/\/$/, '')}/`);

export const isUriReference = (text: string): boolean => URI_REFERENCE.test(text);

function isTimestamp(text: string): boolean {
  const match = TIMESTAMP.exec(text);
  if (!match) return false;
  const [month, day, hour, minute, second] = match.slice(2).map(Number) as [number, number, number, number, number];
  const exists = new Date(`${match[1] ?? ''}T00:00:00Z`).getUTCDate() === day;
  return exists && month >= 1 && hour <= 23 && minute <= 59 && second <= 60;
}

function checkText(name: string, value: ExtensionValue): void {
  if (typeof value === 'number' && (!Number.isInteger(value) || Math.abs(value) > 2 ** 31)) {
    throw new CloudEventError(`attribute ${name}: numbers must be integers of 32 bits`);
  }
  if (typeof value !== 'string') return;
  if (value === '') throw new CloudEventError(`attribute ${name} is empty; leave it out instead`);
  if (value.length > VALUE_MAX) throw new CloudEventError(`attribute ${name} is longer than ${VALUE_MAX} characters`);
  if (FORBIDDEN_TEXT.test(value)) throw new CloudEventError(`attribute ${name} holds a control character or is no valid Unicode`);
}

function textOf(name: string, value: ExtensionValue): string {
  if (typeof value !== 'string') throw new CloudEventError(`attribute ${name} must be a string`);
  return value;
}

function check(name: string, value: string | undefined, holds: boolean, what: string): void {
  if (!holds) throw new CloudEventError(`attribute ${name} '${shown(value ?? '')}' is not ${what}`);
}

function missing(name: string): never {
  throw new CloudEventError(`attribute ${name} is missing`);
}

/** At most 40 characters, and no control characters: it goes into an answer and a log. */
const shown = (value: ExtensionValue): string => JSON.stringify(String(value).slice(0, 40)).slice(1, -1);
