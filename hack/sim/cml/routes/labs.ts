import { Router, text } from 'express';
import { z } from 'zod';
import { read } from '../../common/web.ts';
import { hasConverged, labState } from '../lab.ts';
import type { Cml } from '../simulator.ts';
import { elementStates, labDetails, labFile, pyatsTestbed, topologyView } from '../views.ts';

/** A boolean in a query: CML accepts it in lower case only. */
export const flag = z.enum(['true', 'false'], { error: 'must be true or false, in lower case' }).default('false').transform((value) => value === 'true');

const importQuery = z.object({ title: z.string().optional() });
const listQuery = z.object({ show_all: flag });
const topologyQuery = z.object({ exclude_configurations: flag });
const pyatsQuery = z.object({ hostname: z.string().optional() });

/** Everything about labs as a whole. */
export function labRoutes({ host, users, options, faults }: Cml): Router {
  const router = Router();
  router.param('lab', (request, _response, next, id: string) => {
    if (faults.strikes('lost-lab', `${request.method} ${request.originalUrl}`)) host.lose(id);
    next();
  });
  router.post('/import', text({ type: () => true, limit: '2mb' }), (request, response) => {
    const { title } = read(importQuery, request.query);
    const body: unknown = request.body;
    const lab = host.import(typeof body === 'string' ? body : '', users.login.id, title);
    response.json({ id: lab.id, warnings: [] });
  });
  router.get('/labs', (request, response) => {
    const all = read(listQuery, request.query).show_all;
    response.json(host.labs().filter(({ owner }) => all || owner === users.login.id).map(({ id }) => id));
  });
  router.get('/populate_lab_tiles', (_request, response) => {
    response.json({ lab_tiles: Object.fromEntries(host.labs().map((lab) => [lab.id, labDetails(lab, users.nameOf(lab.owner))])) });
  });
  router.get('/labs/:lab', (request, response) => {
    const lab = host.lab(request.params.lab);
    response.json(labDetails(lab, users.nameOf(lab.owner)));
  });
  router.delete('/labs/:lab', (request, response) => {
    host.remove(request.params.lab);
    response.status(204).end();
  });
  for (const action of ['start', 'stop', 'wipe'] as const) {
    router.put(`/labs/:lab/${action}`, (request, response) => {
      host[action](z.string().parse(request.params['lab']));
      response.status(204).end();
    });
  }
  router.get('/labs/:lab/state', (request, response) => {
    response.json(labState(host.lab(request.params.lab)));
  });
  router.get('/labs/:lab/check_if_converged', (request, response) => {
    response.json(hasConverged(host.lab(request.params.lab)));
  });
  router.get('/labs/:lab/lab_element_state', (request, response) => {
    response.json(elementStates(host.lab(request.params.lab)));
  });
  router.get('/labs/:lab/topology', (request, response) => {
    const query = read(topologyQuery, request.query);
    response.json(topologyView(host.lab(request.params.lab), { configuration: !query.exclude_configurations }));
  });
  router.get('/labs/:lab/download', (request, response) => {
    response.type('text/yaml').send(labFile(host.lab(request.params.lab)));
  });
  router.get('/labs/:lab/pyats_testbed', (request, response) => {
    const { hostname } = read(pyatsQuery, request.query);
    response.type('text/yaml').send(pyatsTestbed(host.lab(request.params.lab), hostname ?? request.hostname, options.user));
  });
  return router;
}
