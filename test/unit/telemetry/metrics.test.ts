import { describe, expect, test } from '@jest/globals';
import { catalogue } from '../../../src/telemetry/catalogue.ts';
import { createMetrics, preset } from '../../../src/telemetry/metrics.ts';

describe('the catalogue of metrics', () => {
  const specs = Object.values(catalogue);

  test.each(specs.map((spec) => [spec.name, spec] as const))('%s is named as Prometheus advises and says what it is', (name, spec) => {
    expect(name).toMatch(/^lablet_[a-z_]+[a-z]$/);
    expect(name.endsWith('_total')).toBe(spec.kind === 'counter');
    if (spec.kind === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(spec.help).toMatch(/^[A-Z1].*\.$/);
    expect(spec.labels.filter((label: string) => ['session', 'uid', 'key', 'name'].includes(label))).toEqual([]);
  });

  test('has no name twice', () => {
    expect(new Set(specs.map(({ name }) => name)).size).toBe(specs.length);
  });
});

describe('the metrics of a program', () => {
  test('share nothing with those of another', async () => {
    const one = createMetrics();
    const other = createMetrics();
    one.outboxDepth.set(7);
    expect(await one.scrape()).toContain('lablet_outbox_depth 7');
    expect(await other.scrape()).toContain('lablet_outbox_depth 0');
  });

  test('a preset counter is there as 0 for every combination of its labels', async () => {
    const metrics = createMetrics();
    preset(metrics.eventsIn, { type: ['started', 'ended'], result: ['accepted', 'refused'] });
    const text = await metrics.scrape();
    for (const type of ['started', 'ended']) {
      for (const result of ['accepted', 'refused']) expect(text).toContain(`lablet_events_in_total{type="${type}",result="${result}"} 0`);
    }
  });

  test('gauges that mirror a state are read at each scrape, until they are unhooked', async () => {
    const metrics = createMetrics();
    let sessions = 1;
    const unhook = metrics.onScrape(() => metrics.sessions.set({ phase: 'Running' }, sessions));
    expect(await metrics.scrape()).toContain('lablet_sessions{phase="Running"} 1');
    sessions = 5;
    expect(await metrics.scrape()).toContain('lablet_sessions{phase="Running"} 5');
    unhook();
    sessions = 9;
    expect(await metrics.scrape()).toContain('lablet_sessions{phase="Running"} 5');
  });
});
