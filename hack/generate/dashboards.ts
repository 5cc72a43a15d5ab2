/** Grafana dashboards of the chart: what they show stands in dashboard-panels.ts, here is how Grafana wants it written. */
import { CONTROLLER_DASHBOARD, SESSIONS_DASHBOARD } from './dashboard-panels.ts';
import type { Dashboard, Panel } from './dashboard-panels.ts';
import type { Generator } from './output.ts';

const DASHBOARDS = 'charts/lablet-controller/files/dashboards';

export const dashboards: Generator = {
  name: 'Grafana dashboards',
  owns: [{ folder: DASHBOARDS, extension: '.json' }],
  files: () => new Map([SESSIONS_DASHBOARD, CONTROLLER_DASHBOARD].map((one) => [`${DASHBOARDS}/${one.name}.json`, `${JSON.stringify(dashboardJson(one), null, 2)}\n`])),
};

/** Grafana's grid has 24 columns. */
const COLUMNS = 24;
const ROW_HEIGHT = 1;
/** The reader chooses it; the first Prometheus of the Grafana is taken until then. */
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const SCHEMA_VERSION = 41;

function dashboardJson({ name, title, description, rows }: Dashboard): object {
  const panels: object[] = [];
  let id = 0;
  let y = 0;
  for (const row of rows) {
    panels.push({ id: ++id, type: 'row', title: row.title, collapsed: false, gridPos: { x: 0, y, w: COLUMNS, h: ROW_HEIGHT }, panels: [] });
    y += ROW_HEIGHT;
    let x = 0;
    let height = 0;
    for (const panel of row.panels) {
      const [w, h] = [panel.width ?? 8, panel.height ?? (panel.show === 'stat' ? 4 : 8)];
      if (x + w > COLUMNS) {
        y += height;
        [x, height] = [0, 0];
      }
      panels.push({ id: ++id, ...panelJson(panel), gridPos: { x, y, w, h } });
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return {
    uid: name, title, description, tags: ['lablet'], schemaVersion: SCHEMA_VERSION, version: 1, editable: true, graphTooltip: 1, refresh: '30s',
    time: { from: 'now-6h', to: 'now' }, timezone: 'browser',
    templating: { list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {}, hide: 0, refresh: 1 }] },
    annotations: { list: [{ name: 'Leader changes', enable: true, iconColor: 'purple', datasource: DATASOURCE, expr: 'sum by (change) (increase(lablet_leader_transitions_total[1m])) > 0', titleFormat: 'leader {{change}}' }] },
    panels,
  };
}

function panelJson({ show = 'timeseries', title, description, queries, unit = 'short', stack = false, warnAbove, warnBelow, max }: Panel): object {
  return {
    type: show, title, ...(description === undefined ? {} : { description }), datasource: DATASOURCE,
    targets: queries.map(([expr, legendFormat], index) => ({ refId: String.fromCharCode(65 + index), datasource: DATASOURCE, expr, legendFormat, ...(show === 'stat' ? { instant: true } : { range: true }) })),
    fieldConfig: {
      defaults: {
        unit, min: 0, ...(max === undefined ? {} : { max }), thresholds: thresholds(warnAbove, warnBelow),
        ...(show === 'stat' ? {} : { custom: { lineWidth: 1, fillOpacity: stack ? 30 : 0, showPoints: 'never', stacking: { mode: stack ? 'normal' : 'none' } } }),
      },
      overrides: [],
    },
    options: show === 'stat'
      ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: warnAbove === undefined && warnBelow === undefined ? 'none' : 'background', graphMode: 'none', textMode: 'auto' }
      : { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } },
  };
}

/** Green, and red on the wrong side of the limit. */
function thresholds(above: number | undefined, below: number | undefined): object {
  const steps = below !== undefined ? [{ color: 'red', value: null }, { color: 'green', value: below }] : [{ color: 'green', value: null }, ...(above === undefined ? [] : [{ color: 'red', value: above }])];
  return { mode: 'absolute', steps };
}
