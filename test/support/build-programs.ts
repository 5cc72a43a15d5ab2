/**
 * Builds, one after the other, the programs that tests run and that this machine has not got yet. Each test that needs one
 * would build it, too; beside other tests that would take the time that their limits leave them.
 */
import { helmProgram } from '../../hack/helm/helm.ts';
import { motoPython } from '../../hack/moto/moto.ts';
import { nodePrograms } from '../../hack/node/nodes.ts';
import { goProgram, pythonProgram } from '../conformance/peer.ts';
import { testBinaries } from './cluster.ts';
import { promtoolProgram } from './promtool/promtool.ts';
import { s3Program } from './s3/server.ts';
import { pythonWithVirl2 } from './virl2/venv.ts';

const report = (line: string): void => void process.stderr.write(`${line}\n`);

await testBinaries(report);
await nodePrograms(process.env, report);
await helmProgram(process.env, report);
await promtoolProgram();
await s3Program();
await goProgram();
await Promise.all([pythonProgram(), motoPython(), pythonWithVirl2()]);
