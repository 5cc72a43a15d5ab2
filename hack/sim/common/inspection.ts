import { json, Router } from 'express';
import { faultSwitch, type Faults } from './faults.ts';
import type { Journal } from './journal.ts';
import { read } from './web.ts';

/**
 * The part of `/sim` that all simulators share: `GET /sim/calls?match=`, `GET /sim/counters`,
 * `GET` and `POST /sim/fault`, `POST /sim/reset`. It needs no login: it is for tests and people.
 */
export function inspectionRoutes(what: { journal: Journal; faults: Faults; reset: () => void }): Router {
  const router = Router();
  router.use(json());
  router.get('/calls', (request, response) => {
    const { match } = request.query;
    response.json(what.journal.calls(typeof match === 'string' ? match : ''));
  });
  router.get('/counters', (_request, response) => {
    response.json(what.journal.counters());
  });
  router.get('/fault', (_request, response) => {
    response.json(what.faults.report());
  });
  router.post('/fault', (request, response) => {
    what.faults.set(read(faultSwitch, request.body));
    response.json(what.faults.report());
  });
  router.post('/reset', (_request, response) => {
    what.reset();
    response.status(204).end();
  });
  return router;
}
