import { describe, expect, test } from '@jest/globals';
import { AddressGuard } from '../../../../src/clients/topology/guard.ts';

const strict = new AddressGuard([]);

describe('without any permission', () => {
  test.each([
    ['127.0.0.1', 'a loopback address'],
    ['127.8.8.8', 'a loopback address'],
    ['::1', 'a loopback address'],
    ['10.0.0.1', 'a private address'],
    ['172.16.0.1', 'a private address'],
    ['172.31.255.254', 'a private address'],
    ['192.168.1.1', 'a private address'],
    ['fc00::1', 'a private address'],
    ['fd00:ec2::254', 'a private address'],
    ['169.254.169.254', 'a link-local address, where clouds serve the metadata of their machines'],
    ['fe80::1', 'a link-local address, where clouds serve the metadata of their machines'],
    ['fe80::1%eth0', 'a link-local address, where clouds serve the metadata of their machines'],
    ['100.64.0.1', 'an address of a shared network (100.64.0.0/10)'],
    ['100.127.255.254', 'an address of a shared network (100.64.0.0/10)'],
    ['224.0.0.1', 'a multicast address'],
    ['ff02::1', 'a multicast address'],
    ['0.0.0.0', 'a reserved address'],
    ['0.1.2.3', 'a reserved address'],
    ['::', 'a reserved address'],
    ['255.255.255.255', 'a reserved address'],
    ['240.0.0.1', 'a reserved address'],
    ['192.0.2.1', 'a reserved address'],
    ['198.18.0.1', 'a reserved address'],
    ['2001:db8::1', 'a reserved address'],
    ['fec0::1', 'a reserved address'],
    ['::ffff:127.0.0.1', 'a loopback address'],
    ['::ffff:a9fe:a9fe', 'a link-local address, where clouds serve the metadata of their machines'],
    ['64:ff9b::10.0.0.1', 'a private address'],
    ['::7f00:1', 'a reserved address'],
    ['2002:7f00:1::1', 'a reserved address'],
    ['4000::1', 'a reserved address'],
    ['not-an-address', 'no IP address'],
  ])('%s is refused as %s', (address, problem) => {
    expect(strict.problem('labs.example.org', address)).toBe(problem);
  });

  test.each(['93.184.216.34', '172.15.0.1', '172.32.0.1', '100.63.0.1', '100.128.0.1', '169.253.0.1', '2606:4700::1111', '::ffff:93.184.216.34', '64:ff9b::93.184.216.34'])('%s is the public internet', (address) => {
    expect(strict.problem('labs.example.org', address)).toBeUndefined();
  });
});

describe('permissions', () => {
  test('of a name trust it wherever it leads, in any spelling, and no other name', () => {
    const guard = new AddressGuard(['Git.Corp.example.org']);
    expect(guard.problem('git.corp.example.org.', '10.1.2.3')).toBeUndefined();
    expect(guard.problem('evil.git.corp.example.org', '10.1.2.3')).toBe('a private address');
    expect(guard.problem('10.1.2.3', '10.1.2.3')).toBe('a private address');
  });

  test('of a network hold for its addresses in every notation, and not for their neighbours', () => {
    const guard = new AddressGuard(['10.20.0.0/16', 'fd12::/16', '192.168.7.7']);
    expect(guard.problem('a.example.org', '10.20.255.1')).toBeUndefined();
    expect(guard.problem('a.example.org', '::ffff:10.20.0.1')).toBeUndefined();
    expect(guard.problem('a.example.org', 'fd12::9')).toBeUndefined();
    expect(guard.problem('a.example.org', '192.168.7.7')).toBeUndefined();
    expect(guard.problem('a.example.org', '10.21.0.1')).toBe('a private address');
    expect(guard.problem('a.example.org', 'fd13::9')).toBe('a private address');
    expect(guard.problem('a.example.org', '192.168.7.8')).toBe('a private address');
  });

  test.each(['https://git.example.org', 'git.example.org:8443', 'git.example.org/labs', '10.0.0.0/33', '10.0.0', '*', 'a b'])('are not written like %s', (entry) => {
    expect(() => new AddressGuard([entry])).toThrow(/is no host; write names, addresses or networks, such as/);
  });
});

describe('where a proxy makes the connection', () => {
  const addresses: Readonly<Record<string, string>> = { 'files.example.org': '93.184.216.34', 'metadata.example.org': '169.254.169.254' };
  const guard = (allow: readonly string[] = []): AddressGuard => new AddressGuard(allow, (hostname, done) => {
    const address = addresses[hostname];
    if (address === undefined) done(new Error('ENOTFOUND'), []);
    else done(null, [{ address, family: 4 }]);
  });

  test.each(['metadata.example.org', '10.1.2.3', '[::1]'])('%s is refused before the proxy is asked', async (host) => {
    await expect(guard().admit(host)).rejects.toThrow('topologies are not read from internal addresses');
  });

  test('what is public, what is allowed, and what only the proxy can resolve goes on to it', async () => {
    for (const host of ['files.example.org', 'only-the-proxy-knows.example.org']) await guard().admit(host);
    await guard(['metadata.example.org', '10.0.0.0/8']).admit('metadata.example.org');
    await guard(['10.0.0.0/8']).admit('10.1.2.3');
  });
});
