/** The chart's objects, as the API server judges them and against the sources that they come from. */
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import type { Helm } from '../../../hack/helm/helm.ts';
import { CLUSTER_RULES, NAMESPACED_RULES, OPTIONAL_RULES, OWN_NAMESPACE_RULES, USER_ROLES } from '../../../src/api/rbac.ts';
import type { PolicyRule } from '../../../src/api/rbac.ts';
import { without } from '../../../src/core/without.ts';
import { testCluster } from '../../support/cluster.ts';
import { knativeModels } from '../../support/knative-models.ts';
import { CHART, EVERYTHING_ON, HELM_BUILD_MS, offlineHelm, only, podTemplate, render, WITHOUT_KINDS } from './chart.ts';
import type { Manifest } from './chart.ts';

const ROOT = resolve(CHART, '../..');
const cluster = testCluster();
const { kubectl } = cluster;
const foreign = /^(eventing|messaging|sources)\.knative\.dev\/|^monitoring\.coreos\.com\//;

let helm: Helm;
/** With Pod Security restricted, and the ServiceAccount that pods need to be admitted. */
let namespace = '';
const rendered: Record<'defaults' | 'everything on' | 'chosen namespaces', Manifest[]> = { defaults: [], 'everything on': [], 'chosen namespaces': [] };
let watched: string[] = [];

beforeAll(async () => {
  helm = await offlineHelm();
  [namespace = '', ...watched] = await Promise.all(['chart', 'exams', 'trials'].map((prefix) => cluster.freshNamespace(prefix)));
  await kubectl(['label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted']);
  await kubectl(['create', 'serviceaccount', 'lablet-controller', '-n', namespace]);
  rendered.defaults = await render(helm, [], namespace);
  rendered['everything on'] = await render(helm, EVERYTHING_ON, namespace);
  rendered['chosen namespaces'] = await render(helm, [...EVERYTHING_ON, ...WITHOUT_KINDS, '--set', `watchNamespaces={${watched.join(',')}}`], namespace);
}, HELM_BUILD_MS);

const asStream = (objects: readonly object[]): string => objects.map((object) => JSON.stringify(object)).join('\n---\n');
const settings = ['defaults', 'everything on', 'chosen namespaces'] as const;

describe('the API server takes', () => {
  test.each(settings)('every object with %s', async (setting) => {
    const objects = rendered[setting].filter(({ apiVersion, kind }) => !foreign.test(apiVersion) && kind !== 'Pod');
    const answer = await kubectl(['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-'], asStream(objects));
    expect(answer.trim().split('\n')).toHaveLength(objects.length);
  });

  const pods = (objects: readonly Manifest[]): object[] => {
    const { metadata, spec } = podTemplate(objects);
    return [{ apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'controller', namespace }, spec }, only(objects, 'Pod')];
  };

  test.each(['defaults', 'everything on'] as const)('the pods with %s in a namespace where Pod Security is restricted', async (setting) => {
    const answer = await kubectl(['create', '--dry-run=server', '-f', '-'], asStream(pods(rendered[setting])));
    expect(answer).toBe('pod/controller created (server dry run)\npod/lablet-controller-test created (server dry run)\n');
  });

  test('no pod there whose security somebody has weakened', async () => {
    const [weak] = pods(await render(helm, [...WITHOUT_KINDS, '--set', 'securityContext.allowPrivilegeEscalation=true'], namespace));
    await expect(kubectl(['create', '--dry-run=server', '-f', '-'], JSON.stringify(weak))).rejects.toThrow(/violates PodSecurity "restricted:latest": allowPrivilegeEscalation/);
  });
});

describe('the controller is granted', () => {
  const plain = (rules: readonly PolicyRule[]): unknown[] => rules.map((rule) => without(rule, 'why'));

  /** Rules by where they hold, as the bindings of the controller's ServiceAccount say. */
  function grants(objects: readonly Manifest[]): Record<string, unknown[]> {
    const granted: Record<string, unknown[]> = {};
    for (const binding of objects as (Manifest & { roleRef: { kind: string; name: string }; subjects: object[] })[]) {
      if (!binding.kind.endsWith('RoleBinding')) continue;
      expect(binding.subjects).toEqual([{ kind: 'ServiceAccount', name: 'lablet-controller', namespace }]);
      const { kind, name } = binding.roleRef;
      const role = objects.find((object) => object.kind === kind && object.metadata.name === name && object.metadata.namespace === binding.metadata.namespace);
      (granted[binding.metadata.namespace ?? 'everywhere'] ??= []).push(...(role?.rules as unknown[]));
    }
    return granted;
  }
  const asSet = (grant: Record<string, unknown[]>): Record<string, Set<unknown>> => Object.fromEntries(Object.entries(grant).map(([where, rules]) => [where, new Set(rules)]));
  const optional = OPTIONAL_RULES.flatMap(({ rules }) => plain(rules));

  test('what it needs and no more', () => {
    expect(asSet(grants(rendered.defaults))).toEqual(asSet({ everywhere: [...plain(CLUSTER_RULES), ...plain(NAMESPACED_RULES)], [namespace]: plain(OWN_NAMESPACE_RULES) }));
  });

  test('what an optional feature needs only where that is on', () => {
    expect(asSet(grants(rendered['everything on']))).toEqual(asSet({ everywhere: [...plain(CLUSTER_RULES), ...plain(NAMESPACED_RULES), ...optional], [namespace]: plain(OWN_NAMESPACE_RULES) }));
  });

  test('nothing on namespaced objects outside of the chosen namespaces', () => {
    const [one = '', other = ''] = watched;
    expect(asSet(grants(rendered['chosen namespaces']))).toEqual(asSet({ everywhere: [...plain(CLUSTER_RULES), ...optional], [namespace]: plain(OWN_NAMESPACE_RULES), [one]: plain(NAMESPACED_RULES), [other]: plain(NAMESPACED_RULES) }));
  });

  test('nothing by the roles that are for people', () => {
    for (const { name, aggregateTo, rules } of USER_ROLES) {
      const role = only(rendered.defaults, 'ClusterRole', `lablet-${name}`);
      expect(role.rules).toEqual(plain(rules));
      for (const builtIn of aggregateTo) expect(role.metadata.labels).toHaveProperty([`rbac.authorization.k8s.io/aggregate-to-${builtIn}`], 'true');
    }
  });
});

const documents = (folder: string): Manifest[] => readdirSync(join(ROOT, folder)).flatMap((file) => parseAllDocuments(readFileSync(join(ROOT, folder, file), 'utf8'), { version: '1.1' }).map((document) => document.toJS() as Manifest));
/** Labels, and the annotation that tells Helm to keep it, are the chart's own. */
const withoutMarks = (object: Manifest): object => {
  const annotations = without(object.metadata.annotations ?? {}, 'helm.sh/resource-policy');
  return { ...object, metadata: { ...without(object.metadata, 'labels', 'annotations'), ...(Object.keys(annotations).length > 0 ? { annotations } : {}) } };
};
const byName = (objects: readonly Manifest[]): Record<string, object> => Object.fromEntries(objects.map((object) => [`${object.kind} ${object.metadata.name}`, withoutMarks(object)]));

describe('the kinds', () => {
  const kinds = (objects: readonly Manifest[]): Manifest[] => objects.filter(({ kind }) => kind === 'CustomResourceDefinition');

  test('are those of crds/, and stay when the release goes', () => {
    const found = kinds(rendered.defaults);
    expect(byName(found)).toEqual(byName(documents('crds')));
    expect(found.map(({ metadata }) => metadata.annotations)).toEqual(found.map(() => ({ 'helm.sh/resource-policy': 'keep' })));
  });

  test('go with it if that is asked for', async () => {
    const found = kinds(await render(helm, ['--set', 'crds.keep=false']));
    expect(found).toHaveLength(6);
    expect(found.filter(({ metadata }) => metadata.annotations !== undefined)).toEqual([]);
  });
});

describe('for Knative', () => {
  const knative = (objects: readonly Manifest[]): Manifest[] => objects.filter(({ apiVersion }) => apiVersion.includes('knative.dev/'));

  test('there is nothing unless it is asked for', () => {
    expect(knative(rendered.defaults)).toEqual([]);
  });

  test('there is what config/knative has', async () => {
    expect(byName(knative(await render(helm, [...WITHOUT_KINDS, '--set', 'knative.enabled=true'])))).toEqual(byName(knative(documents('config/knative'))));
  });

  test('every object is what Knative takes', () => {
    const objects = knative(rendered['everything on']);
    expect(new Set(objects.map(({ kind }) => kind))).toEqual(new Set(Object.keys(knativeModels)));
    for (const object of objects) knativeModels[object.kind]?.(object).validate();
  });

  test('a Trigger shows what ingest asks for, and follows the source of our events', () => {
    for (const { spec } of rendered['everything on'].filter(({ kind }) => kind === 'Trigger')) {
      expect(spec).toMatchObject({
        filters: [{}, { not: { prefix: { source: '/example/exams/' } } }],
        subscriber: { audience: 'lablet-ingest', CACerts: expect.stringMatching(/^-----BEGIN CERTIFICATE-----\n/) },
        delivery: { retry: 20, backoffPolicy: 'exponential' },
      });
    }
  });
});

describe('on the network', () => {
  const ports = (objects: readonly Manifest[], service = 'lablet-controller') => (only(objects, 'Service', service).spec as { ports: { name: string; port: number; targetPort: string }[] }).ports;

  test('events come in where Knative calls: port 80, or 443 with TLS', () => {
    expect(ports(rendered.defaults)).toContainEqual({ name: 'http', port: 80, targetPort: 'ingest' });
    expect(ports(rendered['everything on'])).toContainEqual({ name: 'https', port: 443, targetPort: 'ingest' });
  });

  test('nothing but events is to be had from outside', () => {
    expect(ports(rendered['everything on'], 'lablet-controller-outside')).toEqual([{ name: 'https', port: 443, targetPort: 'ingest' }]);
  });

  test('the Service has the controller behind it, and not the pod of helm test', () => {
    const { selector } = only(rendered.defaults, 'Service').spec as { selector: object };
    expect(podTemplate(rendered.defaults).metadata.labels).toMatchObject(selector);
    expect(only(rendered.defaults, 'Pod').metadata.labels).not.toMatchObject(selector);
  });

  test('nobody is let in whom no value names', async () => {
    const objects = await render(helm, [...WITHOUT_KINDS, '--set-json', 'networkPolicy={"ingestFrom":[],"metricsFrom":[],"webFrom":[]}']);
    const { ingress } = only(objects, 'NetworkPolicy').spec as { ingress: { from: unknown[] }[] };
    expect(ingress.map(({ from }) => from)).toEqual([[{ podSelector: { matchLabels: { 'app.kubernetes.io/name': 'lablet-controller', 'app.kubernetes.io/component': 'test' } } }]]);
  });
});

describe('Prometheus and Grafana', () => {
  const names = (folder: string): string[] => globSync('*', { cwd: join(CHART, 'files', folder) }).sort();

  test('find the metrics at a port of the Service', () => {
    const { endpoints, selector } = only(rendered['everything on'], 'ServiceMonitor').spec as { endpoints: { port: string }[]; selector: { matchLabels: object } };
    const service = only(rendered['everything on'], 'Service', 'lablet-controller');
    expect(service.metadata.labels).toMatchObject(selector.matchLabels);
    expect((service.spec as { ports: { name: string }[] }).ports.map(({ name }) => name)).toContain(endpoints[0]?.port);
  });

  test('get the rules and dashboards of files/, unchanged', () => {
    const rules = rendered['everything on'].filter(({ kind }) => kind === 'PrometheusRule');
    const inFiles = names('rules').map((name) => parseAllDocuments(readFileSync(join(CHART, 'files/rules', name), 'utf8'))[0]?.toJS() as unknown);
    expect(rules.map(({ spec }) => spec)).toEqual(inFiles);
    const dashboards = rendered['everything on'].filter(({ metadata }) => metadata.labels?.['grafana_dashboard'] === '1') as (Manifest & { data: Record<string, string> })[];
    const json = dashboards.flatMap(({ data }) => Object.values(data)).map((text) => JSON.parse(text) as unknown);
    expect(json).toEqual(names('dashboards').map((name) => JSON.parse(readFileSync(join(CHART, 'files/dashboards', name), 'utf8')) as unknown));
  });
});
