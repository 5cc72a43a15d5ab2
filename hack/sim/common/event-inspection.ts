import { json, Router } from 'express';
import { z } from 'zod';
import { HttpProblem, read } from './web.ts';
import type { EventSender } from './event-sender.ts';

const target = z.strictObject({ url: z.url() });

/** `GET /sim/events`, `POST /sim/events/{id}/resend`, `PUT /sim/events-to {url}`. */
export function eventInspectionRoutes(sender: EventSender): Router {
  const router = Router();
  router.get('/events', (_request, response) => {
    response.json(sender.events());
  });
  router.post('/events/:id/resend', (request, response) => {
    if (!sender.resend(request.params.id)) throw new HttpProblem(404, `Event not found: ${request.params.id}`);
    response.status(202).end();
  });
  router.put('/events-to', json(), (request, response) => {
    sender.retarget(read(target, request.body).url);
    response.status(204).end();
  });
  return router;
}
