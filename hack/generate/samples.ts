/** The sample ConfigMap, which carries the sample topology byte for byte. */
import { readFileSync } from 'node:fs';
import type { Generator } from './output.ts';
import { manifest } from './yaml.ts';

const TOPOLOGY = 'config/samples/campus-edge.cml.yaml';

export const sampleTopology: Generator = {
  name: 'sample topology',
  files: () => {
    const topology = readFileSync(new URL(`../../${TOPOLOGY}`, import.meta.url), 'utf8');
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'campus-edge-topology', namespace: 'exams' }, data: { 'campus-edge.cml.yaml': topology } };
    return new Map([['config/samples/40-topology.yaml', `---\n${manifest(TOPOLOGY, [configMap])}`]]);
  },
};
