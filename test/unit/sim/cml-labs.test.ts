import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { createCmlSimulator, type CmlOptions, type CmlSimulator } from '../../../hack/sim/cml/simulator.ts';
import { callerOf, cmlCaller, importLab, type Caller } from '../../support/sim/http.ts';
import { campusEdge, routers } from '../../support/sim/topology.ts';

const SECOND = 1_000;
let clock: number;
let simulator: CmlSimulator | undefined;
let cml: Caller;
let inspect: Caller;

/** A host on which a node takes 10 s (±25 %) to boot and 1 s to stop, by a clock that the test moves. */
async function host(options: CmlOptions = {}): Promise<CmlSimulator> {
  simulator = createCmlSimulator({ seed: 'test', now: () => clock, bootDelayMs: 10 * SECOND, ...options });
  const url = await simulator.listen();
  cml = await cmlCaller(url);
  inspect = callerOf(url);
  return simulator;
}

beforeEach(() => {
  clock = Date.parse('2026-11-23T10:00:00Z');
});
afterEach(async () => {
  await simulator?.close();
});

describe('the life of a lab', () => {
  test('a started lab converges once its slowest node has booted, not before', async () => {
    await host();
    const lab = await importLab(cml, campusEdge());
    expect(await cml(`PUT /labs/${lab}/start`)).toEqual({ status: 204, body: null });
    clock += 7 * SECOND;
    expect((await cml(`GET /labs/${lab}/check_if_converged`)).body).toBe(false);
    clock += 6 * SECOND;
    expect((await cml(`GET /labs/${lab}/check_if_converged`)).body).toBe(true);
    expect((await cml(`GET /labs/${lab}/state`)).body).toBe('STARTED');
  });

  test('a stop takes a moment, and a wipe in between is refused', async () => {
    await host();
    const lab = await importLab(cml, campusEdge());
    await cml(`PUT /labs/${lab}/start`);
    expect((await cml(`PUT /labs/${lab}/stop`)).status).toBe(204);
    expect(await cml(`PUT /labs/${lab}/wipe`)).toEqual({ status: 400, body: { code: 400, description: expect.stringContaining('must be stopped') } });
    clock += SECOND;
    expect((await cml(`PUT /labs/${lab}/wipe`)).status).toBe(204);
    expect((await cml(`GET /labs/${lab}/state`)).body).toBe('DEFINED_ON_CORE');
  });

  test('only a stopped and wiped lab can be deleted, and then its id is unknown', async () => {
    await host({ stopDelayMs: 0 });
    const lab = await importLab(cml, campusEdge());
    await cml(`PUT /labs/${lab}/start`);
    expect((await cml(`DELETE /labs/${lab}`)).status).toBe(400);
    await cml(`PUT /labs/${lab}/stop`);
    expect((await cml(`DELETE /labs/${lab}`)).status).toBe(400);
    await cml(`PUT /labs/${lab}/wipe`);
    expect((await cml(`DELETE /labs/${lab}`)).status).toBe(204);
    expect(await cml(`GET /labs/${lab}`)).toEqual({ status: 404, body: { code: 404, description: `Lab not found: ${lab}` } });
  });
});

describe('an imported topology', () => {
  test('gets new ids, while links still join the interfaces that they joined in the file', async () => {
    await host();
    const lab = await importLab(cml, campusEdge());
    const topology = (await cml(`GET /labs/${lab}/topology?exclude_configurations=false`)).body as {
      nodes: { id: string; label: string; interfaces: { id: string; label: string }[] }[];
      links: { interface_a: string; interface_b: string }[];
    };
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    expect(topology.nodes.map(({ id }) => id)).toEqual(Array(3).fill(expect.stringMatching(uuid)));
    const nameOf = (port: string): string | undefined => {
      const node = topology.nodes.find(({ interfaces }) => interfaces.some(({ id }) => id === port));
      return `${node?.label ?? ''} ${node?.interfaces.find(({ id }) => id === port)?.label ?? ''}`;
    };
    expect(topology.links.map(({ interface_a, interface_b }) => [nameOf(interface_a), nameOf(interface_b)])).toEqual([
      ['edge-r1 GigabitEthernet0/0', 'edge-r2 GigabitEthernet0/0'],
      ['edge-r1 GigabitEthernet0/1', 'workstation ens2'],
    ]);
  });

  test('comes back from a download such that it can be imported again', async () => {
    await host();
    const lab = await importLab(cml, campusEdge());
    const file = (await cml(`GET /labs/${lab}/download`)).body as string;
    const copy = await importLab(cml, file, 'copy');
    const simplified = (text: string): unknown => (parse(text) as { nodes: { configuration: unknown; tags: unknown }[] }).nodes.map(({ configuration, tags }) => ({ configuration, tags }));
    expect(simplified((await cml(`GET /labs/${copy}/download`)).body as string)).toEqual(simplified(campusEdge()));
  });

  test('has its configurations left out on demand, and only for a lower-case boolean', async () => {
    await host();
    const lab = await importLab(cml, campusEdge());
    const { body } = await cml(`GET /labs/${lab}/topology?exclude_configurations=true`);
    expect((body as { nodes: object[] }).nodes.filter((node) => 'configuration' in node)).toEqual([]);
    expect((await cml(`GET /labs/${lab}/topology?exclude_configurations=True`)).status).toBe(400);
  });

  test.each([
    ['text that is not YAML', 'lab: [', 'not YAML'],
    ['nothing', '', 'expected object'],
    ['a schema newer than the controller knows', 'lab: {title: x, version: 0.4.0}\nnodes: []', 'schema version "0.4.0" is not supported'],
    ['a tag of 65 characters', routers(1, ['x'.repeat(65)]), 'nodes.0.tags.0'],
    ['a node definition that the host has not', 'lab: {title: x, version: 0.3.0}\nnodes: [{id: n0, label: r1, node_definition: toaster}]', 'node definition "toaster" is not known'],
    ['two nodes with one id', 'lab: {version: 0.3.0}\nnodes: [{id: n0, label: a, node_definition: iosv}, {id: n0, label: b, node_definition: iosv}]', 'two nodes have the same id'],
    ['a link to nowhere', 'lab: {version: 0.3.0}\nnodes: [{id: n0, label: a, node_definition: iosv}]\nlinks: [{id: l0, n1: n0, i1: i0, n2: n9, i2: i0}]', 'there is no interface i0 on a node n0'],
  ])('is refused when it is %s', async (_what, topology, words) => {
    const { host: state } = await host();
    expect(await cml('POST /import', topology)).toEqual({ status: 400, body: { code: 400, description: expect.stringContaining(words) } });
    expect(state.labs()).toEqual([]);
  });

  test('is refused when the title has more than 64 characters', async () => {
    await host();
    expect((await cml(`POST /import?title=${'x'.repeat(65)}`, campusEdge())).status).toBe(400);
  });
});

describe('tags', () => {
  test('a PATCH replaces the whole list, and smart annotations follow the tags', async () => {
    await host();
    const lab = await importLab(cml, routers(1, ['serial:2002', 'role:router']));
    const [node] = (await cml(`GET /labs/${lab}/nodes`)).body as string[];
    expect(await cml(`PATCH /labs/${lab}/nodes/${node}?exclude_configurations=false`, { tags: ['serial:2003'] })).toEqual({ status: 200, body: node });
    const { nodes, smart_annotations } = (await cml(`GET /labs/${lab}/topology`)).body as { nodes: { tags: string[] }[]; smart_annotations: { tag: string }[] };
    expect(nodes.map(({ tags }) => tags)).toEqual([['serial:2003']]);
    expect(smart_annotations.map(({ tag }) => tag)).toEqual(['serial:2003']);
  });

  test('two running labs that share a port are a clash, two stopped ones are not', async () => {
    const { host: state } = await host({ stopDelayMs: 0 });
    const first = await importLab(cml, routers(1, ['serial:2002']), 'first');
    const second = await importLab(cml, routers(1, ['vnc:2002']), 'second');
    await cml(`PUT /labs/${first}/start`);
    await cml(`PUT /labs/${first}/stop`);
    await cml(`PUT /labs/${second}/start`);
    expect(await ports()).toEqual({ served: [2002], clashes: [], clashesSeen: [] });
    await cml(`PUT /labs/${first}/start`);
    expect(await ports()).toEqual({ served: [2002], clashes: ['first', 'second'], clashesSeen: ['first', 'second'] });
    await cml(`PUT /labs/${second}/stop`);
    expect(await ports()).toEqual({ served: [2002], clashes: [], clashesSeen: ['first', 'second'] });
    expect(state.labs()).toHaveLength(2);
  });

  test('a port outside of the window of the port service is silently ignored', async () => {
    await host();
    await cml(`PUT /labs/${await importLab(cml, routers(1, ['serial:1999', 'pat:udp:7999:53']))}/start`);
    expect(await ports()).toMatchObject({ served: [7999] });
  });
});

interface Clash {
  winner: { title: string };
  loser: { title: string };
}

async function ports(): Promise<{ served: number[]; clashes: string[]; clashesSeen: string[] }> {
  const report = (await inspect('GET /sim/ports')).body as { served: { port: number }[]; clashes: Clash[]; clashesSeen: Clash[] };
  const titles = (clashes: Clash[]): string[] => clashes.flatMap(({ winner, loser }) => [winner.title, loser.title]);
  return { served: report.served.map(({ port }) => port), clashes: titles(report.clashes), clashesSeen: titles(report.clashesSeen) };
}
