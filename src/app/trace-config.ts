/** OpenTelemetry's variables, as far as they are ours to read: its exporter takes OTEL_EXPORTER_OTLP_{COMPRESSION,CERTIFICATE} from the environment itself. */
import { z } from 'zod';

/** `name=value, name=value`, values percent-encoded where they need to be, as W3C Baggage has it. */
const pairs = z.string().transform((text, context) => {
  const found: Record<string, string> = {};
  for (const pair of text.split(',').map((item) => item.trim()).filter(Boolean)) {
    const at = pair.indexOf('=');
    try {
      if (at < 1) throw new URIError();
      found[pair.slice(0, at).trim()] = decodeURIComponent(pair.slice(at + 1).trim());
    } catch {
      // The value may be a credential: only its name is told.
      context.addIssue(`write NAME=VALUE, NAME=VALUE with % , and = in values percent-encoded; "${at < 1 ? '…' : pair.slice(0, at)}" is not so`);
    }
  }
  return found;
});
const httpUrl = z.string().regex(/^https?:\/\/[^\s]+$/, 'must be an http or https URL such as http://collector:4318');

export const traceVariables = {
  OTEL_SDK_DISABLED: z.string().default('false').transform((text) => text.toLowerCase() === 'true'),
  OTEL_TRACES_EXPORTER: z.enum(['none', 'otlp']).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: pairs.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: z.enum(['http/json', 'http/protobuf'], 'must be http/json: traces go over HTTP (port 4318 of a collector), not over gRPC').optional(),
  OTEL_SERVICE_NAME: z.string().max(255).optional(),
  OTEL_RESOURCE_ATTRIBUTES: pairs.optional(),
  OTEL_TRACES_SAMPLER: z.enum(['always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio']).default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
};

export type TraceVariables = z.output<z.ZodObject<typeof traceVariables>>;
