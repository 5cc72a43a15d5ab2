/** Ways for a command to end without having done what was asked, each with its exit code and a sentence that says what to do. */
import { ConfigurationError, ConflictError, ForbiddenError, InvalidError, KubeError, NotFoundError, TooManyRequestsError, ServerUnavailableError, TransportError, UnauthorizedError } from '../kube/errors.ts';

/** Exit codes, for scripts (docs/cli.md). */
export const EXIT = {
  done: 0,
  failed: 1,
  /** The command line or the kubeconfig. */
  usage: 2,
  notFound: 3,
  forbidden: 4,
  unreachable: 5,
  /** By the rules: the state of the object, the API server's validation, or the controller. */
  refused: 6,
  /** It was asked for, and the controller has not answered yet. */
  unanswered: 7,
} as const;

/** Something that a command has to say in place of its result. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
  override get name(): string {
    return this.constructor.name;
  }
}

/** What to tell, and with which code to end. */
export function failureOf(error: unknown, server?: string): { exitCode: number; message: string } {
  if (error instanceof CliError) return { exitCode: error.exitCode, message: error.message };
  if (error instanceof ConfigurationError) return { exitCode: EXIT.usage, message: error.message };
  if (error instanceof ForbiddenError) return { exitCode: EXIT.forbidden, message: forbidden(error.message) };
  if (error instanceof UnauthorizedError) return { exitCode: EXIT.forbidden, message: 'The API server does not accept your credentials. Log in again, or choose another context with --context.' };
  if (error instanceof ConflictError || (error instanceof NotFoundError && error.reason === 'NotFound')) return { exitCode: EXIT.failed, message: 'The object was replaced, changed or deleted meanwhile. Look at it again, and repeat the command.' };
  if (error instanceof NotFoundError) return { exitCode: EXIT.notFound, message: 'This cluster does not know the kinds of lablet.dev: install lablet-controller in it, or choose another cluster with --context.' };
  if (error instanceof InvalidError) return { exitCode: EXIT.refused, message: `The API server refuses it: ${withoutRequest(error.message)}` };
  if (error instanceof TransportError) return { exitCode: EXIT.unreachable, message: `The API server ${server ?? ''} does not answer (${withoutRequest(error.message)}). Check your network and \`kubectl cluster-info\`, or choose another cluster with --context.`.replace('  ', ' ') };
  if (error instanceof ServerUnavailableError || error instanceof TooManyRequestsError) return { exitCode: EXIT.unreachable, message: `The API server ${server ?? ''} cannot answer now (${withoutRequest(error.message)}). Try again in a moment.`.replace('  ', ' ') };
  if (error instanceof KubeError) return { exitCode: EXIT.failed, message: error.message };
  return { exitCode: EXIT.failed, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/** Kube errors begin with what was asked: `PATCH /apis/…: 422 Invalid: `. */
const withoutRequest = (message: string): string => message.replace(/^[A-Z]+ \S+: /, '').replace(/^\d{3}( \w+)?: /, '');

const CLUSTER_SCOPED = new Set(['workers', 'workertemplates', 'labs']);
const READS = new Set(['get', 'list', 'watch']);

/** Says which role is needed: the API server names user, verb, resource and namespace. */
function forbidden(message: string): string {
  const found = /User "([^"]*)" cannot (\w+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?/.exec(message);
  if (!found) return `Not allowed: ${withoutRequest(message)}`;
  const [, user = '', verb = '', resource = '', group = '', namespace] = found;
  const what = `${user} may not ${verb} ${resource}${namespace === undefined ? ' of the whole cluster' : ` in namespace ${namespace}`}.`;
  if (group !== 'lablet.dev') return `Not allowed: ${what} The role view of Kubernetes allows it.`;
  const role = READS.has(verb) ? 'view' : CLUSTER_SCOPED.has(resource) ? 'admin' : 'edit';
  const grant = namespace === undefined
    ? `kubectl create clusterrolebinding NAME --clusterrole=lablet-${role} --user=${user}`
    : `kubectl create rolebinding NAME -n ${namespace} --clusterrole=${role} --user=${user}`;
  const otherwise = namespace === undefined && !CLUSTER_SCOPED.has(resource) ? ' Or leave out -A and name your namespace with -n.' : '';
  return `Not allowed: ${what} It takes the role ${role}; an administrator grants it with\n  ${grant}${otherwise === '' ? '' : `\n${otherwise.trim()}`}`;
}
