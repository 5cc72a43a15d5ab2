/** Finds out which API server to speak to and as whom: kubeconfig files, or the ServiceAccount of the pod. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { isIPv6 } from 'node:net';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigurationError } from './errors.ts';
import { fixedCredentials, pluginCredentials, tokenFileCredentials, type Credentials, type CredentialSource } from './credentials.ts';

/** All that the transport needs to know of a cluster. */
export interface Connection {
  /** Scheme, host and port, with a path prefix if the API stands behind one. */
  server: URL;
  /** PEM of the authority that signs the server's certificate; undefined: the system's. */
  ca?: string | undefined;
  /** Name to expect in the server's certificate, if it is not the host of `server`. */
  tlsServerName?: string | undefined;
  insecureSkipTlsVerify?: boolean;
  /** HTTP(S) proxy to go through. */
  proxyUrl?: string | undefined;
  credentials: CredentialSource;
  /** Namespace of the context or of the pod. */
  namespace: string;
  /** Where all this came from, for the log. */
  origin: string;
}

export interface ConnectionOptions {
  /** Path of a kubeconfig, or several with the system's path separator. Default: `KUBECONFIG`, else the pod's ServiceAccount, else `~/.kube/config`. */
  kubeconfig?: string | undefined;
  /** Context to use. Default: `current-context`. */
  context?: string | undefined;
  /** Default: `process.env`. */
  env?: NodeJS.ProcessEnv;
  /** Where the kubelet mounts the ServiceAccount; tests move it. */
  serviceAccountDirectory?: string;
}

/**
 * The connection that these options, the environment and the files describe.
 * @throws ConfigurationError with a sentence that says what to do.
 */
export async function loadConnection(options: ConnectionOptions = {}): Promise<Connection> {
  const env = options.env ?? process.env;
  const account = options.serviceAccountDirectory ?? '/var/run/secrets/kubernetes.io/serviceaccount';
  const named = options.kubeconfig ?? env['KUBECONFIG'] ?? '';
  if (named !== '') return fromKubeconfig(named.split(delimiter).filter((file) => file !== ''), options.context);
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (host !== undefined && existsSync(join(account, 'token'))) return fromServiceAccount(host, env['KUBERNETES_SERVICE_PORT'] ?? '443', account);
  // Asked for last: in a pod, a user with an arbitrary number has no home, and homedir() throws.
  // Last, and only here: in a container the user may be in no list of users, and then has no home to ask for.
  const home = join(env['HOME'] ?? homedir(), '.kube', 'config');
  if (existsSync(home)) return fromKubeconfig([home], options.context);
  throw new ConfigurationError(`No cluster is configured: set KUBECONFIG, or run in a pod with a ServiceAccount, or create ${home}`);
}

async function fromServiceAccount(host: string, port: string, directory: string): Promise<Connection> {
  const read = (file: string): Promise<string> => readFile(join(directory, file), 'utf8');
  return {
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    ca: await read('ca.crt'),
    credentials: tokenFileCredentials(join(directory, 'token')),
    namespace: (await read('namespace')).trim(),
    origin: 'ServiceAccount of the pod',
  };
}

const text = z.string().min(1).optional();
const clusterSchema = z.object({
  server: z.string().min(1),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': text,
  'proxy-url': text,
});
const userSchema = z.looseObject({
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  'as-groups': z.array(z.string()).optional(),
  exec: z.looseObject({ command: z.string().min(1) }).optional(),
  'auth-provider': z.looseObject({ name: z.string() }).optional(),
});
const contextSchema = z.object({ cluster: z.string(), user: z.string().optional(), namespace: text });
const fileSchema = z.object({
  'current-context': z.string().optional(),
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })).nullish(),
  users: z.array(z.object({ name: z.string(), user: userSchema.nullish() })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context: contextSchema })).nullish(),
});

interface LoadedFile {
  path: string;
  content: z.output<typeof fileSchema>;
}

async function fromKubeconfig(paths: string[], contextName: string | undefined): Promise<Connection> {
  const files = (await Promise.all(paths.map((path) => loadFile(path, paths.length > 1)))).filter((file) => file !== undefined);
  const origin = paths.join(', ');
  // As kubectl merges several files: the first that names a thing wins.
  const wanted = contextName ?? files.map((file) => file.content['current-context']).find((name) => name !== undefined && name !== '');
  if (wanted === undefined) throw new ConfigurationError(`${origin} has no current-context: run kubectl config use-context NAME`);
  const context = find(files, 'context', wanted, (file) => file.content.contexts).entry.context;
  const { file: clusterFile, entry: cluster } = find(files, 'cluster', context.cluster, (file) => file.content.clusters);
  const user = context.user === undefined ? undefined : find(files, 'user', context.user, (file) => file.content.users);
  const spec = cluster.cluster;
  if (!URL.canParse(spec.server)) throw new ConfigurationError(`Cluster ${cluster.name} in ${clusterFile.path}: server ${spec.server} is not a URL`);
  return {
    server: new URL(spec.server),
    ca: await pemOf(clusterFile, spec['certificate-authority'], spec['certificate-authority-data']),
    tlsServerName: spec['tls-server-name'],
    insecureSkipTlsVerify: spec['insecure-skip-tls-verify'] ?? false,
    proxyUrl: spec['proxy-url'],
    credentials: user?.entry.user == null ? fixedCredentials({ headers: {} }) : await credentialsOf(user.file, user.entry.user),
    namespace: context.namespace ?? 'default',
    origin: `context ${wanted} of ${origin}`,
  };
}

async function credentialsOf(file: LoadedFile, user: z.output<typeof userSchema>): Promise<CredentialSource> {
  const directory = dirname(file.path);
  const headers: Credentials['headers'] = {
    ...(user.as === undefined ? {} : { 'impersonate-user': user.as }),
    ...(user['as-groups'] === undefined ? {} : { 'impersonate-group': user['as-groups'] }),
  };
  if (user.tokenFile !== undefined) return tokenFileCredentials(resolve(directory, user.tokenFile), headers);
  if (user.exec !== undefined || user['auth-provider'] !== undefined) return pluginCredentials(user, directory, headers);
  if (user.token !== undefined) headers['authorization'] = `Bearer ${user.token}`;
  else if (user.username !== undefined) {
    headers['authorization'] = `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`;
  }
  return fixedCredentials({
    headers,
    cert: await pemOf(file, user['client-certificate'], user['client-certificate-data']),
    key: await pemOf(file, user['client-key'], user['client-key-data']),
  });
}

async function loadFile(path: string, mayBeMissing: boolean): Promise<LoadedFile | undefined> {
  if (mayBeMissing && !existsSync(path)) return undefined;
  let raw: unknown;
  try {
    raw = parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ConfigurationError(`The kubeconfig ${path} cannot be read: set KUBECONFIG to a readable YAML file`, { cause: error });
  }
  const parsed = fileSchema.safeParse(raw);
  if (!parsed.success) throw new ConfigurationError(`The kubeconfig ${path} is not valid:\n${z.prettifyError(parsed.error)}`);
  return { path, content: parsed.data };
}

function find<E extends { name: string }>(files: LoadedFile[], what: string, name: string, entries: (file: LoadedFile) => E[] | null | undefined): { file: LoadedFile; entry: E } {
  for (const file of files) {
    const entry = entries(file)?.find((one) => one.name === name);
    if (entry !== undefined) return { file, entry };
  }
  throw new ConfigurationError(`There is no ${what} ${name} in ${files.map((file) => file.path).join(', ') || 'the kubeconfig'}`);
}

async function pemOf(file: LoadedFile, path: string | undefined, data: string | undefined): Promise<string | undefined> {
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  if (path === undefined) return undefined;
  const absolute = resolve(dirname(file.path), path);
  try {
    return await readFile(absolute, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`The file ${absolute}, named in ${file.path}, cannot be read`, { cause: error });
  }
}
