import { json, Router } from 'express';
import { z } from 'zod';
import { HttpProblem, read } from '../../common/web.ts';
import { nodeDefinition } from '../definitions.ts';
import { isRunning, type SimNode } from '../lab.ts';
import type { Cml } from '../simulator.ts';
import { configuration, tag } from '../topology.ts';
import { nodeData } from '../views.ts';
import { flag } from './labs.ts';

const listQuery = z.object({ data: flag, operational: flag, exclude_configurations: flag });
const patch = z.strictObject({ tags: z.array(tag).optional(), label: z.string().min(1).max(128).optional(), configuration: configuration.optional() });
const logQuery = z.object({ lines: z.coerce.number().int().positive().optional() });

/** Everything about single nodes. */
export function nodeRoutes({ host }: Cml): Router {
  const router = Router();
  router.get('/labs/:lab/nodes', (request, response) => {
    const query = read(listQuery, request.query);
    const lab = host.lab(request.params.lab);
    const show = { configuration: !query.exclude_configurations, operational: query.operational };
    response.json(query.data ? lab.nodes.map((node) => nodeData(lab, node, show)) : lab.nodes.map(({ id }) => id));
  });
  router.patch('/labs/:lab/nodes/:node', json({ type: () => true }), (request, response) => {
    const { lab, node: id } = request.params;
    const node = host.node(lab, id);
    const change = read(patch, request.body);
    if (change.configuration !== undefined && isRunning(node)) throw new HttpProblem(400, `Node ${id} runs: its configuration cannot be changed`);
    if (change.tags) host.retag(lab, id, change.tags);
    if (change.label !== undefined) node.label = change.label;
    if (change.configuration !== undefined) node.configuration = change.configuration;
    host.touch(lab);
    response.json(id);
  });
  router.get('/labs/:lab/nodes/:node/state', (request, response) => {
    response.json({ state: host.node(request.params.lab, request.params.node).state });
  });
  router.put('/labs/:lab/nodes/:node/extract_configuration', (request, response) => {
    const node = host.node(request.params.lab, request.params.node);
    if (node.state !== 'BOOTED') throw new HttpProblem(400, `Node ${node.id} is ${node.state}: only a booted node has a running configuration`);
    node.configuration = runningConfiguration(node);
    host.touch(request.params.lab);
    response.json(`Configuration of node ${node.id} extracted`);
  });
  router.get('/labs/:lab/nodes/:node/consoles/:line/log', (request, response) => {
    const node = host.node(request.params.lab, request.params.node);
    const line = Number(request.params.line);
    const consoles = nodeDefinition(node.definition)?.serialConsoles ?? 0;
    if (!Number.isInteger(line) || line < 0 || line >= consoles) throw new HttpProblem(404, `Console not found: ${request.params.line}`);
    const log = isRunning(node) ? consoleLog(node, line) : [];
    const { lines } = read(logQuery, request.query);
    response.json((lines === undefined ? log : log.slice(-lines)).join('\r\n'));
  });
  return router;
}

const MARK = '! running configuration, saved by the simulator';

/** What a node would answer to "show running-config": its start-up text and a mark that it was read back. */
function runningConfiguration({ configuration: startup }: SimNode): SimNode['configuration'] {
  const mark = (text: string): string => (text.startsWith(MARK) ? text : `${MARK}\n${text}`);
  if (Array.isArray(startup)) return startup.map(({ name, content }) => ({ name, content: mark(content) }));
  return mark(startup ?? '');
}

function consoleLog(node: SimNode, line: number): string[] {
  const booting = [`${node.label}: ${node.definition} is booting`, `${node.label} con${line} is now available`];
  return node.state === 'BOOTED' ? [...booting, '', `${node.label}>`] : booting.slice(0, 1);
}
