/**
 * The way out of the cluster: through an HTTP proxy where HTTP_PROXY and HTTPS_PROXY say so, but for what NO_PROXY names.
 * One rule for every client but that of the API server, which takes a proxy from its kubeconfig alone (`proxy-url`).
 */
import ipaddr from 'ipaddr.js';

export interface ProxyVariables {
  /** Proxy for http, and for https: `http://[USER:PASSWORD@]HOST:PORT`. */
  readonly HTTP_PROXY?: string | undefined;
  readonly HTTPS_PROXY?: string | undefined;
  /** Names (with all names below them), addresses, networks (`10.0.0.0/8`), each with or without a port; `*` for all. */
  readonly NO_PROXY: readonly string[];
}

/** See `Proxies.proxyFor`. */
export type ProxyFor = (url: URL) => string | undefined;

export interface Proxies {
  /** The proxy that leads to the URL; undefined: none, it is connected to directly. */
  readonly proxyFor: ProxyFor;
  /** The variables for agents of Node, by which others' libraries speak; undefined: there is no proxy. */
  readonly proxyEnv: Readonly<Record<string, string>> | undefined;
}

const LOOPBACK = '127.0.0.0/8';

/** As curl and Go read the variables: https goes by HTTPS_PROXY alone. This machine itself is never asked for at a proxy. */
export function readProxies({ HTTP_PROXY, HTTPS_PROXY, NO_PROXY }: ProxyVariables): Proxies {
  const exceptions = NO_PROXY.flatMap((entry) => exceptionOf(entry) ?? []);
  const isDirect = (url: URL): boolean => {
    const host = hostOf(url);
    const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
    return isLoopback(host) || exceptions.some((exception) => (exception.port === undefined || exception.port === port) && exception.covers(host));
  };
  const variables = Object.entries({ HTTP_PROXY, HTTPS_PROXY }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  return {
    proxyFor: (url) => {
      const proxy = url.protocol === 'https:' ? HTTPS_PROXY : HTTP_PROXY;
      return proxy === undefined || isDirect(url) ? undefined : proxy;
    },
    proxyEnv: variables.length === 0 ? undefined : { ...(Object.fromEntries(variables) as Record<string, string>), NO_PROXY: [LOOPBACK, 'localhost', ...NO_PROXY].flatMap(inWordsOfNode).join(',') },
  };
}

interface Exception {
  readonly port: string | undefined;
  readonly covers: (host: string) => boolean;
}

/** Undefined for what can match nothing. */
function exceptionOf(entry: string): Exception | undefined {
  if (ipaddr.isValidCIDR(entry)) {
    const network = ipaddr.parseCIDR(entry);
    return { port: undefined, covers: (host) => ipaddr.isValid(host) && isWithin(ipaddr.parse(host), network) };
  }
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+|[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*))(?::(\d+))?$/i.exec(entry) ?? [];
  const name = (bracketed ?? plain ?? '').toLowerCase().replace(/^\*?\./, '').replace(/\.$/, '');
  if (name === '') return undefined;
  return { port, covers: name === '*' ? () => true : (host) => host === name || host.endsWith(`.${name}`) };
}

/** Node takes a name for itself alone, and networks as ranges. */
function inWordsOfNode(entry: string): string[] {
  if (ipaddr.IPv4.isValidCIDR(entry)) return [`${ipaddr.IPv4.networkAddressFromCIDR(entry).toString()}-${ipaddr.IPv4.broadcastAddressFromCIDR(entry).toString()}`];
  const name = entry.replace(/^\*?\./, '');
  return name === '*' || /^[\d.]+(:\d+)?$/.test(name) || name.includes('[') ? [name] : [name, `.${name}`];
}

function isWithin(address: ReturnType<typeof ipaddr.parse>, [network, bits]: ReturnType<typeof ipaddr.parseCIDR>): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

const hostOf = (url: URL): string => url.hostname.toLowerCase().replace(/^\[|\]$/g, '').replace(/\.$/, '');

const isLoopback = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost') || (ipaddr.isValid(host) && ipaddr.parse(host).range() === 'loopback');
