import { json, Router, type RequestHandler } from 'express';
import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { HttpProblem, read } from '../common/web.ts';
import type { LabDelivery, LdsSession } from './delivery.ts';

const booking = z.looseObject({
  origin: z.string(),
  auth_id: z.string().min(1),
  auth_id_type: z.literal('ordered_session'),
  candidate_id: z.string().min(1),
  location: z.string(),
  timezone_offset: z.number(),
  first_name: z.string(),
  last_name: z.string(),
  rack_group: z.string(),
  rack_number: z.int(),
  scheduled_date: z.iso.datetime({ offset: true }),
  session_parts: z.array(z.looseObject({ repository_type: z.literal('minio'), form_qualified_name: z.string().min(1) })),
});

const devices = z.array(
  z.object({
    device_label: z.string().min(1),
    protocol: z.enum(['telnet', 'ssh', 'vnc', 'web']),
    host: z.string().min(1),
    port: z.int().min(1).max(65_535).optional(),
    password: z.string().optional(),
  }),
);
const partNumber = z.coerce.number().int().positive();

/** HTTP Basic authentication with one login. */
export function requireBasicLogin(user: string, password: string): RequestHandler {
  const expected = Buffer.from(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
  return (request, response, next) => {
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      response.setHeader('WWW-Authenticate', 'Basic realm="lds"');
      throw new HttpProblem(401, 'Invalid credentials');
    }
    next();
  };
}

/** The reservations API, version 3. `launchUrl` makes the signed link of a session. */
export function reservationRoutes(delivery: LabDelivery, launchUrl: (session: LdsSession) => string): Router {
  const router = Router();
  router.use(json());
  router.post('/lab_session', (request, response) => {
    response.json({ session_id: delivery.create(read(booking, request.body)).id });
  });
  router.get('/lab_session/:id', (request, response) => {
    response.json(sessionView(delivery.session(request.params.id)));
  });
  router.put('/lab_session/:id/part/:part/devices', (request, response) => {
    const list = read(devices, request.body);
    delivery.setDevices(request.params.id, read(partNumber, request.params.part), list);
    response.json(list);
  });
  router.get('/lab_session/:id/lablet_launch_url', (request, response) => {
    response.json({ url: launchUrl(delivery.launch(request.params.id)) });
  });
  router.post('/lab_session/:id/release', (request, response) => {
    if (request.is('application/json') === false || request.body === undefined) throw new HttpProblem(415, 'a JSON body is required, {} will do');
    response.json(sessionView(delivery.release(request.params.id)));
  });
  router.put('/lab_folder/minio/:form', (request, response) => {
    response.json({ Version: String(delivery.refreshContent(request.params.form)), Size: 4_096, Name: request.params.form });
  });
  return router;
}

/** On the wire a state carries the prefix SESSION_; passwords are never given back. */
function sessionView({ id, state, authId, candidateId, parts }: LdsSession): Record<string, unknown> {
  return {
    id, state: `SESSION_${state}`, auth_id: authId, candidate_id: candidateId,
    session_parts: parts.map((part) => ({
      form_qualified_name: part.formQualifiedName,
      session_part_state: `SESSION_PART_${state}`,
      devices: part.devices.map(({ device_label, protocol, host, port }) => ({ device_label, protocol, host, port })),
    })),
  };
}
