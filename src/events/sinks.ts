/** Where events go: the sinks that the configuration names. */
import { z } from 'zod';
import { HttpSink } from './sink-http.ts';
import type { ContentMode } from './codec.ts';
import type { Sink } from './sink.ts';

/** The configuration names something that is no sink; the message says what to write. */
export class SinkConfigurationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SinkConfigurationError';
  }
}

export interface SinkSettings {
  /** CLOUDEVENTS_SINK_URL: one or several, comma-separated. */
  readonly urls?: string | undefined;
  /** CLOUDEVENTS_MODE. @default binary */
  readonly mode?: ContentMode | undefined;
  /** What a Knative SinkBinding injects: K_SINK (used if there are no urls), K_CE_OVERRIDES, K_CA_CERTS, and its token file. */
  readonly kSink?: string | undefined;
  readonly kCeOverrides?: string | undefined;
  readonly kCaCerts?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** Time for one request, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined;
}

const TOKEN_FILE = '/oidc/token';

/**
 * The sinks that the settings name, none if they name none: then nothing is emitted.
 * @throws SinkConfigurationError
 */
export function createSinks(settings: SinkSettings): Sink[] {
  const urls = settings.urls?.split(',').map((url) => url.trim()).filter(Boolean) ?? [];
  const bound = settings.kSink === undefined || settings.kSink === '' ? [] : [settings.kSink];
  const extensions = overrides(settings.kCeOverrides);
  return (urls.length > 0 ? urls : bound).map((text) => new HttpSink({
    url: httpUrl(text),
    mode: settings.mode ?? 'binary',
    extensions,
    ca: settings.kCaCerts,
    // The token is meant for the sink of the binding, and for nobody else.
    tokenFile: urls.length > 0 ? undefined : settings.tokenFile ?? TOKEN_FILE,
    timeoutMs: settings.timeoutMs,
  }));
}

function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    const shown = text.replace(/\/\/[^@/]*@/, '//…@').replace(/\?.*/, '?…').slice(0, 200);
    throw new SinkConfigurationError(`sink '${shown}': give a URL that begins with http:// or https:// (CLOUDEVENTS_SINK_URL or K_SINK)`);
  }
  return url;
}

const overridesSchema = z.object({ extensions: z.record(z.string().regex(/^[a-z0-9]{1,20}$/), z.string().min(1)).optional() });

function overrides(text: string | undefined): ReadonlyMap<string, string> {
  if (text === undefined || text === '') return new Map();
  try {
    return new Map(Object.entries(overridesSchema.parse(JSON.parse(text)).extensions ?? {}));
  } catch (cause) {
    throw new SinkConfigurationError('K_CE_OVERRIDES: give {"extensions":{"name":"value"}}, names of a-z and 0-9', { cause });
  }
}
