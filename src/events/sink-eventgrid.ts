/**
 * Azure Event Grid, as its own SDKs speak to it (test/unit/events/eventgrid-wire.test.ts compares the requests).
 * What it takes in one request is 1 MB, far above any event of ours; a 413 is a refusal like any other.
 */
import { encodeEvent } from './codec.ts';
import { HttpPost } from './http-post.ts';
import { SinkConfigurationError } from './sink.ts';
import type { CloudEvent } from './cloudevent.ts';
import type { EncodedEvent } from './codec.ts';
import type { HttpPostOptions } from './http-post.ts';
import type { Delivery, Sink } from './sink.ts';

export interface EventGridOptions extends Omit<HttpPostOptions, 'url'> {
  /** `eventgrid+https://TOPIC.REGION.eventgrid.azure.net/api/events`, or `eventgridns+https://NAMESPACE.REGION.eventgrid.azure.net/topics/NAME`. */
  readonly url: URL;
  /** EVENTGRID_KEY: access key of the topic or of the namespace. */
  readonly key: string | undefined;
}

/** How events go to one of the two kinds of topic. */
interface Dialect {
  readonly apiVersion: string;
  /** Checks the path and completes it. */
  readonly path: (given: string) => string | undefined;
  readonly pathExample: string;
  /** Name and value of the header that authorises. */
  readonly authorise: (key: string) => [string, string];
  readonly encode: (event: CloudEvent) => EncodedEvent;
}

const CHARSET = '; charset=utf-8';

/** A custom topic takes batches only, hence an array of one. */
const customTopic: Dialect = {
  apiVersion: '2018-01-01',
  path: (given) => (given === '' || given === '/' ? '/api/events' : given),
  pathExample: '/api/events',
  authorise: (key) => ['aeg-sas-key', key],
  encode: (event) => {
    const { body } = encodeEvent(event, 'structured');
    return { headers: { 'content-type': `application/cloudevents-batch+json${CHARSET}` }, body: Buffer.concat([Buffer.from('['), body ?? new Uint8Array(), Buffer.from(']')]) };
  },
};

const namespaceTopic: Dialect = {
  apiVersion: '2024-06-01',
  path: (given) => {
    const name = /^\/topics\/([A-Za-z0-9-]{1,128})(?::publish)?$/.exec(given)?.[1];
    return name === undefined ? undefined : `/topics/${name}:publish`;
  },
  pathExample: '/topics/NAME',
  authorise: (key) => ['authorization', `SharedAccessKey ${key}`],
  encode: (event) => ({ ...encodeEvent(event, 'structured'), headers: { 'content-type': `application/cloudevents+json${CHARSET}` } }),
};

const DIALECTS: Readonly<Record<string, Dialect>> = { eventgrid: customTopic, eventgridns: namespaceTopic };

export const isEventGrid = (url: URL): boolean => /^eventgrid(?:ns)?\+https?:$/.test(url.protocol);

export class EventGridSink implements Sink {
  readonly name: string;
  readonly #encode: Dialect['encode'];
  readonly #authorisation: [string, string];
  readonly #post: HttpPost;

  /** @throws SinkConfigurationError */
  constructor({ url, key, ...options }: EventGridOptions) {
    const [kind = '', protocol = ''] = url.protocol.slice(0, -1).split('+');
    const dialect = DIALECTS[kind] ?? customTopic;
    const target = new URL(`${protocol}://${url.host}${url.search}`);
    const path = dialect.path(url.pathname);
    this.name = `${kind}+${target.origin}${path ?? url.pathname}`;
    if (path === undefined) throw new SinkConfigurationError(`sink '${this.name}': its path must be like ${dialect.pathExample}`);
    if (url.username !== '' || url.searchParams.has('aeg-sas-key')) throw new SinkConfigurationError(`sink '${this.name}': give the key in EVENTGRID_KEY and not in the URL`);
    if (key === undefined || key === '') throw new SinkConfigurationError(`sink '${this.name}': it needs EVENTGRID_KEY, the access key of the topic or namespace`);
    if (protocol === 'http' && !isLoopback(target.hostname)) throw new SinkConfigurationError(`sink '${this.name}': over http the key would be readable on the way; use ${kind}+https`);
    target.pathname = path;
    if (!target.searchParams.has('api-version')) target.searchParams.set('api-version', dialect.apiVersion);
    this.#encode = dialect.encode;
    this.#authorisation = dialect.authorise(key.trim());
    this.#post = new HttpPost({ ...options, url: target });
  }

  send(event: CloudEvent, signal: AbortSignal): Promise<Delivery> {
    const { headers, body } = this.#encode(event);
    const [name, value] = this.#authorisation;
    return this.#post.send({ headers: { ...headers, [name]: value }, body }, signal);
  }

  close(): Promise<void> {
    return this.#post.close();
  }
}

const isLoopback = (hostname: string): boolean => hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
