import { BlockList } from 'node:net';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AddressGuard } from '../../src/clients/topology/guard.ts';

const guard = new AddressGuard([]);
const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
const hex = (a: number, b: number): string => ((a << 8) | b).toString(16);

/** RFC 6890 and its successors, written down a second time and judged by Node's own code. */
const SPECIAL = new BlockList();
for (const network of [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24',
  '192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
]) {
  const [address = '', bits] = network.split('/');
  SPECIAL.addSubnet(address, Number(bits), 'ipv4');
}

/** Addresses anywhere, and as many close to the edges of the special networks. */
const address = fc.oneof(
  octets,
  fc.tuple(fc.constantFrom(0, 10, 100, 127, 169, 172, 192, 198, 203, 224, 240, 255), fc.oneof(fc.nat(255), fc.constantFrom(0, 15, 16, 18, 19, 31, 32, 51, 63, 64, 88, 127, 128, 168, 175, 253, 254)), fc.nat(255), fc.nat(255)),
);

test('exactly the special IPv4 addresses are refused, in each notation in which an IPv6 socket reaches them', () => {
  fc.assert(
    fc.property(address, ([a, b, c, d]) => {
      const plain = `${a}.${b}.${c}.${d}`;
      const problem = guard.problem('labs.example.org', plain);
      expect(problem !== undefined).toBe(SPECIAL.check(plain, 'ipv4'));
      for (const carried of [`::ffff:${plain}`, `::ffff:${hex(a, b)}:${hex(c, d)}`, `64:ff9b::${hex(a, b)}:${hex(c, d)}`]) expect(guard.problem('labs.example.org', carried)).toBe(problem);
    }),
    { numRuns: 2_000 },
  );
});

test('no IPv6 address outside of 2000::/3 is connected to, unless it carries a public IPv4 address', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), (groups) => {
      const [first = 0] = groups;
      const text = groups.map((group) => group.toString(16)).join(':');
      if (first >= 0x2000 && first <= 0x3fff) return;
      if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return;
      if (first === 0x64 && groups[1] === 0xff9b) return;
      expect(guard.problem('labs.example.org', text)).toBeDefined();
    }),
    { numRuns: 2_000 },
  );
});
