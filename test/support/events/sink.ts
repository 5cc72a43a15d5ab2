import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseRequest } from '../../../src/events/codec.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';

/** One request as it arrived. */
export interface Arrival {
  readonly event: CloudEvent;
  /** id, type and all other headers that are the event's, and the body: what must be the same on a re-send. */
  readonly bytes: string;
  readonly headers: IncomingMessage['headers'];
}

/** What the sink does with a request after it has read it. */
export type Reaction = (response: ServerResponse, arrival: Arrival) => void;

export const answer = (status: number, headers: Record<string, string> = {}): Reaction => (response) => void response.writeHead(status, headers).end();
/** Takes the event and hangs up without an answer. */
export const hangUp: Reaction = (response) => void response.destroy();
/** Takes the event and never answers. */
export const silence: Reaction = () => undefined;
/** Answers like a cloud service: 200 with a body. */
export const chatty: Reaction = (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');

/** A real HTTP server that takes CloudEvents. `react` says what it does, given how many requests came before. */
export class TestSink {
  readonly arrivals: Arrival[] = [];
  /** Most requests that were open at a time. */
  peak = 0;
  react: (nth: number, arrival: Arrival) => Reaction = () => answer(202);
  #open = 0;
  readonly #server = createServer((request, response) => this.#receive(request, response));

  static async start(react?: TestSink['react']): Promise<TestSink> {
    const sink = new TestSink();
    if (react) sink.react = react;
    await new Promise<void>((resolve) => sink.#server.listen(0, '127.0.0.1', resolve));
    return sink;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/sink`);
  }

  /** Sequences of one source in the order of arrival, repeats included. */
  sequences(uid: string): number[] {
    return this.arrivals.filter(({ event }) => event.source.endsWith(`/${uid}`)).map(({ event }) => Number(event.extensions.get('sequence')));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    this.#open += 1;
    this.peak = Math.max(this.peak, this.#open);
    response.once('close', () => { this.#open -= 1; });
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { events: [event] } = parseRequest({ rawHeaders: request.rawHeaders, body });
      if (!event) throw new Error('an empty batch came');
      const own = Object.entries(request.headers).filter(([name]) => name.startsWith('ce-') || name === 'content-type');
      const arrival = { event, bytes: JSON.stringify([own, body.toString('base64')]), headers: request.headers };
      this.arrivals.push(arrival);
      this.react(this.arrivals.length - 1, arrival)(response, arrival);
    });
  }
}
