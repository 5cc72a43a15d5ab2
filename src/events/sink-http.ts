/** A sink behind http(s): a Knative broker, or anything that takes CloudEvents by POST. */
import { readFile } from 'node:fs/promises';
import { encodeEvent } from './codec.ts';
import { HttpPost } from './http-post.ts';
import { errorCode } from './sink.ts';
import type { CloudEvent } from './cloudevent.ts';
import type { ContentMode } from './codec.ts';
import type { HttpPostOptions } from './http-post.ts';
import type { Delivery, Sink } from './sink.ts';

export interface HttpSinkOptions extends HttpPostOptions {
  /** User and password in the URL are sent as Basic. */
  readonly url: URL;
  readonly mode: ContentMode;
  /** Set on every event, over what it carries (K_CE_OVERRIDES). */
  readonly extensions?: ReadonlyMap<string, string> | undefined;
  /** File with a bearer token, read anew for each request since it is rotated; one that is not there means no token. */
  readonly tokenFile?: string | undefined;
}

export class HttpSink implements Sink {
  readonly name: string;
  readonly #options: HttpSinkOptions;
  readonly #post: HttpPost;
  readonly #credentials: string | undefined;

  constructor(options: HttpSinkOptions) {
    const { url } = options;
    this.#options = options;
    this.name = `${url.origin}${url.pathname}`;
    this.#credentials = url.username === '' ? undefined : `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`;
    this.#post = new HttpPost(options);
  }

  async send(event: CloudEvent, signal: AbortSignal): Promise<Delivery> {
    const { mode, extensions, tokenFile } = this.#options;
    let authorization: string | undefined;
    try {
      authorization = await this.#authorization();
    } catch (error) {
      return { outcome: 'retry', reason: `the token in ${tokenFile ?? ''} cannot be read (${errorCode(error) ?? 'unknown cause'})`, blamesSink: false };
    }
    const { headers, body } = encodeEvent(extensions?.size ? { ...event, extensions: new Map([...event.extensions, ...extensions]) } : event, mode);
    return this.#post.send({ headers: authorization === undefined ? headers : { ...headers, authorization }, body }, signal);
  }

  close(): Promise<void> {
    return this.#post.close();
  }

  async #authorization(): Promise<string | undefined> {
    const { tokenFile } = this.#options;
    if (tokenFile === undefined) return this.#credentials;
    try {
      return `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return this.#credentials;
      throw error;
    }
  }
}
