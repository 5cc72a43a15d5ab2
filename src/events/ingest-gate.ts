/** How much is taken in at a time: what cannot be served now is refused before its body is looked at. */
import { refuse } from './ingest-answer.ts';
import type { Request, RequestHandler } from 'express';

export interface GateOptions {
  /** False until the caches are filled. */
  readonly isReady: () => boolean;
  /** Requests at a time. */
  readonly maxConcurrent: number;
  /** Bytes of bodies at a time; a body without a declared length counts as the longest. */
  readonly maxBytes: number;
  /** The longest body. */
  readonly bodyMaxBytes: number;
  /** Told of each request that is not let in. */
  readonly turnedAway: (why: TurnedAway) => void;
}

/** Why a request was answered before anybody looked for an event in it; one word for the metric. */
export type TurnedAway = 'not_ready' | 'too_many' | 'not_admitted';

export class Gate {
  /** From now on everything is refused. */
  closing = false;
  #open = 0;
  #bytes = 0;
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  readonly pass: RequestHandler = (request, response, next) => {
    const later = (status: 429 | 503, why: string): void => {
      this.#options.turnedAway(status === 429 ? 'too_many' : 'not_ready');
      // The body is read off, or the answer could be lost in the reset of the connection.
      request.resume();
      refuse(response, { status, message: `${why}; send it again`, retryAfter: 1 });
    };
    const { isReady, maxConcurrent, maxBytes, bodyMaxBytes } = this.#options;
    const bytes = Math.min(declaredLength(request) ?? bodyMaxBytes, bodyMaxBytes);
    if (this.closing) later(503, 'shutting down');
    else if (!isReady()) later(503, 'starting');
    else if (this.#open >= maxConcurrent || this.#bytes + bytes > maxBytes) later(429, 'too many requests at a time');
    else {
      this.#open += 1;
      this.#bytes += bytes;
      response.once('close', () => {
        this.#open -= 1;
        this.#bytes -= bytes;
      });
      next();
    }
  };
}

/** Node's parser has refused a length that is no number. A request with neither header has no body. */
function declaredLength({ headers }: Request): number | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined;
  return Number(headers['content-length'] ?? 0);
}
