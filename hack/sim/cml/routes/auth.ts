import { json, Router, type RequestHandler } from 'express';
import { z } from 'zod';
import { HttpProblem, read } from '../../common/web.ts';
import type { Cml } from '../simulator.ts';

const credentials = z.object({ username: z.string(), password: z.string() });

/** Login, logout and the question "is this token good?". */
export function authRoutes({ options, tokens, users, newAuthentication }: Cml): Router {
  const router = Router();
  const logIn = (body: unknown): string => {
    const { username, password } = read(credentials, body);
    if (username !== options.user || password !== options.password) throw new HttpProblem(403, 'Authentication failed!');
    return tokens.issue(username);
  };
  router.post('/authenticate', json({ type: () => true }), (request, response) => {
    response.json(logIn(request.body));
  });
  router.post('/auth_extended', json({ type: () => true }), (request, response) => {
    const { id, username, admin } = users.login;
    response.json({ id, username, token: logIn(request.body), admin, error: null });
  });
  router.use(requireToken({ tokens }));
  router.get(newAuthentication ? '/authentication' : '/authok', (_request, response) => {
    const { id, username, admin } = users.login;
    response.json(newAuthentication ? { id, username, admin } : 'OK');
  });
  router.delete('/logout', (request, response) => {
    if (request.query['clear_all_sessions'] === 'true') tokens.revokeAll();
    else tokens.revoke(request.headers.authorization);
    response.json(true);
  });
  return router;
}

function requireToken({ tokens }: Pick<Cml, 'tokens'>): RequestHandler {
  return (request, _response, next) => {
    const checked = tokens.check(request.headers.authorization);
    if ('problem' in checked) throw new HttpProblem(401, `Authorization token is ${checked.problem}`);
    next();
  };
}
