/** A sink that answers as it likes, before or after it has stored what came: the worst that at-least-once delivery must stand. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { deliveryOf, type Delivery } from '../../hack/demo/sink.ts';
import { seededRandom, type Random } from '../../hack/sim/common/random.ts';

/** What a request meets, with its share of all in percent. */
const SHARES = {
  'accepts': 69,
  'answers 500': 10,
  /** With Retry-After. */
  'answers 429': 5,
  'hangs up': 13,
  /** Never answers: the sender gives up after its time-out, and does not know. */
  'is silent': 3,
} as const;

export type Mood = keyof typeof SHARES;
export const MOODS = Object.keys(SHARES) as Mood[];

/** Of a throttled request, in seconds. */
const RETRY_AFTER = '1';

export interface MoodySinkOptions {
  readonly seed: string;
  /** Silences in all; each costs its object the 30 s of the sender's time-out. @default no limit */
  readonly maxSilences?: number | undefined;
}

export class MoodySink {
  /** What is stored, repeats included, in the order of arrival: also what was answered with a failure after that. */
  readonly deliveries: Delivery[] = [];
  /** Requests that met each mood, by `MOOD, before|after it stored the event`. */
  readonly met = new Map<string, number>();
  /** Requests that were no event of ours, with what is wrong. */
  readonly strangers: string[] = [];
  readonly #server = createServer((request, response) => void this.#take(request, response));
  readonly #random: Random;
  #silencesLeft: number;

  private constructor({ seed, maxSilences = Infinity }: MoodySinkOptions) {
    this.#random = seededRandom(`sink/${seed}`);
    this.#silencesLeft = maxSilences;
  }

  static async start(options: MoodySinkOptions): Promise<MoodySink> {
    const sink = new MoodySink(options);
    sink.#server.listen(0, '127.0.0.1');
    await once(sink.#server, 'listening');
    return sink;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('the sink does not listen on a TCP port');
    return `http://127.0.0.1:${address.port}/`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request).catch(() => undefined);
    // The sender was killed within its request.
    if (body === undefined) return;
    const mood = this.#mood();
    const stores = mood === 'accepts' || this.#random() < 0.5;
    const what = mood === 'accepts' ? mood : `${mood}, ${stores ? 'after' : 'before'} it stored the event`;
    this.met.set(what, (this.met.get(what) ?? 0) + 1);
    try {
      const delivery = deliveryOf(request.headers, body.toString('utf8'));
      if (stores) this.deliveries.push(delivery);
    } catch (error) {
      this.strangers.push(error instanceof Error ? error.message : String(error));
    }
    switch (mood) {
      case 'accepts':
        response.writeHead(202).end();
        return;
      case 'answers 500':
        response.writeHead(500).end();
        return;
      case 'answers 429':
        response.writeHead(429, { 'retry-after': RETRY_AFTER }).end();
        return;
      case 'hangs up':
        response.destroy();
        return;
      case 'is silent':
        return;
    }
  }

  #mood(): Mood {
    let left = this.#random() * 100;
    const mood = MOODS.find((one) => (left -= SHARES[one]) < 0) ?? 'accepts';
    if (mood !== 'is silent') return mood;
    this.#silencesLeft -= 1;
    return this.#silencesLeft >= 0 ? mood : 'accepts';
  }
}
