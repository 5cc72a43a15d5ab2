import { Router } from 'express';
import { createHmac, randomBytes } from 'node:crypto';
import { HttpProblem } from '../common/web.ts';
import type { LabDelivery, LdsSession } from './delivery.ts';

/** Signed links to a candidate's page, and the page itself: two buttons, to begin and to finish. */
export class LaunchPages {
  readonly #delivery: LabDelivery;
  readonly #key = randomBytes(32);

  constructor(delivery: LabDelivery) {
    this.#delivery = delivery;
  }

  /** The link of a session below `baseUrl`: whoever has it is let in. */
  linkTo(session: LdsSession, baseUrl: string): string {
    return `${baseUrl}/launch/${session.id}?signature=${this.#sign(session.id)}`;
  }

  routes(): Router {
    const router = Router();
    router.use('/launch/:id', (request, _response, next) => {
      if (request.query['signature'] !== this.#sign(request.params.id)) throw new HttpProblem(403, 'The link is not valid');
      next();
    });
    router.get('/launch/:id', (request, response) => {
      response.send(page(this.#delivery.open(request.params.id), this.#sign(request.params.id)));
    });
    router.post('/launch/:id/begin', (request, response) => {
      this.#delivery.start(request.params.id);
      response.redirect(303, this.linkTo(this.#delivery.session(request.params.id), ''));
    });
    router.post('/launch/:id/finish', (request, response) => {
      this.#delivery.end(request.params.id, { reason: 'user_finished', endedBy: 'candidate' });
      response.redirect(303, this.linkTo(this.#delivery.session(request.params.id), ''));
    });
    return router;
  }

  #sign(id: string): string {
    return createHmac('sha256', this.#key).update(id).digest('base64url');
  }
}

function page({ id, state, parts }: LdsSession, signature: string): string {
  const button = (action: string): string => `<form method="post" action="/launch/${id}/${action}?signature=${signature}"><button>${action}</button></form>`;
  const rows = parts.flatMap((part) => part.devices).map(({ device_label, protocol, host, port }) => `<li>${escape(`${device_label}: ${protocol}://${host}:${port ?? ''}`)}</li>`);
  return `<!doctype html><meta charset="utf-8"><title>Lab session</title><h1>Lab session ${id}</h1><p>State: ${state}</p><ul>${rows.join('')}</ul>${button('begin')}${button('finish')}`;
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
