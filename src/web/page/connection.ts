/** The stream from the controller: opened with the token, read line by line, opened again whenever it breaks off. */
import type { LiveMessage } from './messages.ts';

export type ConnectionState =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** It will be tried again by itself. */
  | { readonly state: 'lost'; readonly why: string }
  /** Nothing will change by trying again: the token or the namespace is not good for it. */
  | { readonly state: 'refused'; readonly status: number; readonly why: string };

export interface ConnectionOptions {
  readonly token: string;
  readonly namespace: string;
  readonly window: { readonly from: number; readonly to: number };
  readonly onMessage: (message: LiveMessage) => void;
  readonly onState: (state: ConnectionState) => void;
}

/** Longer than the longest silence of the controller. */
const SILENCE_MS = 40_000;
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [1000, 30_000];

/** Runs until the signal aborts or the token is refused. */
export async function connect(options: ConnectionOptions, signal: AbortSignal): Promise<void> {
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    options.onState({ state: 'connecting' });
    let why: string;
    try {
      const response = await fetchAs(options.token, `page/live?${query(options)}`, signal);
      if (response.status === 400 || response.status === 401 || response.status === 403) {
        options.onState({ state: 'refused', status: response.status, why: await errorOf(response) });
        return;
      }
      why = response.ok ? await read(response, options, () => (wait = FIRST_WAIT_MS)) : await errorOf(response);
    } catch (error) {
      why = error instanceof SyntaxError ? 'the controller sent something that is not JSON' : 'the controller cannot be reached';
    }
    options.onState({ state: 'lost', why });
    await pause(wait * (0.5 + Math.random()), signal);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

/** A request with the token. It ends with the signal. */
export function fetchAs(token: string, url: string, signal: AbortSignal): Promise<Response> {
  return fetch(url, { headers: { authorization: `Bearer ${token}` }, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
}

/** What the controller says is wrong. */
export async function errorOf(response: Response): Promise<string> {
  const answer: unknown = await response.json().catch(() => undefined);
  return typeof answer === 'object' && answer !== null && 'error' in answer && typeof answer.error === 'string' ? answer.error : `the controller answered ${response.status}`;
}

function query({ window: { from, to }, namespace }: ConnectionOptions): URLSearchParams {
  return new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString(), ...(namespace === '' ? {} : { namespace }) });
}

/** Hands on every line until the stream ends. @returns why it ended */
async function read(response: Response, { onMessage, onState }: ConnectionOptions, onLine: () => void): Promise<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return 'the controller sent nothing';
  let rest = '';
  for (;;) {
    const next = await within(SILENCE_MS, reader.read());
    if (next === undefined) {
      void reader.cancel();
      return 'the controller went silent';
    }
    if (next.done) return 'the controller ended the stream';
    const lines = (rest + next.value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as LiveMessage;
      if (message.kind === 'end') return message.error;
      onLine();
      onState({ state: 'live' });
      onMessage(message);
    }
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const time = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => time.resolve(undefined), ms);
  try {
    return await Promise.race([promise, time.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
