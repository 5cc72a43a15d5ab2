/** Rules, dashboards and runbooks of the chart: judged by Prometheus' own tool, and by what the program really tells. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { catalogue } from '../../../src/telemetry/catalogue.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { promtool, PROMTOOL_BUILD_LIMIT_MS } from '../../support/promtool/promtool.ts';
import { ALERT_CASES, QUIET } from './alerts.ts';
import type { MetricSpec } from '../../../src/telemetry/catalogue.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const FILES = join(ROOT, 'charts/lablet-controller/files');
const RULES = ['slo.yaml', 'alerts.yaml'].map((name) => join(FILES, 'rules', name));
const RUNBOOKS = join(ROOT, 'docs/runbooks');

const rule = z.strictObject({
  alert: z.string().optional(), record: z.string().optional(), expr: z.string(), for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }).optional(),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook_url: z.string() }).optional(),
});
type Rule = z.output<typeof rule>;
const panel = z.looseObject({ id: z.int(), type: z.enum(['row', 'stat', 'timeseries']), title: z.string().min(1), gridPos: z.object({ x: z.int(), y: z.int(), w: z.int().min(1), h: z.int().min(1) }), targets: z.array(z.looseObject({ expr: z.string().min(1) })).default([]) });
const dashboard = z.looseObject({ uid: z.string().max(40), title: z.string(), schemaVersion: z.int(), panels: z.array(panel).min(10), annotations: z.object({ list: z.array(z.looseObject({ expr: z.string() })) }) });

let directory: string;
let rules: Rule[];
let alerts: Rule[];
let dashboards: z.output<typeof dashboard>[];

beforeAll(async () => {
  await promtool(['--version']);
  directory = await mkdtemp(join(tmpdir(), 'lablet-rules-'));
  const read = async (file: string): Promise<Rule[]> => z.object({ groups: z.array(z.object({ rules: z.array(rule) })) }).parse(parse(await readFile(file, 'utf8'))).groups.flatMap((group) => group.rules);
  rules = (await Promise.all(RULES.map(read))).flat();
  alerts = rules.filter(({ alert }) => alert !== undefined);
  const folder = join(FILES, 'dashboards');
  dashboards = await Promise.all((await readdir(folder)).map(async (name) => dashboard.parse(JSON.parse(await readFile(join(folder, name), 'utf8')))));
}, PROMTOOL_BUILD_LIMIT_MS);
afterAll(() => rm(directory, { recursive: true }));

/** Writes a file for promtool. */
async function given(name: string, content: object): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, stringify(content));
  return file;
}

const expressions = (): string[] => [...rules.map(({ expr }) => expr), ...dashboards.flatMap(({ panels, annotations }) => [...panels.flatMap(({ targets }) => targets), ...annotations.list].map(({ expr }) => expr))];

describe('the rules', () => {
  test('are what Prometheus reads, with every expression of the dashboards', async () => {
    expect(await promtool(['check', 'rules', '--lint=all', '--lint-fatal', ...RULES])).toMatchObject({ isOk: true });
    const queries = [...new Set(expressions())].map((expr, index) => ({ record: `panel:${index}`, expr }));
    expect(await promtool(['check', 'rules', await given('queries.yaml', { groups: [{ name: 'queries', rules: queries }] })])).toMatchObject({ isOk: true });
  });

  test('ring where they must, say where, and keep quiet on a quiet day', async () => {
    expect(ALERT_CASES.map(({ alert }) => alert).sort()).toEqual(alerts.map(({ alert }) => alert).sort());
    const labelsOf = (name: string): object => ({ alertname: name, severity: alerts.find(({ alert }) => alert === name)?.labels?.severity });
    const series = (values: Readonly<Record<string, string>>): object[] => Object.entries(values).map(([name, value]) => ({ series: name, values: value }));
    const sample = (labels: object): string => `ALERTS{${Object.entries({ ...labels, alertstate: 'firing' }).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')}}`;
    const tests = [
      ...ALERT_CASES.map(({ alert, given: values, at, labels = {} }) => ({
        name: alert, interval: '1m', input_series: series(values),
        promql_expr_test: [{ expr: `ALERTS{alertname="${alert}", alertstate="firing"}`, eval_time: `${at}m`, exp_samples: [{ labels: sample({ ...labelsOf(alert), ...labels }), value: 1 }] }],
      })),
      { name: 'a quiet day', interval: '1m', input_series: series(QUIET), promql_expr_test: [{ expr: 'ALERTS', eval_time: '80m', exp_samples: [] }] },
    ];
    expect(await promtool(['test', 'rules', await given('alerts.test.yaml', { rule_files: [RULES[1]], evaluation_interval: '1m', tests })])).toMatchObject({ isOk: true });
  });

  test('give the service levels: of ten booked slots one was late, one booked too late to be promised, and seven minutes were lost', async () => {
    const values = { on_time: '0x10 8x60', late: '0x10 1x60', missed: '0x70', short_notice: '0x10 1x60' };
    const input = [...Object.entries(values).map(([outcome, counts]) => ({ series: `lablet_session_starts_total{outcome="${outcome}"}`, values: counts })), { series: 'lablet_candidate_lost_seconds_total{cause="late_start"}', values: '0x10 420x60' }];
    const level = (expr: string, value: number) => ({ expr: `round(${expr}, 0.01)`, eval_time: '60m', exp_samples: [{ labels: '{}', value }] });
    const tests = [{ interval: '1m', input_series: input, promql_expr_test: [level('lablet:session_starts_on_time:ratio_increase1h', 0.89), level('sum(lablet:candidate_lost_minutes:increase1h)', 7.0)] }];
    expect(await promtool(['test', 'rules', await given('slo.test.yaml', { rule_files: [RULES[0]], evaluation_interval: '1m', tests })])).toMatchObject({ isOk: true });
  });
});

describe('rules and dashboards', () => {
  const SUFFIXES = ['_bucket', '_sum', '_count'];
  const LABELS_OF_SCRAPE = ['instance', 'job'];

  test('read only what is told, by labels that it has', async () => {
    const ofProcess = [...(await createMetrics({ processMetrics: true }).scrape()).matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
    const specs = new Map<string, MetricSpec>(Object.values(catalogue).flatMap((spec: MetricSpec) => [spec.name, ...(spec.kind === 'histogram' ? SUFFIXES.map((suffix) => spec.name + suffix) : [])].map((name) => [name, spec] as const)));
    const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
    for (const expr of expressions()) {
      for (const [, name = '', selector = ''] of expr.matchAll(/\b((?:lablet|process|nodejs)[a-z0-9_]*_[a-z0-9_]+|lablet:[a-z0-9_:]+)(?:\{([^}]*)\})?/g)) {
        if (name.includes(':')) expect(recorded).toContain(name);
        else if (name.startsWith('lablet_')) {
          expect([...specs.keys()]).toContain(name);
          const allowed = [...(specs.get(name)?.labels ?? []), ...(name.endsWith('_bucket') ? ['le'] : []), ...LABELS_OF_SCRAPE];
          for (const [, label] of selector.matchAll(/([a-z_]+)\s*[!=]~?"/g)) expect({ name, allowed }).toEqual({ name, allowed: expect.arrayContaining([label]) });
        } else expect(ofProcess).toContain(name);
      }
    }
  });

  test('have panels side by side, none upon another, each with an id of its own', () => {
    for (const { panels } of dashboards) {
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, n) => `${x + (n % w)}/${y + Math.floor(n / w)}`));
      expect(new Set(cells).size).toBe(cells.length);
      expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
    }
  });

  test('show or use every metric of the catalogue, so that none is kept for nobody', () => {
    const all = expressions().join('\n');
    const unused = Object.values(catalogue).filter(({ name }) => !new RegExp(`\\b${name}(_bucket|_count|_sum)?\\b`).test(all)).map(({ name }) => name);
    expect(unused).toEqual([]);
  });
});

describe('every alert', () => {
  test('has a runbook, and every runbook an alert', async () => {
    expect((await readdir(RUNBOOKS)).sort()).toEqual([...alerts.map(({ alert }) => `${alert}.md`), 'README.md'].sort());
  });

  test('says what to do first, and where to read on', () => {
    for (const { alert, annotations } of alerts) {
      expect(annotations?.runbook_url).toBe(`https://lablet.dev/docs/runbooks/${alert}.md`);
      expect(annotations?.summary).toMatch(/^.{15,110}\.$/);
      expect(annotations?.description).toMatch(/^.{60,320}\.$/);
    }
  });

  test('has a runbook that tells what it means, what it does to whom, what to look at and what to do, with commands', async () => {
    for (const { alert } of alerts) {
      const text = await readFile(join(RUNBOOKS, `${alert}.md`), 'utf8');
      expect(text.split('\n')[0]).toBe(`# ${alert}`);
      expect([...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title)).toEqual(['What it means', 'Who notices', 'Look at', 'Do', 'Over when']);
      expect(text).toMatch(/```sh\n/);
    }
  });
});
