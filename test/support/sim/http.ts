import { z } from 'zod';

interface Answer {
  readonly status: number;
  /** The body as JSON; its text when it is not JSON; null when there is none. */
  readonly body: unknown;
}

/** Calls `METHOD path` below a base URL with fixed headers. Text goes out as it is, anything else as JSON. */
export type Caller = (call: string, body?: unknown) => Promise<Answer>;

export function callerOf(baseUrl: string, headers: Readonly<Record<string, string>> = {}): Caller {
  return async (call, body) => {
    const [method = 'GET', path = '/'] = call.split(' ');
    const json = body !== undefined && typeof body !== 'string';
    const response = await fetch(`${baseUrl}${path}`, {
      method, redirect: 'manual',
      headers: { ...headers, ...(json && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: response.status, body: parse(await response.text()) };
  };
}

function parse(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A caller of the CML API that is logged in as admin. */
export async function cmlCaller(url: string): Promise<Caller> {
  const { body } = await callerOf(`${url}/api/v0`)('POST /authenticate', { username: 'admin', password: 'secret' });
  return callerOf(`${url}/api/v0`, { authorization: `Bearer ${z.string().parse(body)}` });
}

/** Imports a lab and returns its id. */
export async function importLab(cml: Caller, topology: string, title = 'lab'): Promise<string> {
  const { body } = await cml(`POST /import?title=${encodeURIComponent(title)}`, topology);
  return z.object({ id: z.string() }).parse(body).id;
}
