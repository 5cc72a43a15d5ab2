import { readFileSync } from 'node:fs';
import { z } from 'zod';

const auditEvent = z.object({
  stage: z.string(),
  verb: z.string(),
  requestURI: z.string(),
  user: z.object({ username: z.string() }),
  objectRef: z.object({ apiGroup: z.string().default(''), resource: z.string(), subresource: z.string().optional(), namespace: z.string().optional(), name: z.string().optional() }).optional(),
  responseStatus: z.object({ code: z.int() }).optional(),
});

/** One request that the API server has answered, whatever the answer. */
export interface AuditedRequest {
  readonly verb: string;
  /** '' for the core group. */
  readonly group: string;
  /** `labletsessions`, or `labletsessions/status`. */
  readonly resource: string;
  readonly namespace: string | undefined;
  /** Absent for a create with a generated name. */
  readonly name: string | undefined;
  /** HTTP status of the answer. */
  readonly code: number;
}

const WRITES = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** The writes by `username` in an audit log of hack/cluster, in order. */
export function writesBy(username: string, auditLog: string): AuditedRequest[] {
  return requestsBy(username, auditLog).filter(({ verb }) => WRITES.includes(verb));
}

/**
 * All requests by `username` for objects, in order; a watch counts when it has begun. Reads are logged for the controller only.
 * @throws Error for a request of something else than an object (`/version`), for which no rule of ours could give the right
 */
export function requestsBy(username: string, auditLog: string): AuditedRequest[] {
  const lines = readFileSync(auditLog, 'utf8').split('\n').filter((line) => line.includes(username));
  return lines
    .map((line) => auditEvent.parse(JSON.parse(line)))
    .filter(({ user, stage, verb }) => user.username === username && (verb === 'watch') === (stage === 'ResponseStarted'))
    .map(({ verb, objectRef, responseStatus, requestURI }) => {
      if (!objectRef) throw new Error(`${username} asked for ${requestURI}`);
      const { apiGroup: group, resource, subresource, namespace, name } = objectRef;
      return { verb, group, resource: subresource === undefined ? resource : `${resource}/${subresource}`, namespace, name, code: responseStatus?.code ?? 0 };
    });
}
