/**
 * Keeps secrets out of whatever leaves the process as text: logs, Kubernetes Events, error messages.
 *
 * Two nets. By name: the value of a field that is known to hold a secret is replaced, at any depth
 * and however the name is written (`loginUrl`, `login_url`, `LOGIN-URL`). pino's own `redact` option
 * knows fixed paths only, and a secret turns up where nobody listed a path. By shape: what looks like
 * a credential inside a text is replaced, because messages and URLs carry secrets without a name.
 */

const REDACTED = '[redacted]';

/** Names without case and punctuation. */
const SECRET_NAMES = new Set([
  'authorization', 'proxyauthorization', 'cookie', 'setcookie',
  'password', 'passwd', 'passphrase', 'token', 'accesstoken', 'refreshtoken', 'idtoken', 'bearertoken',
  'secret', 'clientsecret', 'secretaccesskey', 'awssecretaccesskey', 'sessiontoken', 'apikey', 'xapikey',
  'privatekey', 'clientkey', 'clientkeydata', 'aegsaskey', 'aegsastoken', 'eventgridkey',
  'loginurl', 'launchurl', 'credentials',
]);

/** Deep enough for every object that we log; below it nothing is shown rather than shown unchecked. */
const DEEPEST = 8;

// Each is linear in the length of the text, since strangers choose what some of it says.
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic|SharedAccessSignature|SharedAccessKey)\s+[\w.~+/=%&:-]{6,}/gi, `$1 ${REDACTED}`],
  // Up to the last @ before the path: an @ in a password is often left as it is.
  [/(\w:\/\/)[^\s/]*@/g, `$1${REDACTED}@`],
  [/([?&](?:token|access_token|key|aeg-sas-key|sig|signature|password|code|x-amz-signature|x-amz-credential|x-amz-security-token)=)[^\s&#"']+/gi, `$1${REDACTED}`],
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, REDACTED],
];

/** `text` without the credentials that can be told by their shape (bearer tokens, JWTs, user:password@, ?token=). */
export function redactText(text: string): string {
  return SHAPES.reduce((clean, [shape, replacement]) => clean.replace(shape, replacement), text);
}

/** A copy of `value` in which every known secret is replaced; errors become `{name, message, code, stack, cause}`. */
export function redact(value: unknown): unknown {
  return walk(value, 0, []);
}

function walk(value: unknown, depth: number, above: readonly object[]): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DEEPEST || above.includes(value)) return '[…]';
  const path = [...above, value];
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.map((item) => walk(item, depth + 1, path));
  return Object.fromEntries(
    Object.entries(value instanceof Error ? plainError(value) : value)
      .map(([name, inner]) => [name, isSecretName(name) && inner != null ? REDACTED : walk(inner, depth + 1, path)]),
  );
}

function isSecretName(name: string): boolean {
  return SECRET_NAMES.has(name.replace(/[^a-z0-9]/gi, '').toLowerCase());
}

/** Only what is known to be safe to show: an HTTP client's error may carry the whole request. */
function plainError(error: Error): Record<string, unknown> {
  const { code } = error as { code?: unknown };
  return {
    name: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  };
}
