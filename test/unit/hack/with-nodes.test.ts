import { expect, test } from '@jest/globals';
import { nodeCount } from '../../../hack/cluster/with-nodes.ts';

test('a cluster has the nodes that NODES says, and none without it', () => {
  expect(nodeCount({ NODES: '3' }, { kind: 'embedded' })).toBe(3);
  expect([nodeCount({}, { kind: 'embedded' }), nodeCount({ NODES: '' }, { kind: 'kind' })]).toEqual([0, 0]);
});

test.each([
  { nodes: 'three', kind: 'embedded', complaint: 'NODES=three is no number from 0 to 20' },
  { nodes: '21', kind: 'embedded', complaint: 'NODES=21 is no number from 0 to 20' },
  { nodes: '3', kind: 'kind', complaint: 'this cluster has its own nodes' },
  { nodes: '3', kind: 'current', complaint: 'this cluster has its own nodes' },
] as const)('NODES=$nodes with a cluster of the kind $kind is refused', ({ nodes, kind, complaint }) => {
  expect(() => nodeCount({ NODES: nodes }, { kind })).toThrow(complaint);
});
