/** JSON from strangers: UTF-8 only, bounded in depth, and never a SyntaxError. */
import { CloudEventError } from './cloudevent.ts';

/** Deeper than any data that we know of; what walks parsed data recursively is safe up to here. */
const DEPTH_MAX = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws CloudEventError (400) if the bytes are not UTF-8 or not JSON, or too deep */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new CloudEventError(`${what} is not valid UTF-8`);
  }
  if (depthOf(text) > DEPTH_MAX) throw new CloudEventError(`${what} is nested deeper than ${DEPTH_MAX} levels`);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CloudEventError(`${what} is not valid JSON`);
  }
}

/** The bytes as text, or undefined if they are not UTF-8. */
export function textOfBytes(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Deepest nesting, without parsing: parsing is what must not run out of stack. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === '\\') i++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth--;
  }
  return deepest;
}
