/** A body has more bytes than whoever reads it is ready to take. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError';

  constructor(maxBytes: number) {
    super(`more than ${maxBytes} bytes`);
  }
}

/**
 * Reads a body to its end, but never more than `maxBytes`; a longer one is left, which ends its connection.
 * @param announced the length that the other side announced, if it did
 * @throws TooLargeError
 */
export async function readBounded(body: AsyncIterable<unknown>, maxBytes: number, announced?: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a body of bytes gave something else');
    size += chunk.byteLength;
    if (size > maxBytes || (announced ?? 0) > maxBytes) throw new TooLargeError(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
