/**
 * Keeps a URI that a user wrote from reaching what only the controller can reach: cloud metadata, the API server, the
 * neighbours in its network. It judges addresses, at the moment of connecting: a name can resolve to something else
 * each time it is asked.
 */
import { lookup as systemLookup } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import { TopologySourceError } from './port.ts';

type Address = ReturnType<typeof ipaddr.parse>;
type Network = ReturnType<typeof ipaddr.parseCIDR>;

/** Asks the name servers for all addresses of a name. */
export type Resolve = (hostname: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

const resolveBySystem: Resolve = (hostname, done) => {
  systemLookup(hostname, { all: true }, done);
};

/** RFC 4291: the addresses of the public internet; what lies outside is special or not assigned. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');

const WORDS: Readonly<Record<string, string>> = {
  loopback: 'a loopback address',
  private: 'a private address',
  uniqueLocal: 'a private address',
  linkLocal: 'a link-local address, where clouds serve the metadata of their machines',
  carrierGradeNat: 'an address of a shared network (100.64.0.0/10)',
  multicast: 'a multicast address',
};

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;

export class AddressGuard {
  readonly #hosts = new Set<string>();
  readonly #networks: Network[] = [];
  readonly #resolve: Resolve;

  /**
   * @param allow names, addresses and networks ("10.20.0.0/16") that may be read from although they are internal. An
   *   allowed name may lead anywhere: it is trusted with its addresses.
   * @throws TypeError that says how to write them
   */
  constructor(allow: readonly string[], resolve: Resolve = resolveBySystem) {
    this.#resolve = resolve;
    for (const entry of allow) {
      if (ipaddr.isValidCIDR(entry)) this.#networks.push(ipaddr.parseCIDR(entry));
      else if (isIP(entry) !== 0) this.#networks.push([ipaddr.parse(entry), isIP(entry) === 4 ? 32 : 128]);
      else if (HOST_NAME.test(canonical(entry)) && !/^[\d.]+$/.test(entry)) this.#hosts.add(canonical(entry));
      else throw new TypeError(`"${entry}" is no host; write names, addresses or networks, such as "git.example.org, 10.20.0.0/16", without scheme, port and path`);
    }
  }

  /** What is wrong with `address`, to which `hostname` has led: "a private address". Undefined: it may be connected to. */
  problem(hostname: string, address: string): string | undefined {
    if (this.#hosts.has(canonical(hostname))) return undefined;
    if (!ipaddr.isValid(address)) return 'no IP address';
    const given = ipaddr.parse(address);
    const real = unwrap(given);
    if ([given, real].some((one) => this.#networks.some((network) => contains(network, one)))) return undefined;
    const range = real.range();
    if (range === 'unicast' && (real.kind() === 'ipv4' || contains(GLOBAL_IPV6, real))) return undefined;
    return WORDS[range] ?? 'a reserved address';
  }

  /**
   * For a request that a proxy will make: judges what its host means here, if it means anything. Where a name leads that
   * only the proxy can resolve, and where it leads in the moment after, is for the proxy to judge.
   * @throws TopologySourceError
   */
  async admit(host: string): Promise<void> {
    const hostname = host.replace(/^\[|\]$/g, '');
    const addresses = isIP(hostname) === 0 ? await new Promise<{ address: string }[]>((done) => this.#resolve(hostname, (error, found) => done(error ? [] : found))) : [{ address: hostname }];
    for (const { address } of addresses) {
      const problem = this.problem(hostname, address);
      if (problem !== undefined) throw blocked(hostname, address, problem);
    }
  }

  /** Opens connections for an undici Agent, to allowed addresses only. */
  connector({ timeoutMs, ca }: { timeoutMs: number; ca?: string | undefined }): buildConnector.connector {
    const connect = buildConnector({ lookup: this.lookup, timeout: timeoutMs, allowH2: false, ...(ca === undefined ? {} : { ca }) });
    return (options, callback) => {
      const hostname = options.hostname.replace(/^\[|\]$/g, '');
      // An address is connected to as it is: no look-up, so nothing else would judge it.
      const problem = isIP(hostname) === 0 ? undefined : this.problem(hostname, hostname);
      if (problem === undefined) connect(options, callback);
      else callback(blocked(hostname, hostname, problem), null);
    };
  }

  /** A look-up for sockets: the addresses that it judges are the ones that the socket then connects to. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, (error, addresses) => {
      const [first] = addresses;
      if (error || !first) {
        callback(error ?? Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' }), '', 0);
        return;
      }
      // One internal address among public ones is a trap or a mistake: none of them is used.
      for (const { address } of addresses) {
        const problem = this.problem(hostname, address);
        if (problem !== undefined) {
          callback(blocked(hostname, address, problem), '', 0);
          return;
        }
      }
      if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function blocked(hostname: string, address: string, problem: string): TopologySourceError {
  const what = hostname === address ? `${address} is ${problem}` : `${hostname} leads to ${address}, ${problem}`;
  return new TopologySourceError('SourceBlocked', `${what}: topologies are not read from internal addresses. Use a public source, or have ${hostname} added to TOPOLOGY_ALLOW_HOSTS of the controller.`);
}

/** Names are compared in lower case and without the dot of the root. */
function canonical(hostname: string): string {
  return hostname.toLowerCase().replace(/\.$/, '');
}

/** The IPv4 address inside an IPv6 one that only carries it (IPv4-mapped, NAT64): that is where the packets go. */
function unwrap(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  const range = address.range();
  return range === 'ipv4Mapped' || range === 'rfc6052' ? new ipaddr.IPv4(address.toByteArray().slice(12)) : address;
}

function contains([network, bits]: Network, address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}
