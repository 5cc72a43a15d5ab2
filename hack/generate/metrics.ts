/** docs/reference/metrics.md: every metric of the catalogue, with the recording rules and alerts that are made of them. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { catalogue } from '../../src/telemetry/catalogue.ts';
import type { MetricSpec } from '../../src/telemetry/catalogue.ts';
import type { Generator } from './output.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const RULES = 'charts/lablet-controller/files/rules';

const rule = z.object({ record: z.string().optional(), alert: z.string().optional(), expr: z.string(), for: z.string().optional(), labels: z.record(z.string(), z.string()).default({}), annotations: z.record(z.string(), z.string()).default({}) });
const ruleFile = z.object({ groups: z.array(z.object({ name: z.string(), rules: z.array(rule) })) });

export const metricsReference: Generator = { name: 'metrics reference', files: () => new Map([['docs/reference/metrics.md', page()]]) };

function page(): string {
  const rules = ['slo.yaml', 'alerts.yaml'].flatMap((file) => ruleFile.parse(parse(readFileSync(join(ROOT, RULES, file), 'utf8'))).groups.flatMap((group) => group.rules));
  return [
    '<!-- Generated from src/telemetry/catalogue.ts and the rules of the chart by "make generate"; do not edit. -->',
    '# Metrics',
    '',
    '`GET /metrics` on `OPS_PORT`, in the Prometheus text format. Beside these there are `process_*` and `nodejs_*` of the process itself. No label holds the name or uid of a session: that would be a series for each. Gauges are the same on every replica unless they are about the replica, so read them with `max`; counters are to be summed over replicas. What they are for: [observability](../observability.md).',
    '',
    table(['metric', 'kind', 'labels', 'meaning'], Object.values(catalogue).map(metricRow)),
    '',
    '## Recording rules',
    '',
    `Of \`${RULES}/slo.yaml\`, made by the chart's value \`prometheusRule.enabled\`.`,
    '',
    table(['series', 'expression'], rules.flatMap(({ record, expr }) => (record === undefined ? [] : [[`\`${record}\``, `\`${oneLine(expr)}\``]]))),
    '',
    '## Alerts',
    '',
    `Of \`${RULES}/alerts.yaml\`; each has a runbook.`,
    '',
    table(['alert', 'severity', 'after', 'when'], rules.flatMap(({ alert, labels, for: after, expr }) => (alert === undefined ? [] : [[`[${alert}](../runbooks/${alert}.md)`, labels['severity'] ?? '', after ?? 'at once', `\`${oneLine(expr)}\``]]))),
    '',
  ].join('\n');
}

function metricRow({ name, kind, labels, help, buckets }: MetricSpec): string[] {
  const to = buckets === undefined ? '' : ` Buckets: ${buckets.join(', ')}.`;
  return [`\`${name}\``, kind, labels.map((label) => `\`${label}\``).join(', '), `${help}${to}`];
}

const oneLine = (expr: string): string => expr.trim().replaceAll(/\s+/g, ' ');
const cell = (text: string): string => text.replaceAll('|', '\\|');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map((text) => (text === '---' ? text : cell(text))).join(' | ')} |`).join('\n');
