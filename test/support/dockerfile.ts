/** The Dockerfile as the parser of an editor's language server reads it, for tests. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { DockerfileParser } from 'dockerfile-ast';
import type { Instruction } from 'dockerfile-ast';

export const ROOT = resolve(import.meta.dirname, '../..');
export const DOCKERFILE = readFileSync(resolve(ROOT, 'Dockerfile'), 'utf8');

const dockerfile = DockerfileParser.parse(DOCKERFILE);
const stage = (last: boolean): Instruction[] => {
  const all = dockerfile.getInstructions();
  const start = all.findLastIndex((instruction) => instruction.getKeyword() === 'FROM');
  return last ? all.slice(start) : all.slice(0, start);
};

/** What is before the runtime stage, with the arguments of all stages; and the runtime stage. */
export const [BUILD_STAGE, RUNTIME_STAGE] = [stage(false), stage(true)];

/** The text after keyword and flags of each such instruction, without comments. */
export function argumentsOf(instructions: readonly Instruction[], keyword: string): string[] {
  return instructions.filter((instruction) => instruction.getKeyword() === keyword).map((instruction) => instruction.getRawArgumentsContent() ?? '');
}

/** The command in exec form that an instruction ends with. @throws SyntaxError where it is in shell form */
export function execForm(argument: string | undefined): string[] {
  return JSON.parse(/\[.*\]$/s.exec(argument ?? '')?.[0] ?? '') as string[];
}
