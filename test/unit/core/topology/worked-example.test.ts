import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { allocatePorts, portMap } from '../../../../src/core/ports.ts';
import { gradingPod, ldsDevices } from '../../../../src/core/topology/devices.ts';
import { rewriteTopology } from '../../../../src/core/topology/rewrite.ts';
import { summarizeTopology } from '../../../../src/core/topology/summary.ts';

const bytes = readFileSync(new URL('../../../fixtures/campus-edge.cml.yaml', import.meta.url));
const summary = summarizeTopology(bytes, { devices: [{ label: 'workstation', visible: true }] });
const allocation = allocatePorts({
  range: { start: 2000, end: 7999 },
  taken: new Set([2000, 2001, 2004]),
  templates: summary.ports,
});
if (!allocation.ok) throw new Error(allocation.message);
const { ports } = allocation;
const rewritten = rewriteTopology(summary.text, portMap(ports));

describe('campus-edge on a worker where 2000, 2001 and 2004 are taken', () => {
  test('the summary has the nodes, their definitions, the ports and the hash of the exact bytes', () => {
    expect(summary.nodeCount).toBe(3);
    expect(summary.nodeDefinitions).toEqual(['iosv', 'ubuntu']);
    expect(summary.ports).toEqual([
      { name: 'edge-r1_serial', node: 'edge-r1', protocol: 'serial' },
      { name: 'edge-r2_serial', node: 'edge-r2', protocol: 'serial' },
      { name: 'workstation_serial', node: 'workstation', protocol: 'serial' },
      { name: 'workstation_vnc', node: 'workstation', protocol: 'vnc' },
    ]);
    expect(summary.sha256).toBe('5a38b86e7b1a67e25936ed04003da17680e4b4c7c06d34a4a321eadf2bd2d17d');
  });

  test('the ports are the lowest free ones, in the order of the tags', () => {
    expect(portMap(ports)).toEqual({
      'edge-r1_serial': 2002, 'edge-r2_serial': 2003, workstation_serial: 2005, workstation_vnc: 2006,
    });
  });

  test('tags carry the numbers and all other tags stay', () => {
    expect(summarizeTopology(Buffer.from(rewritten)).nodes.map(({ tags }) => tags)).toEqual([
      ['serial:2002', 'role:router'], ['serial:2003', 'role:router'], ['serial:2005', 'vnc:2006'],
    ]);
  });

  test('only the lines of tags and smart annotations differ from the source, and those in nothing but the number', () => {
    const before = summary.text.split('\n');
    const changed = rewritten.split('\n').flatMap((line, index) => (line === before[index] ? [] : [line]));
    expect(changed).toEqual([
      '      - serial:2002',
      '      - serial:2003',
      '      - serial:2005',
      '      - vnc:2006',
      "  - {tag: 'serial:2002', label: 'serial:2002', is_on: true, padding: 35, fill_color: '#FFD10080'}",
      "  - {tag: 'vnc:2006', label: 'vnc:2006', is_on: true, padding: 35, fill_color: '#005C9980'}",
    ]);
    expect(rewritten.split('\n')).toHaveLength(before.length);
  });

  test('the candidate sees one device a node: vnc before serial', () => {
    const devices = ldsDevices(summary.nodes, ports, 'cml-01.example.org');
    expect(devices).toEqual([
      { label: 'edge-r1', protocol: 'telnet', host: 'cml-01.example.org', port: 2002, uri: 'telnet://cml-01.example.org:2002' },
      { label: 'edge-r2', protocol: 'telnet', host: 'cml-01.example.org', port: 2003, uri: 'telnet://cml-01.example.org:2003' },
      { label: 'workstation', protocol: 'vnc', host: 'cml-01.example.org', port: 2006, uri: 'vnc://cml-01.example.org:2006' },
    ]);
  });

  test('the GradingEngine gets every port of every node, serial lines as consoles', () => {
    const host = '192.0.2.7';
    expect(gradingPod('5d0c', summary.nodes, ports, host)).toEqual({
      id: '5d0c',
      devices: [
        { label: 'edge-r1', hostname: 'edge-r1', collector: 'default', interfaces: [{ name: 'edge-r1_serial', protocol: 'console', host, port: 2002 }] },
        { label: 'edge-r2', hostname: 'edge-r2', collector: 'default', interfaces: [{ name: 'edge-r2_serial', protocol: 'console', host, port: 2003 }] },
        {
          label: 'workstation', hostname: 'workstation', collector: 'default', interfaces: [
            { name: 'workstation_serial', protocol: 'console', host, port: 2005 },
            { name: 'workstation_vnc', protocol: 'vnc', host, port: 2006 },
          ],
        },
      ],
    });
  });
});
