/** Where the proof of who we are comes from, and how it is renewed while the process runs. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { RequestOptions } from 'node:https';
import { ConfigurationError } from './errors.ts';

/** What one request presents: headers (Authorization, Impersonate-…) and, for mutual TLS, a certificate with its key (PEM). */
export interface Credentials {
  headers: Record<string, string | string[]>;
  cert?: string | undefined;
  key?: string | undefined;
}

export interface CredentialSource {
  /** The credentials to use now. Cheap: sources cache. @throws ConfigurationError if there are none. */
  get(): Promise<Credentials>;
  /** The API server refused these: get new ones, unless somebody else has done so already. */
  refresh(rejected: Credentials): Promise<void>;
}

/** Credentials that never change: client certificates, fixed tokens, none at all. */
export function fixedCredentials(credentials: Credentials): CredentialSource {
  return { get: async () => credentials, refresh: async () => undefined };
}

/** How long a token file is trusted before it is read again. The kubelet replaces a projected token at 80 % of its life. */
const TOKEN_FILE_MAX_AGE_MS = 60_000;

/**
 * A bearer token in a file that somebody rotates: a projected ServiceAccount token, or `tokenFile` of a kubeconfig.
 * It is read again each minute and after a refusal. While the file cannot be read, the last token goes on.
 */
export function tokenFileCredentials(file: string, extraHeaders: Credentials['headers'] = {}, now: () => number = Date.now): CredentialSource {
  let current: Credentials | undefined;
  let readAt = 0;
  const read = async (): Promise<void> => {
    readAt = now();
    try {
      const token = (await readFile(file, 'utf8')).trim();
      if (token === '') throw new Error('the file is empty');
      if (current?.headers['authorization'] === `Bearer ${token}`) return;
      current = { headers: { ...extraHeaders, authorization: `Bearer ${token}` } };
    } catch (error) {
      if (current === undefined) {
        throw new ConfigurationError(`No token could be read from ${file}: mount a ServiceAccount token there, or correct tokenFile in the kubeconfig`, { cause: error });
      }
    }
  };
  return {
    async get() {
      if (current === undefined || now() - readAt > TOKEN_FILE_MAX_AGE_MS) await read();
      if (current === undefined) throw new ConfigurationError(`No token could be read from ${file}`);
      return current;
    },
    async refresh(rejected) {
      if (current === rejected) await read();
    },
  };
}

/** `user` of a kubeconfig with `exec` or `auth-provider`, as it stands there. */
export interface PluginUser {
  readonly exec?: Readonly<Record<string, unknown>> | undefined;
  readonly [field: string]: unknown;
}

/**
 * Credentials from an exec plugin or a legacy auth provider, by `@kubernetes/client-node`, which runs the plugin again when
 * what it gave has expired. Its import takes some 400 ms and 90 MB, so it is loaded only for users that need it: never in a cluster.
 * @param directory of the kubeconfig: a relative command is meant from there.
 */
export function pluginCredentials(user: PluginUser, directory: string, extraHeaders: Credentials['headers'] = {}): CredentialSource {
  const load = async () => {
    const [{ KubeConfig }, { newUsers }] = await Promise.all([
      import('@kubernetes/client-node/dist/config.js'),
      import('@kubernetes/client-node/dist/config_types.js'),
    ]);
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: 'cluster', server: 'https://localhost', skipTLSVerify: false }],
      users: newUsers([{ name: 'user', user: withExecInfo(user, directory) }]),
      contexts: [{ name: 'context', cluster: 'cluster', user: 'user' }],
      currentContext: 'context',
    });
    return config;
  };
  let config = load();
  let last: Credentials | undefined;
  return {
    async get() {
      const options: RequestOptions = { headers: {} };
      try {
        await (await config).applyToHTTPSOptions(options);
      } catch (error) {
        throw new ConfigurationError(`The credential plugin of the kubeconfig failed: run it by hand to see why (${error instanceof Error ? error.message.trim().slice(0, 300) : ''})`, { cause: error });
      }
      const authorization = (options.headers as Record<string, string>)['Authorization'];
      const cert = pem(options.cert);
      if (last?.headers['authorization'] !== authorization || last?.cert !== cert) {
        last = { headers: { ...extraHeaders, ...(authorization === undefined ? {} : { authorization }) }, cert, key: pem(options.key) };
      }
      return last ?? { headers: {} };
    },
    async refresh(rejected) {
      // A new KubeConfig has an empty cache, so the plugin runs again.
      if (last === rejected) config = load();
    },
  };
}

/** Plugins of the v1 protocol require KUBERNETES_EXEC_INFO; client-node does not set it. */
function withExecInfo(user: PluginUser, directory: string): PluginUser {
  if (user.exec === undefined) return user;
  const { apiVersion, command, env } = user.exec;
  const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec: { interactive: false } });
  return {
    ...user,
    exec: {
      ...user.exec,
      ...(typeof command === 'string' && command.includes('/') ? { command: resolve(directory, command) } : {}),
      env: [...(Array.isArray(env) ? (env as unknown[]) : []), { name: 'KUBERNETES_EXEC_INFO', value: info }],
    },
  };
}

function pem(value: RequestOptions['cert'] | RequestOptions['key']): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value.toString();
  throw new ConfigurationError('The credential plugin gave a certificate in a form that is not PEM text');
}
