import { json, Router, urlencoded, type RequestHandler } from 'express';
import { z } from 'zod';
import type { TokenIssuer } from '../common/jwt.ts';
import { HttpProblem, read } from '../common/web.ts';
import type { GeSession, GradingEngine, Part } from './engine.ts';
import { judge } from './report.ts';
import { gradingRuleFor, type Script } from '../common/script.ts';

const device = z.object({
  label: z.string().min(1),
  hostname: z.string().min(1),
  collector: z.string(),
  interfaces: z.array(
    z.object({
      name: z.string().min(1),
      protocol: z.string().min(1),
      host: z.string().min(1),
      port: z.int().min(1).max(65_535).optional(),
      authentication: z.object({ scheme: z.string(), properties: z.record(z.string(), z.unknown()).optional() }).optional(),
      configuration: z.unknown().optional(),
    }),
  ),
});
const pod = z.object({ id: z.string().min(1), devices: z.array(device) });
const part = z.object({ id: z.string().min(1), pod: pod.optional() });
const session = z.object({
  id: z.string().min(1).optional(),
  candidateId: z.string().min(1),
  lds: z.object({ id: z.string(), environment: z.string() }).optional(),
  parts: z.array(part).default([]),
});
const newPart = z.object({ sessionId: z.string(), part });
const scoring = z.object({ cutScore: z.int().nonnegative().optional(), minScore: z.int().nonnegative().optional(), rereadScore: z.boolean().optional() });
const tokenRequest = z.object({ grant_type: z.literal('client_credentials'), client_id: z.string().optional(), client_secret: z.string().optional() });

/** `POST /oauth/token`: client credentials, in the form or as HTTP Basic, for a bearer token. */
export function tokenRoute(tokens: TokenIssuer, client: { id: string; secret: string }): Router {
  const router = Router();
  router.post('/oauth/token', urlencoded({ extended: false }), (request, response) => {
    const form = read(tokenRequest, request.body);
    const basic = /^Basic (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const [id = '', secret = ''] = basic === undefined ? [form.client_id, form.client_secret] : Buffer.from(basic, 'base64').toString().split(':').map(formDecode);
    if (id !== client.id || secret !== client.secret) throw new HttpProblem(401, 'invalid_client');
    response.json({ access_token: tokens.issue(id), token_type: 'Bearer', expires_in: tokens.lifetimeSeconds });
  });
  return router;
}

/** RFC 6749 §2.3.1: id and secret come form-encoded. */
const formDecode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));

/** Refuses calls without a good bearer token. */
export function requireBearer(tokens: TokenIssuer): RequestHandler {
  return (request, response, next) => {
    const checked = tokens.check(request.headers.authorization);
    if ('problem' in checked) {
      response.setHeader('WWW-Authenticate', 'Bearer error="invalid_token"');
      throw new HttpProblem(401, `The access token is ${checked.problem}`);
    }
    next();
  };
}

/** The operations of the grading API, version 1, that a delivery needs. */
export function gradingRoutes(engine: GradingEngine, rules: Script['grading']): Router {
  const router = Router();
  router.use(json());
  router.post('/sessions', (request, response) => {
    response.json(sessionView(engine.create(read(session, request.body))));
  });
  router.get('/sessions/:session', (request, response) => {
    response.json(sessionView(engine.session(request.params.session)));
  });
  router.post('/sessions/parts', (request, response) => {
    const body = read(newPart, request.body);
    response.json(sessionView(engine.addPart(body.sessionId, body.part)));
  });
  const podPath = '/sessions/:session/parts/:part/pod';
  router.post(podPath, (request, response) => {
    response.json(partView(engine.assignPod(request.params.session, request.params.part, read(pod, request.body), 'new')));
  });
  router.put(podPath, (request, response) => {
    response.json(partView(engine.assignPod(request.params.session, request.params.part, read(pod, request.body), 'replace')));
  });
  router.delete(podPath, (request, response) => {
    response.json(partView(engine.assignPod(request.params.session, request.params.part, null, 'replace')));
  });
  router.post('/sessions/:session/parts/:part/grade', (request, response) => {
    response.status(202).json(partView(engine.grade(request.params.session, request.params.part)));
  });
  router.post('/sessions/:session/parts/:part/submit', (request, response) => {
    const graded = engine.part(request.params.session, request.params.part);
    if (graded.scoreReport === null) throw new HttpProblem(409, `Part ${graded.id} is not graded yet`);
    graded.status = 'SUBMITTED';
    response.json(partView(graded));
  });
  router.get('/sessions/:session/parts/:part/score/view', (request, response) => {
    const graded = engine.part(request.params.session, request.params.part);
    if (graded.scoreReport === null) throw new HttpProblem(404, `Part ${graded.id} has no score`);
    const { cutScore, passed } = judge(gradingRuleFor(rules, engine.session(request.params.session).candidateId), graded.ruleSet.cutScore);
    response.json({ ...graded.scoreReport, cutScore: cutScore ?? null, passed });
  });
  router.post('/sessions/:session/parts/:part/ruleset/grading/synchronize', (request, response) => {
    const target = engine.part(request.params.session, request.params.part);
    target.synchronized += 1;
    response.json(partView(target));
  });
  router.put('/sessions/:session/parts/:part/ruleset/scoring', (request, response) => {
    const target = engine.part(request.params.session, request.params.part);
    Object.assign(target.ruleSet, read(scoring, request.body));
    response.json(partView(target));
  });
  return router;
}

function sessionView(one: GeSession): Record<string, unknown> {
  const status = one.parts.every((each) => each.scoreReport !== null) && one.parts.length > 0 ? 'GRADED' : 'ACTIVE';
  return { id: one.id, candidateId: one.candidateId, lds: one.lds, status, parts: one.parts.map(partView) };
}

function partView({ id, status, statusReason, pod: assigned, scoreReport }: Part): Record<string, unknown> {
  return { id, status, statusReason, pod: assigned, scoreReport };
}
