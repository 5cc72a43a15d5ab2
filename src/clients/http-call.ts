import type { Dispatcher } from 'undici';

/** One call to a host: what is sent, and what may be concluded when the answer is lost. */
export interface HttpCall {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Path template; its {names} are filled from `params`, URL-encoded. The template is what messages and metrics show. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** At most one of the three: JSON, text as it is, an HTML form. */
  readonly json?: unknown;
  readonly text?: string;
  readonly form?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  /** Changes something on the other side, so that a lost answer leaves the outcome unknown. @default all but GET */
  readonly effect?: boolean;
  /** A second sending does no harm, so transient failures are retried. @default GET, PUT, DELETE */
  readonly repeatable?: boolean;
  /** Asks whether the host is there: tried once, past an open circuit, and its failure does not open one. @default false */
  readonly probe?: boolean;
  /** Strings in the body that no error text may repeat; the Authorization header is guarded without being named. */
  readonly secrets?: readonly string[];
}

/** What messages and metrics call it: "PUT /labs/{id}/start". */
export function nameOf(call: HttpCall): string {
  return `${call.method} ${call.path}`;
}

/** False if a lost answer leaves nothing to find out. */
export function hasEffect(call: HttpCall): boolean {
  return call.effect ?? call.method !== 'GET';
}

/** True if transient failures may be met by sending the call again. */
export function isRepeatable(call: HttpCall): boolean {
  return call.repeatable ?? ['GET', 'PUT', 'DELETE'].includes(call.method);
}

/** What no error text may repeat: as it is, as it stands in JSON, and as it stands in a form or a URL. */
export function secretsOf(call: HttpCall): string[] {
  const [scheme = '', given = ''] = call.headers?.['authorization']?.split(' ') ?? [];
  // A service that refuses Basic may tell the password that it has decoded.
  const password = scheme === 'Basic' ? Buffer.from(given, 'base64').toString('utf8').replace(/^[^:]*:/, '') : '';
  return [...(call.secrets ?? []), given, password].flatMap((secret) => {
    const form = new URLSearchParams([['', secret]]).toString().slice(1);
    return [secret, JSON.stringify(secret).slice(1, -1), form, form.replaceAll('+', '%20')];
  });
}

/**
 * The call as undici wants it.
 * @throws TypeError if a path parameter is missing, or is one that would change the path.
 */
export function toRequest(call: HttpCall, basePath: string): Dispatcher.RequestOptions {
  const path = call.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = call.params?.[name];
    if (value === undefined || ['', '.', '..'].includes(String(value))) throw new TypeError(`${nameOf(call)}: no usable value for {${name}}`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams(Object.entries(call.query ?? {}).map(([name, value]): [string, string] => [name, String(value)])).toString();
  const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'lablet-controller', ...call.headers };
  const request = { method: call.method, path: `${basePath}${path}${query === '' ? '' : `?${query}`}`, headers };
  if (call.json !== undefined) return { ...request, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(call.json) };
  if (call.form !== undefined) {
    return { ...request, headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(call.form).toString() };
  }
  return call.text === undefined ? request : { ...request, body: call.text };
}
