/** Who is asking, and may they? Both are the API server's to say: TokenReview and SubjectAccessReview. */
import { z } from 'zod';
import { ProtocolError } from './errors.ts';
import type { KubeClient } from './client.ts';

const userSchema = z.object({
  username: z.string(),
  uid: z.string().optional(),
  groups: z.array(z.string()).optional(),
  extra: z.record(z.string(), z.array(z.string())).optional(),
});
/** As a TokenReview names somebody, and as a SubjectAccessReview wants them. */
export type KubeUser = z.output<typeof userSchema>;

const tokenReview = z.object({ status: z.object({ authenticated: z.boolean().optional(), audiences: z.array(z.string()).optional(), user: userSchema.partial().optional() }) });
const accessReview = z.object({ status: z.object({ allowed: z.boolean() }) });

/**
 * Whose a token is.
 * @param audience that the token must have been made for (`kubectl create token NAME --audience=…`); default: the API server itself
 * @returns undefined if it is not valid for that audience
 * @throws KubeError if the API server cannot say; ForbiddenError if we may not ask it (create tokenreviews)
 */
export async function whoIs(client: KubeClient, token: string, signal: AbortSignal, audience?: string): Promise<KubeUser | undefined> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, ...(audience === undefined ? {} : { audiences: [audience] }) } };
  const answer = tokenReview.safeParse(await client.raw('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review, { signal }));
  if (!answer.success) throw new ProtocolError('tokenreviews: the answer is not a TokenReview');
  const { authenticated, audiences, user } = answer.data.status;
  // Without the audience in the answer, an API server that knows of none has judged the token for itself.
  const isMeant = audience === undefined || audiences?.includes(audience) === true;
  return authenticated === true && isMeant ? userSchema.safeParse(user).data : undefined;
}

/** What somebody wants to do; without a namespace: in all of them, or to a resource that is in none. */
export interface Access {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  readonly namespace?: string | undefined;
}

/**
 * May this user? RBAC (or whatever authorises in this cluster) decides; the resource need not exist.
 * @throws KubeError if the API server cannot say; ForbiddenError if we may not ask it (create subjectaccessreviews)
 */
export async function mayDo(client: KubeClient, { username, uid, groups, extra }: KubeUser, access: Access, signal: AbortSignal): Promise<boolean> {
  const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { user: username, uid, groups, extra, resourceAttributes: access } };
  const answer = accessReview.safeParse(await client.raw('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', review, { signal }));
  if (!answer.success) throw new ProtocolError('subjectaccessreviews: the answer is not a SubjectAccessReview');
  return answer.data.status.allowed;
}
