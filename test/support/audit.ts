import { readFileSync } from 'node:fs';
import { z } from 'zod';

const auditEvent = z.object({
  verb: z.string(),
  user: z.object({ username: z.string() }),
  objectRef: z.object({ resource: z.string(), subresource: z.string().optional(), namespace: z.string().optional(), name: z.string().optional() }),
  responseStatus: z.object({ code: z.int() }),
});

/** One write that the API server has answered, whatever the answer. */
export interface Write {
  readonly verb: string;
  /** `labletsessions`, or `labletsessions/status`. */
  readonly resource: string;
  readonly namespace: string | undefined;
  /** Absent for a create with a generated name. */
  readonly name: string | undefined;
  /** HTTP status of the answer. */
  readonly code: number;
}

/** The writes by `username` in an audit log of hack/cluster, in order. */
export function writesBy(username: string, auditLog: string): Write[] {
  const lines = readFileSync(auditLog, 'utf8').split('\n').filter((line) => line.includes(username));
  return lines
    .map((line) => auditEvent.parse(JSON.parse(line)))
    .filter(({ user }) => user.username === username)
    .map(({ verb, objectRef, responseStatus }) => ({
      verb,
      resource: objectRef.subresource === undefined ? objectRef.resource : `${objectRef.resource}/${objectRef.subresource}`,
      namespace: objectRef.namespace,
      name: objectRef.name,
      code: responseStatus.code,
    }));
}
