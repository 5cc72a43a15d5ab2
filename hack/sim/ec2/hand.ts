/** Somebody else's hand on the instances: a look at them, and what people do in the console of AWS. */
import { Router } from 'express';
import { HttpProblem } from '../common/web.ts';
import { instanceStates, rewriteInstances } from './xml.ts';
import type { Fleet } from './fleet.ts';
import type { Upstream } from './upstream.ts';

const ACTS = { start: ['StartInstances', 'running'], stop: ['StopInstances', 'stopped'], terminate: ['TerminateInstances', 'terminated'] } as const;

/** `GET instances?region=` and `PUT instances/{id}/start|stop|terminate?region=`; the region is us-east-1 unless named. */
export function handRoutes(upstream: Upstream, fleet: Fleet): Router {
  const router = Router();
  const regionOf = (query: { region?: unknown }): string => (typeof query.region === 'string' ? query.region : 'us-east-1');
  router.get('/instances', async (request, response) => {
    const { body } = await upstream.call('DescribeInstances', {}, regionOf(request.query));
    const shown = instanceStates(rewriteInstances(body, (id) => fleet.shown(id)));
    response.json([...shown].map(([id, state]) => ({ id, state, address: fleet.shown(id).address ?? null })));
  });
  router.put('/instances/:id/:act', async (request, response) => {
    const { id, act } = request.params;
    if (!isAct(act)) throw new HttpProblem(404, `there are: ${Object.keys(ACTS).join(', ')}`);
    const [action, to] = ACTS[act];
    const { status, body } = await upstream.call(action, { 'InstanceId.1': id }, regionOf(request.query));
    if (status >= 300) throw new HttpProblem(400, body);
    fleet.moves(id, to);
    response.status(204).end();
  });
  return router;
}

const isAct = (text: string): text is keyof typeof ACTS => text in ACTS;
