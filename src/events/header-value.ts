/**
 * Attribute values in HTTP headers. The HTTP binding percent-encodes them; of the SDKs that are in use some do
 * (C#), some neither encode nor decode (Go and so Knative, Java, JavaScript) and send raw UTF-8.
 */
import { CloudEventError } from './cloudevent.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NEEDS_ENCODING = /[^\u0021-\u007e]|["%]/u;

/** Percent-encodes space, `"`, `%` and all outside of U+0021 to U+007E. @throws URIError for a lone surrogate */
export function encodeHeaderValue(value: string): string {
  return NEEDS_ENCODING.test(value) ? value.replace(/[^\u0021-\u007e]|["%]/gu, (character) => percentEncoded(character)) : value;
}

/**
 * The value that a sender meant. Node hands headers over as Latin-1, so raw UTF-8 is recovered first; then quotes are
 * taken off, then one round of percent-decoding, unless a `%` stands alone: then the sender did not encode at all.
 * @param raw as in `rawHeaders`
 * @throws CloudEventError if the bytes are not UTF-8
 */
export function decodeHeaderValue(name: string, raw: string): string {
  const text = /[\u0080-\u00ff]/.test(raw) ? fromBytes(name, Buffer.from(raw, 'latin1')) : raw;
  const unquoted = unquote(text);
  if (!unquoted.includes('%') || /%(?![0-9A-Fa-f]{2})/.test(unquoted)) return unquoted;
  const bytes = unquoted.replace(/%([0-9A-Fa-f]{2})|[^%]+/g, (part, hex: string | undefined) => (hex === undefined ? Buffer.from(part, 'utf8').toString('latin1') : String.fromCharCode(parseInt(hex, 16))));
  return fromBytes(name, Buffer.from(bytes, 'latin1'));
}

/** A well-formed quoted-string (RFC 9110) without its quotes; anything else as it is. */
function unquote(text: string): string {
  return /^"(?:[^"\\]|\\.)*"$/.test(text) ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;
}

function percentEncoded(character: string): string {
  return character.length === 1 && character < '\u0080'
    ? `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
    : encodeURIComponent(character);
}

function fromBytes(name: string, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new CloudEventError(`header ${name} is not valid UTF-8`);
  }
}
