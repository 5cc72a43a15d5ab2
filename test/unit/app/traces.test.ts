import { describe, expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '../../../src/app/config.ts';
import { traceOptions } from '../../../src/app/traces.ts';

const options = (env: Record<string, string>) => traceOptions(readConfig(env), 'pod-1');
const COLLECTOR = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' };

describe('traces are', () => {
  test.each<[string, Record<string, string>]>([
    ['where nothing is set', {}],
    ['where the exporter is none', { ...COLLECTOR, OTEL_TRACES_EXPORTER: 'none' }],
    ['where the SDK is disabled', { ...COLLECTOR, OTEL_SDK_DISABLED: 'TRUE' }],
    ['where no trace is sampled', { ...COLLECTOR, OTEL_TRACES_SAMPLER: 'parentbased_always_off' }],
    ['where a share of 0 is sampled', { ...COLLECTOR, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }],
  ])('off %s', (_, env) => {
    expect(options(env)).toBeUndefined();
  });

  test.each<[string, Record<string, string>, string]>([
    ['an endpoint, below which they are posted', COLLECTOR, 'http://collector:4318/v1/traces'],
    ['an endpoint for traces alone, taken as it is', { ...COLLECTOR, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example.org/in' }, 'https://traces.example.org/in'],
    ['the exporter, to a collector beside us', { OTEL_TRACES_EXPORTER: 'otlp' }, 'http://localhost:4318/v1/traces'],
  ])('on by %s', (_, env, url) => {
    expect(options(env)).toMatchObject({ url, ratio: 1 });
  });
});

test('who sends them is told by the variables, over what we know ourselves', () => {
  const resource = options({ ...COLLECTOR, OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=exams%20north,service.version=7', OTEL_SERVICE_NAME: 'lablets' })?.resource;
  expect(resource).toEqual({ 'service.name': 'lablets', 'service.version': '7', 'service.instance.id': 'pod-1', 'k8s.namespace.name': 'lablet-system', 'deployment.environment.name': 'exams north' });
});

test('they go the way out that all else goes', () => {
  expect(options({ ...COLLECTOR, HTTP_PROXY: 'http://proxy.example.org:3128' })?.proxyEnv).toMatchObject({ HTTP_PROXY: 'http://proxy.example.org:3128' });
  expect(options(COLLECTOR)?.proxyEnv).toBeUndefined();
});

test('a share of the traces can be sampled', () => {
  expect(options({ ...COLLECTOR, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' })?.ratio).toBe(0.25);
});

test.each<[Record<string, string>, RegExp]>([
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /OTEL_EXPORTER_OTLP_PROTOCOL: must be http\/json/],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' }, /OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL/],
  [{ OTEL_TRACES_SAMPLER_ARG: '2' }, /OTEL_TRACES_SAMPLER_ARG/],
])('%j is refused in words', (env, message) => {
  expect(() => readConfig(env)).toThrow(message);
});

test('a header that cannot be read is refused without its value, which may be a credential', () => {
  const refusal = (): unknown => readConfig({ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%ZZTr0ub4dor' });
  expect(refusal).toThrow(ConfigError);
  expect(refusal).toThrow(/OTEL_EXPORTER_OTLP_HEADERS: .*"authorization"/);
  expect(refusal).not.toThrow(/Tr0ub4dor/);
});
