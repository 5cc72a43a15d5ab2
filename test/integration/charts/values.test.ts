/** Values: what is refused and how, and how what is accepted reaches the program. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { readValues } from '../../../hack/generate/chart-values.ts';
import type { Helm } from '../../../hack/helm/helm.ts';
import { readConfig, VARIABLES } from '../../../src/app/config.ts';
import { CHART, environment, EVERYTHING_ON, HELM_BUILD_MS, offlineHelm, render, WITHOUT_KINDS } from './chart.ts';

let helm: Helm;
beforeAll(async () => {
  helm = await offlineHelm();
}, HELM_BUILD_MS);

test.each(['defaults', 'everything-on'])('Helm finds nothing to complain of with %s', async (name) => {
  await expect(helm(['lint', '--strict', CHART, '--values', join(CHART, `ci/${name}-values.yaml`)])).resolves.toContain('0 chart(s) failed');
});

describe('a value is refused, by its place,', () => {
  test.each([
    ['that is misspelt', 'ingest.auht=token', "at '/ingest': additional properties 'auht' not allowed"],
    ['that is misspelt at the top', 'replica=2', "at '': additional properties 'replica' not allowed"],
    ['of the wrong type', 'replicas=two', "at '/replicas': got string, want integer"],
    ['that is none of those that there are', 'ingest.auth=password', "at '/ingest/auth': value must be one of 'none', 'token', 'secret', 'mtls'"],
    ['out of bounds', 'ports.ops=80', "at '/ports/ops': minimum: got 80, want 1,024"],
    ['that is no URL', 'lds.url=lds.example.org', "at '/lds/url': 'lds.example.org' does not match pattern"],
    ['that is no limit', 'timeouts.hodl=2h', "at '/timeouts': additional properties 'hodl' not allowed"],
    ['that is no sink', 'cloudEvents.sinks={amqp://broker}', "at '/cloudEvents/sinks/0': 'amqp://broker' does not match pattern"],
    ['that is no namespace', 'watchNamespaces={Exams}', "at '/watchNamespaces/0': 'Exams' does not match pattern"],
    ['of a wrong type in a list', 'extraEnv[0].value=1', "at '/extraEnv/0': missing property 'name'"],
  ])('%s (%s)', async (_, set, message) => {
    await expect(render(helm, ['--set', set])).rejects.toThrow(message);
  });
});

describe('values that do not go together are refused, with what to do:', () => {
  test.each([
    ['an archive in files for two replicas', ['persistence.enabled=true', 'archive.url=file:///var/lib/lablet/archive'], 'set replicas=1, or keep it in s3://BUCKET/PREFIX'],
    ['files without a volume', ['replicas=1', 'evidence.url=file:///var/lib/lablet/evidence'], 'set persistence.enabled=true'],
    ['files beside the volume', ['persistence.enabled=true', 'replicas=1', 'cloudEvents.sinks={file:///var/log/events.jsonl}'], 'write file:///var/lib/lablet/...'],
    ['a volume of one pod for two', ['persistence.enabled=true'], 'persistence.accessModes={ReadWriteMany}'],
    ['sinks in two places', ['cloudEvents.sinks={https://a}', 'cloudEvents.sinksSecret.name=b'], 'write all of them into one place'],
    ['tokens of anybody', ['ingest.auth=token', 'ingest.audience=lablet'], 'ingest.auth=token needs ingest.allowedSubjects'],
    ['certificates without an authority', ['ingest.auth=mtls', 'ingest.tls.secret=a'], 'needs ingest.tls.secret and ingest.clientCa.secret'],
    ['a secret that nobody asks for', ['ingest.secret.name=a'], 'ingest.secret does nothing with ingest.auth=none'],
    ['a door for everybody', ['service.type=LoadBalancer'], 'anybody could send results of gradings; set ingest.auth'],
    ['LDS without credentials', ['lds.url=https://lds.example.org'], 'lds.url needs lds.credentialsSecret'],
    ['no time left to end', ['drainSeconds=60'], 'leaves no time to end'],
  ])('%s', async (_, sets, message) => {
    await expect(render(helm, sets.flatMap((set) => ['--set', set]))).rejects.toThrow(message);
  });

  test('all of them at once', async () => {
    const refused = render(helm, ['--set', 'drainSeconds=60,ingest.auth=secret']);
    await expect(refused).rejects.toThrow('leaves no time to end');
    await expect(refused).rejects.toThrow('ingest.auth=secret needs ingest.secret.name');
  });
});

describe('the program', () => {
  /** Set by Knative's SinkBinding, by the pod itself, or of no use in a cluster. */
  const notOurs = ['K_SINK', 'K_CE_OVERRIDES', 'K_CA_CERTS', 'POD_NAME', 'POD_NAMESPACE', 'KUBECONFIG'];
  const ways = {
    'everything on': EVERYTHING_ON,
    'chosen namespaces': ['--set', 'watchNamespaces={exams,trials}'],
    'a secret of the senders': [...EVERYTHING_ON, '--set', 'ingest.auth=secret,ingest.audience=,ingest.secret.name=senders', '--set-json', 'ingest.allowedSubjects=[]'],
    'certificates of the senders': [...EVERYTHING_ON, '--set', 'ingest.auth=mtls,ingest.audience=,ingest.clientCa.secret=authority'],
    'archive and evidence on a volume': ['--set', 'replicas=1,persistence.enabled=true,archive.url=file:///var/lib/lablet/archive,evidence.url=file:///var/lib/lablet/evidence'],
    'sinks from Secrets': ['--set', 'cloudEvents.sinksSecret.name=sinks,cloudEvents.deadLetterSecret.name=dead'],
  };

  const environmentWith = async (args: readonly string[]): Promise<Record<string, string>> => environment(await render(helm, [...WITHOUT_KINDS, ...args]));
  const environments = new Map<string, Record<string, string>>();
  beforeAll(async () => {
    for (const [way, args] of Object.entries(ways)) environments.set(way, await environmentWith(args));
  });

  test('runs with its own defaults where nothing is set', async () => {
    const inPod = { POD_NAME: 'lablet-controller-0', POD_NAMESPACE: 'exams-system' };
    expect(readConfig({ ...(await environmentWith([])), ...inPod })).toEqual(readConfig(inPod));
  });

  test.each(Object.keys(ways))('accepts its environment with %s', (way) => {
    expect(() => readConfig(environments.get(way) ?? {})).not.toThrow();
  });

  test('has no variable that cannot be set', () => {
    const reached = [...environments.values()].flatMap((env) => Object.keys(env));
    expect(VARIABLES.filter((name) => !notOurs.includes(name) && !reached.includes(name))).toEqual([]);
  });

  const { values } = readValues(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
  const variablesOf = (description: string): string[] => [...description.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, name = '']) => name);

  test('has no variable that the documentation of the values does not name', () => {
    const named = values.flatMap(({ description }) => variablesOf(description));
    expect(VARIABLES.filter((name) => !notOurs.includes(name) && !named.includes(name))).toEqual([]);
  });

  test('finds a value in the variable that its documentation names', () => {
    const given = parse(readFileSync(join(CHART, 'ci/everything-on-values.yaml'), 'utf8')) as Record<string, unknown>;
    const env = environments.get('everything on') ?? {};
    const asText = (value: unknown): string | undefined => (Array.isArray(value) ? value.join(',') : ['string', 'number'].includes(typeof value) ? String(value) : undefined);
    const compared = values.flatMap(({ path, description }) => {
      const text = asText(path.split('.').reduce<unknown>((part, key) => (part as Record<string, unknown> | undefined)?.[key], given));
      const [variable, ...more] = variablesOf(description);
      // Names of Secrets and numbers of seconds are not what the program reads.
      return text === undefined || variable === undefined || more.length > 0 || /Secret\.name$|^drainSeconds$|\.secret$|^trust\./.test(path) ? [] : [[path, variable, text]];
    });
    expect(compared.length).toBeGreaterThan(25);
    expect(compared.map(([path, variable = '']) => [path, variable, env[variable]])).toEqual(compared);
  });
});
