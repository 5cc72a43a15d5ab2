import { Router, text } from 'express';
import { z } from 'zod';
import { read } from '../../common/web.ts';
import { claimPorts } from '../ports.ts';
import type { Cml } from '../simulator.ts';
import { labSummary } from '../views.ts';

const foreignLab = z.object({ title: z.string().default('Foreign lab'), owner: z.string().default('somebody-else'), start: z.enum(['true', 'false']).default('false') });

const EMPTY_LAB = 'lab: {title: Foreign lab, version: 0.3.0}\nnodes: [{id: n0, label: r1, node_definition: iosv, tags: ["serial:2500"]}]\n';

/**
 * What tests and people may ask and do behind the API's back, without a login:
 * `GET /sim/labs`, `GET /sim/ports`, `POST /sim/foreign-lab?title=&owner=&start=` (body: a lab file, or empty),
 * `DELETE /sim/labs/{id}` (the lab is lost), `PUT /sim/labs/{id}/stop|start` (somebody else's hand),
 * `POST /sim/expire-tokens`.
 */
export function cmlInspectionRoutes({ host, users, tokens, settings, clashesSeen }: Cml): Router {
  const router = Router();
  router.get('/labs', (_request, response) => {
    response.json(host.labs().map((lab) => labSummary(lab, users.nameOf(lab.owner))));
  });
  router.get('/ports', (_request, response) => {
    response.json({ ...claimPorts(host.labs(), settings.portWindow), clashesSeen });
  });
  router.post('/foreign-lab', text({ type: () => true, limit: '2mb' }), (request, response) => {
    const { title, owner, start } = read(foreignLab, request.query);
    const body: unknown = request.body;
    const lab = host.import(typeof body === 'string' && body !== '' ? body : EMPTY_LAB, users.ensure(owner).id, title);
    if (start === 'true') host.start(lab.id);
    response.status(201).json(labSummary(lab, owner));
  });
  router.delete('/labs/:lab', (request, response) => {
    host.lose(host.lab(request.params.lab).id);
    response.status(204).end();
  });
  for (const action of ['start', 'stop'] as const) {
    router.put(`/labs/:lab/${action}`, (request, response) => {
      host[action](z.string().parse(request.params['lab']));
      response.status(204).end();
    });
  }
  router.post('/expire-tokens', (_request, response) => {
    tokens.revokeAll();
    response.status(204).end();
  });
  return router;
}
