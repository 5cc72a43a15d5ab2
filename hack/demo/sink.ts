/** Where the demo's CloudEvents go: a server that takes them all and remembers what came, repeats included. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { HTTP } from 'cloudevents';
import { z } from 'zod';

// The npm SDK reads what the controller's own codec has written: a second opinion on the wire format.
const received = z.looseObject({
  id: z.string(),
  source: z.string(),
  type: z.string(),
  subject: z.string(),
  time: z.string(),
  sequence: z.string().regex(/^\d{10}$/),
  data: z.record(z.string(), z.unknown()),
});

/** One request that brought an event; a re-send makes another. */
export interface Delivery {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  /** Position among the events of the source, from 1. */
  readonly sequence: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** Everything of the request that is the event's: must be the same on each re-send. */
  readonly bytes: string;
}

export interface Sink {
  /** Value for CLOUDEVENTS_SINK_URL. */
  readonly url: string;
  /** In the order of their arrival; grows. */
  readonly deliveries: readonly Delivery[];
  close(): Promise<void>;
}

/**
 * Starts the server on a free port of 127.0.0.1. What is no event with our envelope is refused with 400 and remembered as
 * nothing: the sender parks it, and the sequence that the demo checks has a gap.
 */
export async function startSink(): Promise<Sink> {
  const deliveries: Delivery[] = [];
  const server = createServer((request, response) => void take(request, response, deliveries));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the sink does not listen on a TCP port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    deliveries,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function take(request: IncomingMessage, response: ServerResponse, deliveries: Delivery[]): Promise<void> {
  try {
    deliveries.push(deliveryOf(request.headers, (await buffer(request)).toString('utf8')));
    response.writeHead(202).end();
  } catch (error) {
    response.writeHead(400, { 'content-type': 'text/plain' }).end(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Reads a request.
 * @throws Error when it is not a CloudEvent, or lacks what ours always have
 */
export function deliveryOf(headers: IncomingMessage['headers'], body: string): Delivery {
  const { id, source, type, subject, sequence, data } = received.parse(HTTP.toEvent({ headers, body }));
  const attributes = Object.entries(headers).filter(([name]) => name.startsWith('ce-') || name === 'content-type').sort();
  return { id, source, type, subject, sequence: Number(sequence), data, bytes: JSON.stringify([attributes, body]) };
}
