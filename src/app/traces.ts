/** Traces as OpenTelemetry's own variables want them; off unless one of them says otherwise. */
import { otlpTracer } from '../telemetry/otlp.ts';
import { noTracer } from '../telemetry/tracer.ts';
import { readProxies } from './proxies.ts';
import { VERSION } from './version.ts';
import type { OtlpOptions } from '../telemetry/otlp.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracer } from '../telemetry/tracer.ts';
import type { ProxyVariables } from './proxies.ts';
import type { TraceVariables } from './trace-config.ts';

type Variables = TraceVariables & ProxyVariables & { readonly POD_NAMESPACE: string };

const SERVICE = 'lablet-controller';
/** Where a collector on the same host listens, by the specification. */
const LOCAL_COLLECTOR = 'http://localhost:4318';

/**
 * What the variables ask for; undefined: no traces. They are on where an endpoint is named, or OTEL_TRACES_EXPORTER=otlp.
 * @param instance who this process is among the replicas
 */
export function traceOptions(config: Variables, instance: string): Pick<OtlpOptions, 'url' | 'headers' | 'proxyEnv' | 'ratio' | 'resource'> | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole } = config;
  const isWanted = (config.OTEL_TRACES_EXPORTER ?? (base === undefined && whole === undefined ? 'none' : 'otlp')) === 'otlp';
  const ratio = ratioOf(config);
  if (config.OTEL_SDK_DISABLED || !isWanted || ratio === 0) return undefined;
  return {
    url: whole ?? `${(base ?? LOCAL_COLLECTOR).replace(/\/+$/, '')}/v1/traces`,
    headers: config.OTEL_EXPORTER_OTLP_HEADERS, proxyEnv: readProxies(config).proxyEnv, ratio,
    resource: {
      'service.name': SERVICE, 'service.version': VERSION, 'service.instance.id': instance, 'k8s.namespace.name': config.POD_NAMESPACE,
      ...config.OTEL_RESOURCE_ATTRIBUTES, ...(config.OTEL_SERVICE_NAME === undefined ? {} : { 'service.name': config.OTEL_SERVICE_NAME }),
    },
  };
}

/** The trace of a session has no parent, so that a sampler that goes by the parent does as its root. */
function ratioOf({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: share }: Variables): number {
  if (sampler.endsWith('always_off')) return 0;
  return sampler.endsWith('traceidratio') ? share : 1;
}

export async function openTracer(config: Variables, instance: string, { log, metrics }: { log: Logger; metrics: Metrics }): Promise<Tracer> {
  const options = traceOptions(config, instance);
  if (!options) return noTracer;
  const { origin, pathname } = new URL(options.url);
  log.info({ collector: `${origin}${pathname}`, ratio: options.ratio }, 'traces are on');
  return otlpTracer({ ...options, log, sent: (spans, isDelivered) => metrics.traceSpans.inc({ result: isDelivered ? 'delivered' : 'lost' }, spans) });
}
