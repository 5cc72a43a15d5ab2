/** Where events go: the sinks that the configuration names, by the scheme of their URLs. */
import { bindingOptions } from './sink-binding.ts';
import { EventBridgeSink } from './sink-eventbridge.ts';
import { EventGridSink, isEventGrid } from './sink-eventgrid.ts';
import { FileSink } from './sink-file.ts';
import { HttpSink } from './sink-http.ts';
import { SinkConfigurationError } from './sink.ts';
import type { ContentMode } from './codec.ts';
import type { SinkBinding } from './sink-binding.ts';
import type { Sink } from './sink.ts';

export interface SinkSettings {
  /** CLOUDEVENTS_SINK_URL: one or several, comma-separated. A comma inside a URL is written %2C. */
  readonly urls?: string | undefined;
  /** CLOUDEVENTS_MODE, for http and https. @default binary */
  readonly mode?: ContentMode | undefined;
  /** What a Knative SinkBinding injects. Its sink is used if there are no urls; the rest is for that sink alone. */
  readonly binding?: SinkBinding | undefined;
  /** EVENTGRID_KEY, for every Event Grid sink. */
  readonly eventGridKey?: string | undefined;
  /** Time for one request, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined;
  /** The HTTP proxy that leads to a URL. @default none */
  readonly proxyFor?: ((url: URL) => string | undefined) | undefined;
  /** The same as variables, for the agents of Node that the SDK of AWS speaks through. @default none */
  readonly proxyEnv?: Readonly<Record<string, string>> | undefined;
}

const FORMS = 'http://…, https://…, eventgrid+https://…, eventgridns+https://…, eventbridge://REGION/BUS or file:///PATH';

/**
 * The sinks that the settings name, none if they name none: then nothing is emitted.
 * @throws SinkConfigurationError
 */
export function createSinks(settings: SinkSettings): Sink[] {
  const { urls = '', mode = 'binary', binding, timeoutMs, proxyFor } = settings;
  const named = urls.split(',').map((text) => text.trim()).filter(Boolean);
  const twice = named.find((text, index) => named.indexOf(text) !== index);
  if (twice !== undefined) throw new SinkConfigurationError(`sink '${shown(twice)}' is named twice: every event would arrive twice`);
  if (named.length > 0) return distinct(named.map((text) => createSink(text, settings)));
  if (binding?.sink === undefined || binding.sink === '') return [];
  const url = parsed(binding.sink, 'K_SINK', 'http://… or https://…');
  if (!isHttp(url)) throw wrong(binding.sink, 'K_SINK', 'http://… or https://…');
  return [new HttpSink({ url, mode, timeoutMs, proxyFor, ...bindingOptions(binding) })];
}

/** The one sink of CLOUDEVENTS_DEAD_LETTER_URL, of any kind that `createSinks` knows. @throws SinkConfigurationError */
export function createDeadLetter(url: string | undefined, settings: Omit<SinkSettings, 'urls' | 'binding'>): Sink | undefined {
  const sinks = createSinks({ ...settings, urls: url });
  if (sinks.length > 1) throw new SinkConfigurationError('CLOUDEVENTS_DEAD_LETTER_URL: give one URL; a comma in it is written %2C');
  return sinks[0];
}

function createSink(text: string, { mode = 'binary', eventGridKey, timeoutMs, proxyFor, proxyEnv }: SinkSettings): Sink {
  const url = parsed(text, 'CLOUDEVENTS_SINK_URL', FORMS);
  if (isHttp(url)) return new HttpSink({ url, mode, timeoutMs, proxyFor });
  if (isEventGrid(url)) return new EventGridSink({ url, key: eventGridKey, timeoutMs, proxyFor });
  if (url.protocol === 'eventbridge:') return new EventBridgeSink({ url, timeoutMs, proxyEnv });
  // `file:events.jsonl` would be read as /events.jsonl.
  if (url.protocol === 'file:' && text.startsWith('file:/')) return new FileSink(url);
  throw wrong(text, 'CLOUDEVENTS_SINK_URL', FORMS);
}

function parsed(text: string, variable: string, forms: string): URL {
  if (!URL.canParse(text)) throw wrong(text, variable, forms);
  return new URL(text);
}

const isHttp = ({ protocol }: URL): boolean => protocol === 'http:' || protocol === 'https:';

const wrong = (text: string, variable: string, forms: string): SinkConfigurationError => new SinkConfigurationError(`sink '${shown(text)}': write ${forms} (${variable})`);

/** Without what may be secret in it. */
const shown = (text: string): string => text.replace(/\/\/.*@/s, '//…@').replace(/[?#].*/s, '?…').slice(0, 200);

/** Names tell sinks apart in metrics and messages: URLs that differ in their queries only get a number. */
function distinct(sinks: readonly Sink[]): Sink[] {
  return sinks.map((sink, index) => {
    const before = sinks.slice(0, index).filter(({ name }) => name === sink.name).length;
    return before === 0 ? sink : { name: `${sink.name} (${before + 1})`, send: (event, signal) => sink.send(event, signal), close: () => sink.close() };
  });
}
