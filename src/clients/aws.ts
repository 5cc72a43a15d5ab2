/** What calls to AWS have in common, whatever the service; its SDK repeats what may pass by itself. */
import { z } from 'zod';
import { orAbort } from './abort.ts';
import { ExternalError } from './errors.ts';
import type { OnCall } from './call.ts';
import type { ExternalSystem } from './errors.ts';

export interface AwsCall {
  readonly system: ExternalSystem;
  /** Who is spoken to, in messages and metrics. */
  readonly host: string;
  /** The operation, "PutObject". */
  readonly call: string;
  /** For the call with its repetitions, in milliseconds. */
  readonly timeoutMs: number;
  readonly onCall?: OnCall | undefined;
}

/**
 * Does one call, and tells of it.
 * @param signal ends it. @param work is given a signal that ends with `signal` and after the time limit
 * @param failureOf what is thrown for an error; `isCutOff`: no answer came, since the work was ended
 */
export async function awsCall<T>({ system, host, call, timeoutMs, onCall }: AwsCall, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>, failureOf: (error: unknown, isCutOff: boolean) => Error): Promise<T> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const started = performance.now();
  let status: number | string = 'badResponse';
  try {
    // The chain of credentials takes no signal.
    const answer = await orAbort(work(within), within);
    status = 200;
    return answer;
  } catch (error) {
    const failure = failureOf(error, within.aborted);
    if (failure instanceof ExternalError) status = failure.status ?? failure.kind;
    else if (signal.aborted) status = 'aborted';
    throw failure;
  } finally {
    onCall?.({ system, host, call, status, seconds: (performance.now() - started) / 1000 });
  }
}

const sdkError = z.object({
  name: z.string(),
  message: z.string().catch(''),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional(),
});

/** What errors of the SDK say: AWS's own word, a sentence (or ''), the HTTP status if there was an answer. */
export function readSdkError(error: unknown): { readonly name: string; readonly message: string; readonly status: number | undefined } {
  const { name, message, $metadata } = sdkError.safeParse(error).data ?? { name: 'Error', message: '' };
  return { name, message: message === name ? '' : message, status: $metadata?.httpStatusCode };
}

/** Said for an error of this name before anything is sent. */
export const isWithoutCredentials = (name: string): boolean => name === 'CredentialsProviderError' || name === 'TokenProviderError';
export const NO_CREDENTIALS = { kind: 'unauthorized', description: 'no AWS credentials were found: give the controller an IAM role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY' } as const;
