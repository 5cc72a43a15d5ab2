/** TokenReview: the API server says whose a bearer token is. */
import { z } from 'zod';
import { ProtocolError } from './errors.ts';
import type { KubeClient } from './client.ts';

const answerSchema = z.object({
  status: z.object({
    authenticated: z.boolean().optional(),
    audiences: z.array(z.string()).optional(),
    user: z.object({ username: z.string() }).partial().optional(),
  }),
});

/**
 * @param audience that the token must have been made for
 * @returns the name of the user, e.g. `system:serviceaccount:NAMESPACE:NAME`; undefined if the token is not valid for the audience
 * @throws KubeError if the API server cannot say; ForbiddenError if we may not ask it (create tokenreviews)
 */
export async function reviewToken(client: KubeClient, token: string, audience: string, signal?: AbortSignal): Promise<string | undefined> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [audience] } };
  const answer = answerSchema.safeParse(await client.raw('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review, signal === undefined ? {} : { signal }));
  if (!answer.success) throw new ProtocolError('tokenreviews: the answer is not a TokenReview');
  const { authenticated, audiences, user } = answer.data.status;
  // Without the audience in the answer the token was judged for the API server itself, not for us.
  const isOurs = authenticated === true && audiences?.includes(audience) === true;
  return isOurs ? user?.username : undefined;
}
